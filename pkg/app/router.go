package app

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
	reasonUnrouted = "unrouted"        // no route wants them: dead or dropped
	reasonTag      = "tag_not_allowed" // their cluster may not send such a tag: dead
)

// router joins the listeners to the queue: it asks the routes who wants a message and counts what becomes of its
// events. It is the listeners' forward.Sink.
type router struct {
	queue buffer.Queue
	rules atomic.Pointer[rules]
	now   func() time.Time
	log   zerolog.Logger
	quiet logevery.Limit

	mu       sync.Mutex
	clusters map[string]*tally
}

// rules say what becomes of a message. A reload replaces them as one.
type rules struct {
	routes       *route.Table
	clusters     *cluster.Registry
	keepUnrouted bool // as dead letters; otherwise they are dropped and counted
	sources      bool // an output adds who sent an event
}

// tally counts what arrived from one cluster, in events unless it says otherwise. Every event is in events, and in
// routed, repeated, dropped or dead.
type tally struct {
	cluster  string
	messages uint64
	events   uint64
	routed   uint64            // events that an output wants
	repeated uint64            // events that were sent again, and so are not stored again
	bytes    uint64            // of msgpack entries
	dropped  map[string]uint64 // by rule
	dead     map[string]uint64 // by reason
	lastSeen time.Time
	tag      string // of a message with dead
}

func newTally(cluster string) *tally {
	return &tally{cluster: cluster, dropped: map[string]uint64{}, dead: map[string]uint64{}}
}

// add adds o to t.
func (t *tally) add(o *tally) {
	t.messages += o.messages
	t.events += o.events
	t.routed += o.routed
	t.repeated += o.repeated
	t.bytes += o.bytes
	if o.tag != "" {
		t.tag = o.tag
	}
	if len(o.dropped)+len(o.dead) == 0 {
		return // as nearly always: every message comes here
	}
	for rule, n := range o.dropped {
		t.dropped[rule] += n
	}
	for reason, n := range o.dead {
		t.dead[reason] += n
	}
}

// sentAgain moves events that t has among the routed and the dead to those that are not stored again.
func (t *tally) sentAgain(d buffer.Duplicates) {
	t.repeated += uint64(d.Events)
	routed := d.Events
	for reason, n := range d.Rejected {
		if t.dead[reason] -= uint64(n); t.dead[reason] == 0 {
			delete(t.dead, reason)
		}
		routed -= n
	}
	t.routed -= uint64(routed)
}

func (t *tally) reset() {
	t.messages, t.events, t.routed, t.repeated, t.bytes, t.tag = 0, 0, 0, 0, 0, ""
	if len(t.dropped)+len(t.dead) > 0 {
		clear(t.dropped)
		clear(t.dead)
	}
}

func newRouter(
	queue buffer.Queue, routes *route.Table, clusters *cluster.Registry, keepUnrouted, sources bool,
	now func() time.Time, log zerolog.Logger,
) *router {
	in := &router{
		queue: queue, now: now, log: log, quiet: logevery.Limit{Every: refusedEvery}, clusters: map[string]*tally{},
	}
	in.setRules(routes, clusters, keepUnrouted, sources)
	return in
}

// setRules puts rules in force, from the next message of each connection on.
func (in *router) setRules(routes *route.Table, clusters *cluster.Registry, keepUnrouted, sources bool) {
	in.rules.Store(&rules{routes, clusters, keepUnrouted, sources})
}

func (in *router) NewBatch(conn uint64) ingest.Batch {
	return &routedBatch{in: in, out: in.queue.NewBatch(conn), stored: newTally(""), current: newTally("")}
}

func (in *router) Settle(conn uint64, commits int, received bool) {
	in.queue.Settle(conn, commits, received)
}

func (in *router) Gone(conn uint64) { in.queue.Gone(conn) }

// count adds what a batch has stored to its cluster.
func (in *router) count(t *tally) {
	in.mu.Lock()
	defer in.mu.Unlock()
	c := in.clusters[t.cluster]
	if c == nil {
		c = newTally(t.cluster)
		in.clusters[t.cluster] = c
	}
	c.add(t)
	c.lastSeen = in.now()
}

// tell logs, now and then, which events of t are dead letters since they arrived, and why.
func (in *router) tell(t *tally) {
	for reason, n := range t.dead {
		ok, before := in.quiet.Allow(reason, t.cluster, n, in.now())
		if ok {
			in.log.Warn().Str("cluster", t.cluster).Str("tag", t.tag).Str("reason", reason).Uint64("events", n+before).
				Msg("events can't be delivered: they are kept as dead letters, see aggregator dead list --output -")
		}
	}
}

// snapshot returns a copy of every cluster's tally.
func (in *router) snapshot() map[string]*tally {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make(map[string]*tally, len(in.clusters))
	for name, t := range in.clusters {
		c := newTally(name)
		c.add(t)
		c.lastSeen = t.lastSeen
		all[name] = c
	}
	return all
}

// routedBatch is a queue's batch that knows the routes. All its messages are of one cluster: that of its connection.
type routedBatch struct {
	in     *router
	out    buffer.Batch
	stored *tally // messages before the current one; counted by Commit
	// current is the message begun last; Abandon forgets it.
	current *tally
	rules   *rules // for the current message
	routed  bool   // the current message has outputs
	// tag is the one before, which is allowed where tagFits says so.
	tag     string
	tagFits bool
	outputs []string // that want it, by rules
	source  string   // who sends, see event.Source
}

func (b *routedBatch) From(address, hostname string) { b.source = event.Source(address, hostname) }

func (b *routedBatch) Begin(cluster, tag, chunk string) {
	b.fold()
	b.stored.cluster = cluster
	b.current.messages = 1
	m := buffer.Message{Cluster: cluster, Tag: tag, Chunk: chunk}
	if r := b.in.rules.Load(); r != b.rules || tag != b.tag {
		b.rules, b.tag, b.tagFits, b.outputs = r, tag, r.clusters.Allows(cluster, tag), nil
		if to := r.routes.Match(cluster, tag); to != nil && b.tagFits {
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
	b.current.events += uint64(events)
	b.current.bytes += uint64(len(entries))
	switch {
	case b.routed:
		b.current.routed += uint64(events)
		b.out.Add(entries, events, nanos)
	case !b.tagFits:
		b.current.dead[reasonTag] += uint64(events)
		b.current.tag = b.tag
		b.rejectAll(entries, reasonTag)
	case b.rules.keepUnrouted:
		b.current.dead[reasonUnrouted] += uint64(events)
		b.current.tag = b.tag
		b.rejectAll(entries, reasonUnrouted)
	default:
		b.current.dropped[reasonUnrouted] += uint64(events)
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
	b.current.events += uint64(events)
	b.current.bytes += uint64(len(raw))
	b.current.dead[reason] += uint64(events)
	b.current.tag = b.tag
	b.out.Reject(raw, events, reason)
}

func (b *routedBatch) Drop(events int, rule string) {
	b.current.events += uint64(events)
	b.current.dropped[rule] += uint64(events)
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
	if b.stored.messages > 0 {
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

// wantsSources reports whether an output adds who sent an event, which is kept with the chunks only then: small
// messages of different agents don't share one otherwise.
func wantsSources(cfg *config.Config) bool {
	for _, out := range cfg.Outputs {
		if out.Common.Fields.Source != "" {
			return true
		}
	}
	return false
}
