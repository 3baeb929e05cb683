package delivery

import (
	"hash/fnv"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// reasonJoined counts events that were delivered as a part of another one.
const reasonJoined = "joined"

// origin marks a stored event that the rules have, or had. While its chunk is walked it is the only
// one of its event and refers to the entries. Kept, it has a reference to the chunk of its own, which
// does not need the entries.
type origin struct {
	h    *held
	ev   event.Event // as it was stored
	kept bool
	over bool // the rules are done with it
}

// keep copies the event out of the entries.
func (o *origin) keep() {
	ev := &o.ev
	ev.Record, ev.Metadata, ev.Group = slices.Clone(ev.Record), slices.Clone(ev.Metadata), slices.Clone(ev.Group)
	o.kept = true
}

// cost is what a kept event takes in memory, generously: its chunk may be there for it alone, and who
// holds it back has a copy.
func (o *origin) cost() int { return 2*(eventCost+sizeOfEvent(&o.ev)+len(o.ev.Group)) + chunkCost }

// settle gives up the reference of a kept event.
func (o *origin) settle(count func(*tally)) {
	o.h.mu.Lock()
	defer o.h.mu.Unlock()
	count(&o.h.tally)
	o.h.refs--
	o.h.parked--
	o.h.look()
}

// abandon gives up the reference of a kept event that was not settled.
func (o *origin) abandon() {
	o.settle(func(*tally) { o.h.abandoned = true })
}

// joined returns what an event that stands for the origins is told by, besides the first of them: after a
// crash more lines may be joined to the same first one, and a destination that has the shorter event by
// that id would take the longer one for it, and its other lines would be lost.
func joined(origins []*origin) uint64 {
	if len(origins) == 1 {
		return 0
	}
	h := fnv.New64a()
	var id []byte
	for _, o := range origins[1:] {
		id = append(o.ev.AppendID(id[:0]), '\n')
		_, _ = h.Write(id) // it never fails
	}
	return max(1, h.Sum64())
}

// root returns the chunk's own held.
func (h *held) root() *held {
	if h.of != nil {
		return h.of
	}
	return h
}

// note has the event at pos stand for the origins.
func (h *held) note(pos int, origins []*origin) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.origins == nil {
		h.origins = map[int][]*origin{}
	}
	h.origins[pos] = origins
}

// keeps says whether any event has origins.
func (h *held) keeps() bool {
	if !h.filtered {
		return false
	}
	h = h.root()
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.origins) > 0
}

// take returns the origins of the event at pos for the last time, nil where it has none.
func (h *held) take(pos int) []*origin {
	h = h.root()
	h.mu.Lock()
	defer h.mu.Unlock()
	origins := h.origins[pos]
	delete(h.origins, pos)
	return origins
}

// peek returns the origins of the event at pos, nil where it has none.
func (h *held) peek(pos int) []*origin {
	h = h.root()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.origins[pos]
}

// reader finds events in chunks' entries. It is quick where they are asked for in order.
type reader struct {
	it event.Iterator
	ev event.Event
}

// event returns the event of c at pos, which must be there. It is valid until the next call.
func (r *reader) event(c *event.Chunk, pos int) *event.Event {
	if r.ev.Chunk != c || r.ev.Pos > pos {
		r.it = c.Iterator()
		r.it.Next(&r.ev)
	}
	for r.ev.Pos < pos && r.it.Next(&r.ev) { // it was read before
	}
	return &r.ev
}

// changed says whether ev is another than stored, with whose bytes it began.
func changed(ev, stored *event.Event) bool {
	return ev.Time != stored.Time || !same(ev.Record, stored.Record) || !same(ev.Metadata, stored.Metadata) || !same(ev.Group, stored.Group)
}

// costOfOrigins is what the events of run, in a batch, will have besides themselves once they are
// detached.
func costOfOrigins(h *held, run []event.Event) (n int) {
	if !h.filtered || h.made {
		return 0
	}
	var entries reader
	for i := range run {
		if origins := h.peek(run[i].Pos); origins != nil {
			for _, o := range origins {
				n += o.cost()
			}
		} else if stored := entries.event(h.chunk, run[i].Pos); changed(&run[i], stored) {
			o := origin{ev: *stored}
			n += o.cost()
		}
	}
	return n
}

// detach keeps the events that run stands for, as they were stored, where they are others, and
// returns how many of run have no need of the entries already.
func (h *held) detach(run []event.Event) (kept int) {
	if !h.filtered || h.made {
		return 0
	}
	var entries reader
	for i := range run {
		if h.peek(run[i].Pos) != nil {
			kept++
		} else if stored := entries.event(h.chunk, run[i].Pos); changed(&run[i], stored) {
			o := &origin{h: h, ev: *stored}
			o.keep()
			h.note(run[i].Pos, []*origin{o})
		}
	}
	return kept
}
