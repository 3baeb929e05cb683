package delivery

import (
	"iter"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

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
	ref     *chunkRef
	n       int
	bytes   int
	origins [][]*origin // of those that have any apart from the entries
}

// settle gives up the references of all events, of which out became, and of those that were joined to them.
func (r *run) settle(out outcome) {
	for _, origins := range r.origins {
		for _, o := range origins[1:] {
			o.settle(out.ofJoined())
		}
	}
	r.ref.settle(out, r.n, len(r.origins), r.bytes)
}

// cursor finds the chunks of events that come in order, and gathers those that are of one.
type cursor struct {
	refs []*chunkRef
	run  run  // since the last flush
	kept bool // run's chunk has origins
}

// find returns the reference to chunk, which is not before the one found last.
func (c *cursor) find(chunk *event.Chunk) *chunkRef {
	for c.refs[0].chunk != chunk {
		c.refs = c.refs[1:]
	}
	return c.refs[0]
}

// add takes ev in. The events of one chunk are settled as out when the next begins.
func (c *cursor) add(ev *event.Event, out outcome) {
	if c.run.n > 0 && c.run.ref.chunk != ev.Chunk {
		c.flush(out)
	}
	if c.run.n == 0 {
		c.run.ref = c.find(ev.Chunk)
		c.kept = c.run.ref.hasOrigins() // those of ev and what comes with it were noted before the batch was handed on
	}
	c.run.n++
	c.run.bytes += sizeOfEvent(ev)
	if c.kept {
		if origins := c.run.ref.takeOrigins(ev.Pos); origins != nil {
			c.run.origins = append(c.run.origins, origins)
		}
	}
}

func (c *cursor) flush(out outcome) {
	if c.run.n > 0 {
		c.run.settle(out)
	}
	c.run = run{}
}

// one returns ev alone. Nothing may have been added that is not flushed.
func (c *cursor) one(ev *event.Event) (r run) {
	c.add(ev, returned())
	r, c.run = c.run, run{}
	return r
}

// settleAll settles events as out. refs are their chunks', in order, and possibly others before and after.
func settleAll(events []event.Event, refs []*chunkRef, out outcome) {
	c := cursor{refs: refs}
	for i := range events {
		c.add(&events[i], out)
	}
	c.flush(out)
}
