package jetstream

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/acks"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/collect"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/link"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/members"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/publish"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/setup"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	letters "github.com/seed-afc6a195/aggregator/pkg/deadletter/jetstream"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Options is what the queue needs beside its Config.
type Options struct {
	buffer.Options
	// TLS returns how a server is spoken to, and is asked at each connection, as files change; nil: as the URLs say,
	// with the system's authorities.
	TLS func(host string) *tls.Config
	// Host names the process to people, such as the pod's name; "": the host's name.
	Host string

	// inProcess is, in tests, the server, and lease what ackWait is.
	inProcess nats.InProcessConnProvider
	lease     time.Duration
}

// Queue is a buffer.Queue in a stream, and one process of a buffer.Group.
type Queue struct {
	remote
	identity
	memory
	state

	log     zerolog.Logger
	now     func() time.Time
	outlet  atomic.Pointer[publish.Publisher] // set as soon as there is a connection
	dead    *letters.Store
	group   *members.Group
	resends *resend.Window
	every   logevery.Limit
	beat    heartbeat.Loop
	// latency is how long commits wait for the stream.
	latency metric.Histogram
	// numbers counts what is stored, for ids that nothing else makes.
	numbers atomic.Uint64

	background
	acks  *acks.Sender
	inbox *nats.Subscription
	// arrived is what has come there and is not taken in: of whoever calls arrive.
	arrived []*nats.Msg
	lease   time.Duration // how long the servers wait for word of what they have handed out
}

// background is what the queue does by itself.
type background struct {
	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	kicked chan struct{} // the keeper is to turn now
}

// identity is who this process is.
type identity struct {
	queueID [16]byte
	process [16]byte // random
	name    string   // Group.Self
	host    string
	began   time.Time
	inboxes string // begins the subjects that the servers answer to
}

// memory is what is used again.
type memory struct {
	collected collect.Memory
	// entries is that of chunks' entries.
	entries chunk.Pool
	// sealed is that of chunks on their way to the stream.
	sealed sync.Pool
}

// Open returns the queue that cfg.JetStream names. Servers that can't be reached don't make it fail: they are tried
// again, and Ready says why nothing can be stored until then. It fails where a stream of that name has settings that it
// can't live with (DifferentError), a server is too old, or cfg makes no sense.
func Open(ctx context.Context, cfg buffer.Config, o Options) (*Queue, error) {
	if cfg.JetStream == nil || len(cfg.JetStream.URLs) == 0 && o.inProcess == nil {
		return nil, errors.New("buffer.jetstream.urls names no server")
	}
	packer, err := chunk.NewPacker(cfg.Compression)
	if err != nil {
		return nil, err
	}
	q := newQueue(cfg, &o, packer)
	if dir := cfg.OwnDir(); dir != "" {
		// What outputs note for themselves goes there. Without it they tell what they can't promise.
		if err := os.MkdirAll(dir, 0o750); err != nil {
			q.log.Warn().Err(err).Msg("outputs have no place to note what they are about to deliver (buffer.path)")
		}
	}
	if err := q.dial(&o); err != nil {
		q.release()
		return nil, err
	}
	first, cancel := context.WithTimeout(ctx, requestWithin)
	err = q.prepare(first)
	cancel()
	var different *DifferentError
	if errors.As(err, &different) || errors.Is(err, setup.ErrTooOld) || ctx.Err() != nil {
		q.release()
		return nil, err
	}
	q.report(err)
	q.tasks.Go(q.keep)
	q.tasks.Go(func() { q.acks.Run(q.ctx) })
	q.tasks.Go(q.keepLeases)
	return q, nil
}

func newQueue(cfg buffer.Config, o *Options, packer *chunk.Packer) *Queue {
	q := &Queue{
		remote: remote{cfg: cfg}, memory: memory{collected: collect.Memory{Packer: packer}},
		background: background{kicked: make(chan struct{}, 1)}, log: o.Log, now: o.Now,
		lease: cmp.Or(o.lease, ackWait), every: logevery.Limit{Every: time.Minute},
	}
	if q.now == nil {
		q.now = time.Now
	}
	q.collected.Arenas.Keep, q.entries.Keep = collect.KeepArena, keepEntries
	_, _ = rand.Read(q.process[:]) // never fails
	q.host, q.began = hostName(o), time.Now()
	q.inboxes = "_INBOX." + hex.EncodeToString(q.process[:]) + "."
	q.name = q.host + "-" + hex.EncodeToString(q.process[:4])
	sum := sha256.Sum256([]byte("aggregator's queue in stream " + q.chunks()))
	copy(q.queueID[:], sum[:])
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.acks = acks.New(func(m *nats.Msg) error { return q.nc().PublishMsg(m) }, q.inboxes+ackMark, q.lease)
	q.resends = resend.NewWindow(cfg.DedupeWindow, q.now)
	q.init(cfg.Limits(o.OutputLimits, o.ClusterLimits, o.ClusterWhenFull))
	q.group = members.New(q.name, q.host, q.began)
	q.group.Give(q.give)
	return q
}

