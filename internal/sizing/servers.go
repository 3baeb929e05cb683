package sizing

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
)

// Queues that a Load may have.
const (
	QueueDisk      = "bbolt"
	QueueJetStream = "jetstream"
)

// What a queue on NATS JetStream costs. Measured with nats-server 2.15, three nodes, file storage and three replicas: a
// message of 3 KB takes 47 µs of processor time of all servers together, one of 128 KiB 1.1 ms.
const (
	// messageMicros is what a stored message takes of all servers, whatever its size, and kibibyteMicros what each KiB
	// of it takes.
	messageMicros, kibibyteMicros = 22.0, 8.4
	// readBack is how much more handing a message out and taking its ack costs: as much as storing it, at most.
	readBack = 2
	// sharedCost is what receiving and storing costs an aggregator more than with a disk of its own.
	sharedCost = 1.3
	// streamRoom is the room that the stream has beyond buffer.jetstream.max_size.
	streamRoom = 1.0 / 8
	// serverMemory is what a server needs besides, in bytes, and idMemory what it remembers of each id.
	serverMemory, idMemory = 512 << 20, 250
	// idSeconds is how long ids are remembered: buffer.dedupe_window.
	idSeconds = 600
	// serverReplicas are the servers that hold each chunk.
	serverReplicas = 3
)

// DefaultChunk is how many events an agent sends at once.
const DefaultChunk = 500

// Servers are the NATS servers that a queue on JetStream needs.
type Servers struct {
	Count int `json:"count"`
	// Replicas is that of each chunk.
	Replicas int `json:"replicas"`
	// Cores is that of each, at the load, with one lost.
	Cores float64 `json:"cores_in_use"`
	// Memory is that of each.
	Memory int64 `json:"memory_each"`
	// Disk is that of each.
	Disk int64 `json:"disk_each"`
	// Written counts bytes a second.
	Written float64 `json:"written_each"`
	// Network counts bytes a second in and out, at most.
	Network float64 `json:"network_each"`
	// MaxSize is for buffer.jetstream.max_size.
	MaxSize int64 `json:"max_size"`
	// Messages counts those stored in a second.
	Messages float64 `json:"messages_second"`
	// PerMessage is in bytes.
	PerMessage int64 `json:"message_size"`
}

// share fills in what the queue on JetStream needs, and what the aggregators don't need then.
func (p *Plan) share(l Load) {
	outs := float64(len(l.Outputs))
	chunks := l.EventsPerSecond / float64(l.EventsPerChunk)
	size := float64(l.EventSize) * float64(l.EventsPerChunk) / l.Compression
	s := &Servers{
		Count: serverReplicas, Replicas: serverReplicas, Messages: chunks * outs, PerMessage: int64(size),
		Written: p.Stored * outs,
	}
	micros := (messageMicros + kibibyteMicros*size/1024) * readBack
	s.Cores = s.Messages * micros / 1e6 / (serverReplicas - 1)
	s.MaxSize = gibibytes(p.Stored * outs * l.Outage.Seconds())
	s.Disk = gibibytes((float64(s.MaxSize)*(1+streamRoom) + float64(l.DeadLetters)) / fileSystem)
	s.Memory = roundUp(serverMemory+s.Messages*idSeconds*idMemory, 256<<20)
	// The leader takes each chunk, sends it to the others and hands it out.
	s.Network = p.Stored * outs * (1 + serverReplicas - 1 + 1)
	p.Servers = s
	p.Queue, p.Volume, p.DiskTraffic = 0, 0, 0
	p.ClusterSize = s.MaxSize
	if l.Clusters > 1 {
		p.ClusterSize = min(s.MaxSize, gibibytes(2*float64(s.MaxSize)/float64(l.Clusters)))
	}
}

// judgeServers warns of what one stream does not carry.
func (p *Plan) judgeServers(l Load) {
	warn := func(format string, args ...any) { p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...)) }
	s := p.Servers
	if s.Cores > l.Cores*usable*2 {
		warn("The servers have %.1f cores busy each: give them %d, and no other work.", s.Cores, ceil(s.Cores/usable/2))
	}
	if s.Written > diskRate/2 {
		warn("Each server writes %s/s: more than half of what a volume carries without being asked for more (%s/s).",
			humanize.Bytes(s.Written), humanize.Bytes(diskRate))
	}
	if l.QueueLimit > 0 && l.QueueLimit < s.MaxSize {
		warn("The configuration's buffer.jetstream.max_size is %s: agents would have to wait before the "+
			"outage is over.",
			humanize.Bytes(float64(l.QueueLimit)))
	}
}

// assumeServers says what the servers' figures rest on.
func (p *Plan) assumeServers(l Load) []string {
	return []string{
		fmt.Sprintf("A stored chunk takes %.0f µs of all NATS servers' processors and %.1f µs for each KiB, "+
			"and as much "+
			"again to be handed out and acknowledged; %d events are in a chunk (--events-per-chunk).",
			messageMicros, kibibyteMicros, l.EventsPerChunk),
		"Each output has a copy of a chunk of its own in the stream, on each of 3 servers.",
		fmt.Sprintf("Servers remember ids for %d minutes, at %d bytes each (buffer.dedupe_window).", idSeconds/60,
			idMemory),
	}
}
