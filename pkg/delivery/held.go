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
// and one for each event in a batch; with the last one gone, the chunk goes back to the source.
//
// Events that are parked have a held of their own, which stands for their references to the chunk's.
type held struct {
	loop  *Loop
	chunk *event.Chunk

	of     *held // of parked events: the chunk's own
	events int   // of parked events: how many there were
	cost   int   // of parked events: see cost

	mu        sync.Mutex
	refs      int
	parked    int  // of refs
	shed      bool // the source has the memory of the entries back
	abandoned bool // an event of it will not be settled
	tally     tally
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

// park moves n references to a new held, for events whose bytes were copied.
func (h *held) park(n, cost int) *held {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parked += n
	h.look()
	return &held{loop: h.loop, chunk: h.chunk, of: h, events: n, cost: cost, refs: n}
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

// untouched says whether the n references are all that there are, and nothing was settled before.
func (h *held) untouched(n int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of == nil && h.refs == n && h.parked == 0 && n == h.chunk.Events
}

// look does what is due after a change of the references. h.mu is held.
func (h *held) look() {
	switch {
	case h.refs > 0:
		if h.refs == h.parked && !h.shed {
			h.shed = true
			h.loop.source.Shed(h.chunk)
		}
	case h.of != nil:
		h.loop.yard.leave(h.chunk.Cluster, h.cost)
		h.of.unpark(h)
	case h.abandoned:
		h.loop.source.Return(h.chunk)
	default:
		h.loop.settled(h.chunk.Cluster, &h.tally)
		h.loop.source.Done(h.chunk)
	}
}

// cursor finds the chunks of events that come in order, and gathers what they have in common.
type cursor struct {
	held  []*held
	n     int // events since the last flush, all of held[0]
	bytes int
}

// find returns the chunk c, which is not before the one found last.
func (c *cursor) find(chunk *event.Chunk) *held {
	for c.held[0].chunk != chunk {
		c.held = c.held[1:]
	}
	return c.held[0]
}

// add counts ev; settle is called for the events of one chunk when the next begins.
func (c *cursor) add(ev *event.Event, settle func(h *held, n, bytes int)) {
	if c.n > 0 && c.held[0].chunk != ev.Chunk {
		c.flush(settle)
	}
	c.find(ev.Chunk)
	c.n++
	c.bytes += sizeOfEvent(ev)
}

func (c *cursor) flush(settle func(h *held, n, bytes int)) {
	if c.n > 0 {
		settle(c.held[0], c.n, c.bytes)
	}
	c.n, c.bytes = 0, 0
}

func delivered(h *held, n, bytes int) {
	h.settle(n, func(t *tally) { t.delivered += uint64(n); t.bytes += uint64(bytes) })
}

func settleDelivered(events []event.Event, chunks []*held) { each(events, chunks, delivered) }

func giveBack(events []event.Event, chunks []*held) {
	each(events, chunks, func(h *held, n, _ int) { h.abandon(n) })
}

func each(events []event.Event, chunks []*held, settle func(h *held, n, bytes int)) {
	c := cursor{held: chunks}
	for i := range events {
		c.add(&events[i], settle)
	}
	c.flush(settle)
}
