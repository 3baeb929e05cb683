package filter

import (
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Reset makes e stand for ev, with one origin. Memory of e is used again; what ev points to is not
// copied.
func (e *Event) Reset(ev *event.Event, origin any) {
	e.Event, e.Detail = *ev, ""
	e.Origins = append(e.Origins[:0], origin)
	e.fields, e.read, e.changed = e.fields[:0], false, false
}

// Get returns the msgpack value of the field that path leads to through maps in maps.
func (e *Event) Get(path ...string) (value []byte, ok bool) {
	if !e.changed {
		return event.Lookup(e.Record, path...)
	}
	return event.Lookup(e.Rendered(), path...)
}

// Clone returns a copy of e that shares no memory with it or with the chunk that e came in.
func (e *Event) Clone() *Event {
	c := &Event{Event: e.Event, Detail: e.Detail, Origins: slices.Clone(e.Origins)}
	c.Record, c.Metadata, c.Group = slices.Clone(e.Rendered()), slices.Clone(e.Metadata), slices.Clone(e.Group)
	return c
}

// Absorb has e stand for what other stands for too.
func (e *Event) Absorb(other *Event) { e.Origins = append(e.Origins, other.Origins...) }

// Rendered returns the record as msgpack, as it is now. It is valid until the next change of e.
func (e *Event) Rendered() []byte { return e.Record }
