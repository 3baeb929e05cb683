package delivery

import (
	"iter"
	"sync"

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

// held is a chunk that the loop has. Its references are the filler's own, while it walks the chunk,
// one for each event in a batch, and one for each that the rules hold back; with the last one gone,
// the chunk goes back to the source.
//
// Events that are parked have a held of their own, which stands for their references to the chunk's.
type held struct {
	loop     *Loop
	chunk    *event.Chunk
	filtered bool // the rules had its events
	made     bool // of an event that a filter made: the source knows nothing of the chunk, nothing is counted

	of     *held // of parked events: the chunk's own
	events int   // of parked events: how many there were
	cost   int   // of parked events: see cost

	mu        sync.Mutex
	refs      int
	parked    int  // of refs: those that do not need the memory of the entries
	shed      bool // the source has the memory of the entries back
	abandoned bool // an event of it will not be settled
	dropped   int  // events that the rules dropped while the chunk was walked
	tally     tally
	origins   map[int][]*origin // of events that are not in the entries as they were stored, by position
}

// settle gives up n references; count adds what became of the events to the tally, and is nil where
// nothing became of them.
func (h *held) settle(n int, count func(*tally)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if count != nil {
		count(&h.tally)
	}
	h.refs -= n
	h.look()
}

// abandon gives up n references to events that were not settled.
func (h *held) abandon(n int) {
	h.settle(n, func(*tally) { h.abandoned = true })
}

// park moves n references to a new held, for events whose bytes were copied. kept of them did not
// need the memory of the entries before.
func (h *held) park(n, kept, cost int) *held {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parked += n - kept
	h.look()
	return &held{loop: h.loop, chunk: h.chunk, filtered: h.filtered, made: h.made, of: h, events: n, cost: cost, refs: n}
}

// unpark ends a held that park returned.
func (h *held) unpark(p *held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refs -= p.events
	h.parked -= p.events
	h.tally.add(&p.tally)
	h.abandoned = h.abandoned || p.abandoned
	h.look()
}

// untouched says whether the n references are all that there are, and no event was delivered or
// became a dead letter before.
func (h *held) untouched(n int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of == nil && !h.made && h.refs == n && h.parked == 0 && n+h.dropped == h.chunk.Events
}

// begun says whether an event of the chunk was delivered or became a dead letter.
func (h *held) begun() bool {
	h.mu.Lock()
	t, of := &h.tally, h.of
	begun := t.delivered > 0 || len(t.dead) > 0
	h.mu.Unlock()
	return begun || of != nil && of.begun()
}

// look does what is due after a change of the references. h.mu is held.
func (h *held) look() {
	switch {
	case h.refs > 0:
		if h.refs == h.parked && !h.shed && !h.made {
			h.shed = true
			h.loop.source.Shed(h.chunk)
		}
	case h.of != nil:
		h.loop.yard.leave(h.chunk.Cluster, h.cost)
		h.of.unpark(h)
	case h.made:
	case h.abandoned:
		h.loop.source.Return(h.chunk)
	default:
		h.loop.settled(h.chunk.Cluster, &h.tally)
		h.loop.source.Done(h.chunk)
	}
}

// run is events that come one after another and are of one chunk.
type run struct {
	h       *held
	n       int
	bytes   int
	origins [][]*origin // of those that have any apart from the entries
}

// settle gives up the references of all events, and of those that were joined to them: own counts the
// former, joined one of the latter.
func (r *run) settle(own, joined func(*tally)) {
	for _, origins := range r.origins {
		for _, o := range origins[1:] {
			o.settle(joined)
		}
	}
	h := r.h
	h.mu.Lock()
	defer h.mu.Unlock()
	own(&h.tally)
	h.refs -= r.n
	if h.of == nil {
		h.parked -= len(r.origins)
	}
	h.look()
}

func (r *run) abandon() {
	for _, origins := range r.origins {
		for _, o := range origins[1:] {
			o.abandon()
		}
	}
	h := r.h
	h.mu.Lock()
	defer h.mu.Unlock()
	h.abandoned = true
	h.refs -= r.n
	if h.of == nil {
		h.parked -= len(r.origins)
	}
	h.look()
}

func (r *run) delivered() {
	r.settle(func(t *tally) { t.delivered += uint64(r.n); t.bytes += uint64(r.bytes) }, func(t *tally) { t.drop(reasonJoined) })
}

// cursor finds the chunks of events that come in order, and gathers those that are of one.
type cursor struct {
	held []*held
	run  run  // since the last flush
	kept bool // run's chunk has origins
}

// find returns the chunk c, which is not before the one found last.
func (c *cursor) find(chunk *event.Chunk) *held {
	for c.held[0].chunk != chunk {
		c.held = c.held[1:]
	}
	return c.held[0]
}

// add takes ev in; settle is called for the events of one chunk when the next begins.
func (c *cursor) add(ev *event.Event, settle func(*run)) {
	if c.run.n > 0 && c.run.h.chunk != ev.Chunk {
		c.flush(settle)
	}
	if c.run.n == 0 {
		c.run.h = c.find(ev.Chunk)
		c.kept = c.run.h.keeps() // those of ev and what comes with it were noted before the batch was handed on
	}
	c.run.n++
	c.run.bytes += sizeOfEvent(ev)
	if c.kept {
		if origins := c.run.h.take(ev.Pos); origins != nil {
			c.run.origins = append(c.run.origins, origins)
		}
	}
}

func (c *cursor) flush(settle func(*run)) {
	if c.run.n > 0 {
		settle(&c.run)
	}
	c.run = run{}
}

// one returns ev alone.
func (c *cursor) one(ev *event.Event) (r run) {
	c.add(ev, nil)
	r, c.run = c.run, run{}
	return r
}

func settleDelivered(events []event.Event, chunks []*held) { each(events, chunks, (*run).delivered) }
func giveBack(events []event.Event, chunks []*held)        { each(events, chunks, (*run).abandon) }

func each(events []event.Event, chunks []*held, settle func(*run)) {
	c := cursor{held: chunks}
	for i := range events {
		c.add(&events[i], settle)
	}
	c.flush(settle)
}
