package delivery

import (
	"iter"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/waiting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/suspicion"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// work is events that are to be sent, and what is known of them.
type work struct {
	events []event.Event
	// refs are the events' in order, and possibly others before and after.
	refs []*chunkRef
	// tries counts the sends so far.
	tries int
	// fails is how many of these, in a row, got no event through.
	fails int
	// pooled says that it is sent again apart from its batch: see retryPool.
	pooled bool
	// target is the one whose waiting events they are, and turnedAway how many it has refused; nil: they come from the
	// output's own source.
	target     *waiting.Target[Source]
	turnedAway int
	// refused is how often the events were refused as they are, together, by an answer that may be about one of them;
	// trial is the case of a single one that was refused alone: nil where it is none.
	refused int
	trial   *suspicion.Trial
	// undecided is since when events of it were refused so that nobody knows what it is about; zero: none was.
	undecided time.Time
	// trying says that it is counted among what has failed and is not settled.
	trying bool

	// last may be zero: there was none.
	last lastSend
}

// lastSend is what a send made of the events that are to be sent again.
type lastSend struct {
	// why is that of each event.
	why []fate
	// before is what tries and fails were, but fails 0 where the send delivered others.
	before attempts
	// wait is before the next send: the longer one of the next two.
	wait time.Duration
	// pace is how long the output wants what it holds back to wait.
	pace time.Duration
	// backoff is for what failed.
	backoff time.Duration
	// reason is that of the wait; ReasonPaced where nothing failed; "": none.
	reason outputs.Reason
	// failed is how many events of why, without those that are paced.
	failed map[outputs.Reason]int
	err    error
	// flight says that all of the events are in flight, see outputs.Failure: they cost the pool nothing.
	flight bool
	// some says that the send delivered others of its events.
	some bool
	// whole says that the send failed as one.
	whole bool
}

// fate is why an event is to be sent again.
type fate struct {
	reason outputs.Reason
	// untried is as in outputs.Failure.
	untried bool
	// flight is InFlight there.
	flight bool
	// target is where those of different ones are to be sent apart; else "".
	target string
}

// attempts counts sends of an event.
type attempts struct{ tries, fails int }

// begun reports whether anything is settled of a chunk that w's events are of.
func (w *work) begun() bool {
	for _, ref := range w.refs {
		if ref.begun() {
			return true
		}
	}
	return false
}

// part returns work with some of w's events, which are sent once more.
func (w *work) part(events []event.Event) *work {
	return &work{events: events, refs: w.refs, tries: w.tries + 1, pooled: w.pooled, target: w.target}
}

// settle settles all events of w as out.
func (w *work) settle(out outcome.Outcome) {
	settleAll(w.events, w.refs, out)
	w.events = nil
}

// items returns w in parts that are sent again apart from each other: what is paced, what failed, and of that what was
// not tried, each by target where the output says so.
func (w *work) items() []*work {
	var items []*work
	known := map[fate]*work{}
	for i := range w.events {
		key := w.last.why[i]
		if key.reason == outputs.ReasonPaced {
			key = fate{reason: outputs.ReasonPaced, flight: key.flight}
		} else {
			key.reason = ""
		}
		item := known[key]
		if item == nil {
			item = w.item(key)
			known[key] = item
			items = append(items, item)
		}
		item.events = append(item.events, w.events[i])
	}
	return items
}

// item returns w without its events, for those of one kind.
func (w *work) item(kind fate) *work {
	item := *w
	item.events, item.pooled, item.trying, item.refused = nil, true, false, 0
	item.last.why = nil
	item.last.wait, item.last.flight = w.last.backoff, kind.flight
	if kind.reason == outputs.ReasonPaced {
		item.last.wait, item.last.reason = w.last.pace, outputs.ReasonPaced
	}
	if kind.untried {
		item.tries, item.fails, item.last.failed = w.last.before.tries, w.last.before.fails, nil
	}
	return &item
}

// entryOverhead is what an entry has besides metadata and record: its array and its time.
const entryOverhead = 11

func sizeOfEvent(ev *event.Event) int { return len(ev.Record) + len(ev.Metadata) + entryOverhead }

func bytesOf(events []event.Event) (n int) {
	for i := range events {
		n += sizeOfEvent(&events[i])
	}
	return n
}

// byChunk yields events in runs that are of one chunk.
func byChunk(events []event.Event) iter.Seq[[]event.Event] {
	return func(yield func([]event.Event) bool) {
		for from, i := 0, 1; i <= len(events); i++ {
			if i == len(events) || events[i].Chunk != events[from].Chunk {
				if !yield(events[from:i]) {
					return
				}
				from = i
			}
		}
	}
}

// run is events that come one after another and are of one chunk.
type run struct {
	ref   *chunkRef
	n     int
	bytes int
	// origins are those of those that have any apart from the entries.
	origins [][]*origin
}

// settle gives up the references of all events, of which out became, and of those that were joined to them.
func (r *run) settle(out outcome.Outcome) {
	r.settleJoined(out, func(*chunkRef) bool { return true })
	r.ref.settle(out, r.n, len(r.origins), r.bytes)
}

// settleJoined gives up the references of the events that were joined to those of r, of which out became, as far as
// they are of chunks that of chooses.
func (r *run) settleJoined(out outcome.Outcome, of func(*chunkRef) bool) {
	for _, origins := range r.origins {
		for _, o := range origins[1:] {
			if of(o.ref) {
				o.settle(out.OfJoined())
			}
		}
	}
}

// setAside has the one event of r, which is ev, wait for the target. Where it stands for several events, their chunks
// wait until it is stored: it is stored with the chunk of those that was walked last, so that none waits for itself.
func (r *run) setAside(target string, ev *event.Event) {
	part, ok := ev.Part()
	owner := r.ref.own()
	if owner.made || !ok {
		// It is counted nowhere.
		r.settle(outcome.Dead(string(outputs.ReasonTarget)))
		return
	}
	first := owner
	if len(r.origins) > 0 {
		for _, o := range r.origins[0] {
			if o.ref.number > owner.number {
				owner = o.ref
			}
		}
	}
	if owner == first {
		owner.setAside(target, ev, part, nil)
		r.settle(outcome.Aside())
		return
	}
	whole := *r
	owner.setAside(target, ev, part, func(stored bool) {
		out := outcome.Aside()
		if !stored {
			out = outcome.Returned()
		}
		whole.settleJoined(out, func(ref *chunkRef) bool { return ref != owner })
		whole.ref.settle(out, whole.n, len(whole.origins), 0)
	})
	r.settleJoined(outcome.Aside(), func(ref *chunkRef) bool { return ref == owner })
}

// cursor finds the chunks of events that come in order, and gathers those that are of one.
type cursor struct {
	refs []*chunkRef
	// run is since the last flush.
	run run
	// kept says that run's chunk has origins.
	kept bool
}

// find returns the reference to chunk, which is not before the one found last.
func (c *cursor) find(chunk *event.Chunk) *chunkRef {
	for c.refs[0].chunk != chunk {
		c.refs = c.refs[1:]
	}
	return c.refs[0]
}

// add takes ev in. The events of one chunk are settled as out when the next begins.
func (c *cursor) add(ev *event.Event, out outcome.Outcome) {
	if c.run.n > 0 && c.run.ref.chunk != ev.Chunk {
		c.flush(out)
	}
	if c.run.n == 0 {
		c.run.ref = c.find(ev.Chunk)
		// Those of ev and what comes with it were noted before the batch was handed on.
		c.kept = c.run.ref.hasOrigins()
	}
	c.run.n++
	c.run.bytes += sizeOfEvent(ev)
	if c.kept {
		if origins := c.run.ref.takeOrigins(ev.Pos); origins != nil {
			c.run.origins = append(c.run.origins, origins)
		}
	}
}

func (c *cursor) flush(out outcome.Outcome) {
	if c.run.n > 0 {
		c.run.settle(out)
	}
	c.run = run{}
}

// one returns ev alone. Nothing may have been added that is not flushed.
func (c *cursor) one(ev *event.Event) (r run) {
	c.add(ev, outcome.Returned())
	r, c.run = c.run, run{}
	return r
}

// settleAll settles events as out. refs are their chunks', in order, and possibly others before and after.
func settleAll(events []event.Event, refs []*chunkRef, out outcome.Outcome) {
	c := cursor{refs: refs}
	for i := range events {
		c.add(&events[i], out)
	}
	c.flush(out)
}
