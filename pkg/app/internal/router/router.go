// Package router joins the listeners to the queue: what arrives goes to the outputs that want it, and is counted.
package router

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// maxLetterBytes bounds the entries that one dead letter of unrouted events holds.
const maxLetterBytes = 64 << 10

// refusedEvery is how often the log has events of one cluster that become dead letters on arrival, for each reason.
const refusedEvery = time.Hour

// Labels of events that no output gets.
const (
	// reasonUnrouted is that no route wants them: they are dead or dropped.
	reasonUnrouted = "unrouted"
	// reasonTag is that their cluster may not send such a tag: they are dead.
	reasonTag = "tag_not_allowed"
)

// Router joins the listeners to the queue: it asks the routes who wants a message and counts what becomes of its
// events. It is the listeners' forward.Sink.
type Router struct {
	queue   buffer.Queue
	inForce atomic.Pointer[Rules]
	now     func() time.Time
	log     zerolog.Logger
	quiet   logevery.Limit

	mu       sync.Mutex
	clusters map[string]*Tally
}

// Rules say what becomes of a message. A reload replaces them as one.
type Rules struct {
	Routes   *route.Table
	Clusters *cluster.Registry
	// keepUnrouted says that events which no route takes become dead letters; otherwise they are dropped and counted.
	keepUnrouted bool
	// sources says that an output adds who sent an event. It is kept with the chunks only then: small messages of
	// different agents don't share one otherwise.
	sources bool
}

// RulesOf returns the rules of a configuration, whose routes and clusters these are.
func RulesOf(cfg *config.Config, routes *route.Table, clusters *cluster.Registry) Rules {
	r := Rules{Routes: routes, Clusters: clusters, keepUnrouted: cfg.Unrouted == "dead_letter"}
	for _, out := range cfg.Outputs {
		r.sources = r.sources || out.Common.Fields.Source != ""
	}
	return r
}

// Tally counts what arrived from one cluster, in events unless it says otherwise. Every event is in events, and in
// routed, repeated, dropped or dead.
type Tally struct {
	cluster  string
	Messages uint64
	Events   uint64
	// routed is events that an output wants.
	Routed uint64
	// repeated is events that were sent again, and so are not stored again.
	Repeated uint64
	// bytes is those of msgpack entries.
	Bytes uint64
	// dropped is by rule, dead by reason.
	Dropped, Dead map[string]uint64
	LastSeen      time.Time
	// tag is that of a message with dead.
	tag string
}

// NewTally returns one of nothing.
func NewTally(cluster string) *Tally {
	return &Tally{cluster: cluster, Dropped: map[string]uint64{}, Dead: map[string]uint64{}}
}

// add adds o to t.
func (t *Tally) add(o *Tally) {
	t.Messages += o.Messages
	t.Events += o.Events
	t.Routed += o.Routed
	t.Repeated += o.Repeated
	t.Bytes += o.Bytes
	if o.tag != "" {
		t.tag = o.tag
	}
	if len(o.Dropped)+len(o.Dead) == 0 {
		// Nearly always it ends here: every message comes by.
		return
	}
	for rule, n := range o.Dropped {
		t.Dropped[rule] += n
	}
	for reason, n := range o.Dead {
		t.Dead[reason] += n
	}
}

// sentAgain moves events that t has among the routed and the dead to those that are not stored again.
func (t *Tally) sentAgain(d buffer.Duplicates) {
	t.Repeated += uint64(d.Events)
	routed := d.Events
	for reason, n := range d.Rejected {
		if t.Dead[reason] -= uint64(n); t.Dead[reason] == 0 {
			delete(t.Dead, reason)
		}
		routed -= n
	}
	t.Routed -= uint64(routed)
}

func (t *Tally) reset() {
	t.Messages, t.Events, t.Routed, t.Repeated, t.Bytes, t.tag = 0, 0, 0, 0, 0, ""
	if len(t.Dropped)+len(t.Dead) > 0 {
		clear(t.Dropped)
		clear(t.Dead)
	}
}

// New returns a router to the queue.
func New(queue buffer.Queue, r Rules, now func() time.Time, log zerolog.Logger) *Router {
	in := &Router{
		queue: queue, now: now, log: log, quiet: logevery.Limit{Every: refusedEvery}, clusters: map[string]*Tally{},
	}
	in.SetRules(r)
	return in
}

// SetRules puts rules in force, from the next message of each connection on.
func (in *Router) SetRules(r Rules) { in.inForce.Store(&r) }

// Rules returns those in force.
func (in *Router) Rules() Rules { return *in.inForce.Load() }

// NewBatch returns a batch for the queue that knows the routes.
func (in *Router) NewBatch(conn uint64) ingest.Batch {
	return &routedBatch{in: in, out: in.queue.NewBatch(conn), stored: NewTally(""), current: NewTally("")}
}

// Settle has the queue know what became of acks.
func (in *Router) Settle(conn uint64, commits int, received bool) {
	in.queue.Settle(conn, commits, received)
}

// Gone has the queue know that a connection is gone.
func (in *Router) Gone(conn uint64) { in.queue.Gone(conn) }

// count adds what a batch has stored to its cluster.
func (in *Router) count(t *Tally) {
	in.mu.Lock()
	defer in.mu.Unlock()
	c := in.clusters[t.cluster]
	if c == nil {
		c = NewTally(t.cluster)
		in.clusters[t.cluster] = c
	}
	c.add(t)
	c.LastSeen = in.now()
}

