package delivery

import (
	"hash/fnv"
	"unsafe"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// What events that are kept apart from their chunks take in memory besides their bytes, generously.
const (
	eventCost = 128
	partCost  = 32
	chunkCost = 1 << 10
)

// costOfOrigin is what a kept event takes in memory, generously: its chunk may be there for it alone, and whoever holds
// it back has a copy.
func costOfOrigin(o *origin) int {
	return 2*(eventCost+sizeOfEvent(&o.ev)+len(o.ev.Group)) + chunkCost
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
		// It never fails.
		_, _ = h.Write(id)
	}
	return max(1, h.Sum64())
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
	// It was read before.
	for r.ev.Pos < pos && r.it.Next(&r.ev) {
	}
	return &r.ev
}

// changed reports whether ev is another than stored, with whose bytes it began.
func changed(ev, stored *event.Event) bool {
	return ev.Time != stored.Time || !same(ev.Record, stored.Record) || !same(ev.Metadata, stored.Metadata) ||
		!same(ev.Group, stored.Group)
}

// same reports whether a and b are the same bytes at the same place.
func same(a, b []byte) bool {
	return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b) //nolint:gosec // addresses are compared only
}

// cost returns what a run of events takes in memory once it is detached from the chunk of ref.
func cost(ref *chunkRef, run []event.Event) int {
	n := chunkCost + partCost*len(run[0].Chunk.Parts)
	for i := range run {
		n += eventCost + sizeOfEvent(&run[i])
		if i == 0 || !same(run[i].Group, run[i-1].Group) {
			n += len(run[i].Group)
		}
	}
	return n + costOfOrigins(ref, run)
}

// costOfOrigins is what the events of run, in a batch, will have besides themselves once they are
// detached.
func costOfOrigins(ref *chunkRef, run []event.Event) (n int) {
	if !ref.filtered || ref.made {
		return 0
	}
	var entries reader
	for i := range run {
		if origins := ref.originsOf(run[i].Pos); origins != nil {
			for _, o := range origins {
				n += costOfOrigin(o)
			}
		} else if stored := entries.event(ref.chunk, run[i].Pos); changed(&run[i], stored) {
			n += costOfOrigin(&origin{ev: *stored})
		}
	}
	return n
}

// detach gives the events of run a memory of their own, and returns the branch that they refer to from then on. The
// events that they were made of are kept, as they were stored, where they are others.
func detach(ref *chunkRef, run []event.Event, freed func()) *chunkRef {
	kept := keepOrigins(ref, run)
	copyBytes(run)
	return ref.branch(len(run), kept, freed)
}

// keepOrigins keeps the events that run stands for, as they were stored, where they are others, and
// returns how many of run have no need of the entries already.
func keepOrigins(ref *chunkRef, run []event.Event) (kept int) {
	if !ref.filtered || ref.made {
		return 0
	}
	var entries reader
	for i := range run {
		if ref.originsOf(run[i].Pos) != nil {
			kept++
		} else if stored := entries.event(ref.chunk, run[i].Pos); changed(&run[i], stored) {
			o := &origin{ref: ref, ev: *stored}
			o.keep()
			ref.note(run[i].Pos, []*origin{o})
		}
	}
	return kept
}

// copyBytes copies the bytes of events.
func copyBytes(run []event.Event) {
	n := 0
	for i := range run {
		n += len(run[i].Record) + len(run[i].Metadata)
		if i == 0 || !same(run[i].Group, run[i-1].Group) {
			n += len(run[i].Group)
		}
	}
	memory := make([]byte, 0, n)
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		from := len(memory)
		memory = append(memory, b...)
		return memory[from:len(memory):len(memory)]
	}
	var before, group []byte
	for i := range run {
		ev := &run[i]
		ev.Record, ev.Metadata = keep(ev.Record), keep(ev.Metadata)
		if i == 0 || !same(ev.Group, before) {
			before, group = ev.Group, keep(ev.Group)
		}
		ev.Group = group
	}
}
