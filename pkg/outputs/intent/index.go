package intent

import (
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Index finds records by the events that they hold. The zero value is empty. Not for concurrent use.
type Index[T any] struct {
	// all is oldest first.
	all     []*T
	byChunk map[Key][]share[T]
}

// share is a record's events of one chunk.
type share[T any] struct {
	record *T
	// before counts events of the record in front of these.
	before int
	runs   []Run
}

// Add adds a record, newer than the others, with the events of spans.
func (x *Index[T]) Add(record *T, spans []Span) {
	if x.byChunk == nil {
		x.byChunk = map[Key][]share[T]{}
	}
	x.all = append(x.all, record)
	before := 0
	for _, s := range spans {
		x.byChunk[s.Chunk] = append(x.byChunk[s.Chunk], share[T]{record, before, s.Runs})
		before += Count(s.Runs)
	}
}

// Remove removes a record with the events of spans. It reports whether it was there.
func (x *Index[T]) Remove(record *T, spans []Span) bool {
	i := slices.Index(x.all, record)
	if i < 0 {
		return false
	}
	x.all = slices.Delete(x.all, i, i+1)
	for _, s := range spans {
		shares := slices.DeleteFunc(x.byChunk[s.Chunk], func(h share[T]) bool { return h.record == record })
		if len(shares) == 0 {
			delete(x.byChunk, s.Chunk)
		} else {
			x.byChunk[s.Chunk] = shares
		}
	}
	return true
}

// All returns the records, oldest first. They are the Index's.
func (x *Index[T]) All() []*T { return x.all }

// Each calls f for each of the events and each record that holds it, oldest record first, with the number of the
// record's events in front of it. Where a record holds an event twice f is called twice.
func (x *Index[T]) Each(events []event.Event, keys Keys, f func(i int, record *T, before int)) {
	if len(x.all) == 0 {
		return
	}
	var chunk *event.Chunk
	var shares []share[T]
	for i := range events {
		ev := &events[i]
		if ev.Chunk != chunk {
			chunk = ev.Chunk
			shares = x.byChunk[keys.Of(chunk)]
		}
		for _, h := range shares {
			if below, found := Find(h.runs, ev.Pos); found {
				f(i, h.record, h.before+below)
			}
		}
	}
}