// tell logs, now and then, which events of t are dead letters since they arrived, and why.
func (in *Router) tell(t *Tally) {
	for reason, n := range t.Dead {
		ok, before := in.quiet.Allow(reason, t.cluster, n, in.now())
		if ok {
			in.log.Warn().Str("cluster", t.cluster).Str("tag", t.tag).Str("reason", reason).Uint64("events", n+before).
				Msg("events can't be delivered: they are kept as dead letters, see aggregator dead list --output -")
		}
	}
}

// Snapshot returns a copy of every cluster's tally.
func (in *Router) Snapshot() map[string]*Tally {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make(map[string]*Tally, len(in.clusters))
	for name, t := range in.clusters {
		c := NewTally(name)
		c.add(t)
		c.LastSeen = t.LastSeen
		all[name] = c
	}
	return all
}

// routedBatch is a queue's batch that knows the routes. All its messages are of one cluster: that of its connection.
type routedBatch struct {
	in  *Router
	out buffer.Batch
	// stored is of messages before the current one, counted by Commit.
	stored *Tally
	// current is the message begun last; Abandon forgets it.
	current *Tally
	// rules is for the current message.
	rules *Rules
	// routed says that the current message has outputs.
	routed bool
	// tag is the one before, which is allowed where tagFits says so.
	tag     string
	tagFits bool
	// outputs are those that want it, by rules.
	outputs []string
	// source is who sends, see event.Source.
	source string
}

func (b *routedBatch) From(address, hostname string) { b.source = event.Source(address, hostname) }

func (b *routedBatch) Begin(cluster, tag, chunk string) {
	b.fold()
	b.stored.cluster = cluster
	b.current.Messages = 1
	m := buffer.Message{Cluster: cluster, Tag: tag, Chunk: chunk}
	if r := b.in.inForce.Load(); r != b.rules || tag != b.tag {
		b.rules, b.tag, b.tagFits, b.outputs = r, tag, r.Clusters.Allows(cluster, tag), nil
		if to := r.Routes.Match(cluster, tag); to != nil && b.tagFits {
			b.outputs = to.Outputs
		}
	}
	m.Outputs = b.outputs
	b.routed = len(m.Outputs) > 0
	if b.rules.sources {
		m.Source = b.source
	}
	b.out.Begin(m)
}

// fold counts the current message among those that Commit stores.
func (b *routedBatch) fold() {
	b.stored.add(b.current)
	b.current.reset()
}

func (b *routedBatch) Add(entries []byte, events int, nanos bool) {
	b.current.Events += uint64(events)
	b.current.Bytes += uint64(len(entries))
	switch {
	case b.routed:
		rejected := b.out.Add(entries, events, nanos)
		b.current.Routed += uint64(events - rejected)
		if rejected > 0 {
			b.current.Dead[buffer.ReasonTooLarge] += uint64(rejected)
			b.current.tag = b.tag
		}
	case !b.tagFits:
		b.current.Dead[reasonTag] += uint64(events)
		b.current.tag = b.tag
		b.rejectAll(entries, reasonTag)
	case b.rules.keepUnrouted:
		b.current.Dead[reasonUnrouted] += uint64(events)
		b.current.tag = b.tag
		b.rejectAll(entries, reasonUnrouted)
	default:
		b.current.Dropped[reasonUnrouted] += uint64(events)
	}
}

// rejectAll makes dead letters of well-formed entries.
func (b *routedBatch) rejectAll(entries []byte, reason string) {
	var e event.Entry
	letter, rest, events := entries, entries, 0
	for len(rest) > 0 {
		next, err := event.ReadEntry(rest, &e)
		if err != nil {
			// Cannot be: the listener has read them.
			next, events = nil, events+1
		}
		if e.Kind == event.KindEvent {
			events++
		}
		rest = next
		if size := len(letter) - len(rest); size >= maxLetterBytes || len(rest) == 0 {
			b.out.Reject(letter[:size], events, reason)
			letter, events = rest, 0
		}
	}
}

func (b *routedBatch) Reject(raw []byte, events int, reason string) {
	b.current.Events += uint64(events)
	b.current.Bytes += uint64(len(raw))
	b.current.Dead[reason] += uint64(events)
	b.current.tag = b.tag
	b.out.Reject(raw, events, reason)
}

func (b *routedBatch) Drop(events int, rule string) {
	b.current.Events += uint64(events)
	b.current.Dropped[rule] += uint64(events)
}

func (b *routedBatch) Abandon() {
	b.current.reset()
	b.out.Abandon()
}

func (b *routedBatch) Size() int { return b.out.Size() }

func (b *routedBatch) Doubts() []uint64 { return b.out.Doubts() }

func (b *routedBatch) Commit(ctx context.Context) error {
	b.fold()
	if err := b.out.Commit(ctx); err != nil {
		b.stored.reset()
		return err
	}
	if b.stored.Messages > 0 {
		b.stored.sentAgain(b.out.Repeated())
		b.in.count(b.stored)
		b.in.tell(b.stored)
		b.stored.reset()
	}
	return nil
}

func (b *routedBatch) Reset() {
	b.current.reset()
	b.stored.reset()
	b.out.Reset()
}
