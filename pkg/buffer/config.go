package buffer

import (
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Config is the buffer's settings.
type Config struct {
	Type         string            `yaml:"type" default:"bbolt" enum:"bbolt|jetstream" help:"where chunks are kept"`
	Path         string            `yaml:"path" default:"data"`
	SegmentSize  setting.Size      `yaml:"segment_size" default:"64MiB" min:"1MiB"`
	DedupeWindow time.Duration     `yaml:"dedupe_window" default:"10m"`
	MaxSize      setting.Size      `yaml:"max_size" default:"0"`
	MinFreeDisk  setting.Size      `yaml:"min_free_disk" default:"1GiB"`
	WhenFull     string            `yaml:"when_full" default:"block" enum:"block|drop_oldest|reject"`
	Sync         bool              `yaml:"sync" default:"true"`
	Compression  string            `yaml:"compression" default:"s2" enum:"none|s2|zstd" help:"of chunks as stored"`
	DeadLetters  deadletter.Config `yaml:"dead_letters" help:"limits of the dead letters"`
	Waiting      WaitingConfig     `yaml:"waiting"`
	JetStream    *JetStreamConfig  `yaml:"jetstream" help:"where the queue is, with type: jetstream"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"path": "a directory: queue segments, state, dead letters; with jetstream only what outputs note for " +
			"themselves",
		"segment_size":  "a segment file is sealed at this size; of bbolt",
		"dedupe_window": "how long unconfirmed chunk ids are remembered; 0: off",
		"max_size":      "bytes on disk; 0: 80 % of what is free at the start; of bbolt",
		"min_free_disk": "the disk is treated as full when less than this is free; of bbolt",
		"sync": "false: ack before fdatasync; of bbolt: with jetstream, the servers' sync_interval says when " +
			"they sync",
		"when_full": "block: no ack, agents keep and retry; drop_oldest: counted; reject: close the connection",
		"waiting":   "what waits aside for a target, such as an index or a stream, that takes no events",
	}
}

// WaitingConfig is what may wait aside.
type WaitingConfig struct {
	MaxSize setting.Size `yaml:"max_size" default:"0"`
}

// Help implements setting.Explained.
func (WaitingConfig) Help() map[string]string {
	return map[string]string{
		"max_size": "bytes on disk; 0: a quarter of the queue's max_size. Past it, new events of such a target " +
			"become dead letters",
	}
}

// maxSegment is how large a segment may be made. A segment's disk is given back as a whole, and a damaged page can cost
// all that lies in it.
const maxSegment = 4 << 30

// Check implements setting.Checker.
func (c *Config) Check(r *setting.Report) {
	if c.SegmentSize > maxSegment {
		r.Add("segment_size", "write 4GiB or less; 64MiB fits nearly everybody",
			"a segment of %s would give its disk back only as a whole", c.SegmentSize)
	}
	switch {
	case c.Type == TypeJetStream && c.JetStream == nil:
		r.Add("jetstream", "write where the NATS servers are, as in jetstream: {urls: [nats://nats-0:4222]}",
			"type jetstream needs it")
	case c.Type != TypeJetStream && c.JetStream != nil:
		r.Add("jetstream", "write type: jetstream, or leave the section out", "the type of the queue is %s", c.Type)
	}
}

// Types of queues.
const (
	TypeDisk      = "bbolt"
	TypeJetStream = "jetstream"
)

// OwnDir is the program's own directory, where outputs note what they are about to deliver, whatever the engine. The
// engine on disk keeps its files there too; another has a place of its own.
func (c *Config) OwnDir() string { return c.Path }

// Place says where the queue is, for people: a directory, or a stream and its servers.
func (c *Config) Place() string {
	if c.JetStream != nil {
		return "stream " + c.JetStream.Stream + " at " + strings.Join(c.JetStream.URLs, ", ")
	}
	return c.Path
}