// dial begins the connection, and all that listens on it.
func (q *Queue) dial(o *Options) error {
	var err error
	if q.link, err = link.Dial(o.link(q.cfg.JetStream, q.reconnected)); err != nil {
		return err
	}
	nc := q.nc()
	if q.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(requestWithin)); err == nil {
		var pub *publish.Publisher
		pub, err = publish.New(nc, q.chunks())
		q.outlet.Store(pub)
	}
	if err == nil {
		q.inbox, err = nc.Subscribe(q.inboxes+">", q.arrive)
	}
	if err == nil {
		// What may come is bounded by what is asked for.
		err = q.inbox.SetPendingLimits(-1, -1)
	}
	if err == nil {
		err = q.group.Connect(nc, q.chunks())
	}
	if err == nil {
		_, err = q.Listen(topicPurged, q.purged)
	}
	if err != nil {
		return fmt.Errorf("prepare the connection to NATS: %w", err)
	}
	q.dead = letters.New(letters.Options{
		Conn: nc, JetStream: q.js, Stream: q.letters(), Prefix: q.chunks() + ".dead",
		Replicas: q.cfg.JetStream.Replicas, Log: q.log, Now: q.now, Notes: q.group, Config: q.cfg.DeadLetters,
	})
	return nil
}

// release gives back what Open took.
func (q *Queue) release() {
	q.cancel()
	if pub := q.outlet.Load(); pub != nil {
		pub.Close()
	}
	if q.link != nil {
		q.link.Close()
	}
	q.collected.Packer.Close()
}

// SetLogin replaces user, password and token, from the next connection on. A credentials file is read at each.
func (q *Queue) SetLogin(cfg *buffer.JetStreamConfig) { q.link.SetLogin(cfg) }

// Settle implements buffer.Queue.
func (q *Queue) Settle(conn uint64, commits int, received bool) {
	q.resends.Settle(conn, commits, received)
}

// Gone implements buffer.Queue.
func (q *Queue) Gone(conn uint64) { q.resends.Gone(conn) }

// ID implements buffer.Queue.
func (q *Queue) ID() [16]byte { return q.queueID }

// Capabilities implements buffer.Queue. What is handed out is kept alive until it is given back or the queue closes,
// and handed out in any order after that. See SetFreshShare for what is missing.
func (*Queue) Capabilities() buffer.Capabilities {
	return buffer.Capabilities{Durable: true, NoFreshShare: true}
}

// DeadLetters implements buffer.Queue.
func (q *Queue) DeadLetters() deadletter.Store { return q.dead }

// Beats implements buffer.Queue.
func (q *Queue) Beats() []heartbeat.Beat {
	return []heartbeat.Beat{{Loop: "keeper of the queue on JetStream", State: q.beat.State()}}
}

// MaxChunk implements buffer.Queue. What is larger than a message may be is stored as several.
func (*Queue) MaxChunk() int { return maxAdd }

// Close implements buffer.Queue. What is handed out, and what was fetched to be, goes to others at once.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	q.changed.Wake()
	for _, src := range q.sources {
		src.changed.Wake()
	}
	q.mu.Unlock()
	q.outlet.Load().Close()
	q.cancel()
	q.tasks.Wait()
	q.giveUp()
	ctx, cancel := context.WithTimeout(context.Background(), requestWithin)
	defer cancel()
	if err := q.publishSelf(ctx, true); err != nil {
		// No server that can be told is there, or elected. What waits is not in danger.
		q.log.Warn().Err(err).
			Msg("the others can't be told what this process has counted at last: they take it for one that was killed")
	}
	q.dead.Close()
	q.link.Close()
	q.collected.Packer.Close()
	return nil
}

var (
	_ buffer.Queue = (*Queue)(nil)
	_ buffer.Group = (*Queue)(nil)
)
