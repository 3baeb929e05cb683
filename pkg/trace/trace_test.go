package trace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestParseID(t *testing.T) {
	key := event.PartKeyOfChunk("a", "t", "c")
	chunk := &event.Chunk{Events: 9, Parts: []event.Part{{Key: key, First: 3, Events: 9}}}
	for _, joined := range []uint64{0, 0xbeef} {
		ev := event.Event{Chunk: chunk, Pos: 4, Joined: joined}
		if id, err := ParseID(string(ev.AppendID(nil))); err != nil || id != (ID{key, 7}) {
			t.Errorf("%s: %+v, %v", ev.AppendID(nil), id, err)
		}
	}
	for _, text := range []string{
		"", "-", "1", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA-", "AAAAAAAAAAAAAAAAAAAAAA-x",
		"AAAAAAAAAAAAAAAAAAAAAA--1",
		"AAAAAAAAAAAAAAAAAAAA!A-1", "AAAAAAAAAAAAAAAAAAAAAA+1", "AAAAAAAAAAAAAAAAAAAAAA-99999999999999999999",
	} {
		if id, err := ParseID(text); err == nil {
			t.Errorf("%q was read as %+v", text, id)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("AAAAAAAAAAAAAAAAAAAAAA-1")
	f.Add("AAAAAAAAAAAAAAAAAAAAAA-1-beef")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err != nil {
			return
		}
		chunk := &event.Chunk{Events: 1, Parts: []event.Part{{Key: id.key, First: id.pos, Events: 1}}}
		again, err := ParseID(string((&event.Event{Chunk: chunk}).AppendID(nil)))
		if err != nil || again != id {
			t.Errorf("%q: %+v became %+v, %v", text, id, again, err)
		}
	})
}

// part returns events of the n-th message.
func part(n byte, first, events int) event.Part {
	return event.Part{Key: [16]byte{n}, Chunk: [16]byte{n, 'c'}, First: first, Events: events}
}

// sink is a source that settles what it is told, unless it fails.
type sink struct {
	buffer.Source
	err  error
	done int
}

func (s *sink) Done(*event.Chunk) { s.done++ }

func (s *sink) SettlePart(context.Context, *event.Chunk, []buffer.Rest) error { return s.err }

func (s *sink) SettleParts(context.Context, []buffer.Settlement) error { return s.err }

func TestLedger(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLedger(100, func() time.Time { return now })
	under := new(sink)
	es, archive := l.Source("es", under), l.Source("archive", under)
	es.Done(&event.Chunk{Cluster: "a", Tag: "t", Parts: []event.Part{part(1, 0, 10), part(2, 5, 10)}})
	now = now.Add(time.Second)
	archive.Done(&event.Chunk{Cluster: "a", Tag: "t", Parts: []event.Part{part(1, 0, 10)}})
	for _, tc := range []struct {
		id   ID
		want string
	}{
		{ID{[16]byte{1}, 0}, "[{es a t 1000} {archive a t 1001}]"},
		{ID{[16]byte{1, 'c'}, 9}, "[{es a t 1000} {archive a t 1001}]"}, // by the agent's chunk id
		{ID{[16]byte{1}, 10}, "[]"},
		{ID{[16]byte{2}, 4}, "[]"},
		{ID{[16]byte{2}, 14}, "[{es a t 1000}]"},
		{ID{[16]byte{3}, 0}, "[]"},
	} {
		if got := fmt.Sprint(short(l.Find(tc.id))); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.id, got, tc.want)
		}
	}
	if under.done != 2 {
		t.Errorf("%d chunks are done", under.done)
	}
}

type shortly struct {
	output, cluster, tag string
	at                   int64
}

func short(all []Settled) (got []shortly) {
	for _, s := range all {
		got = append(got, shortly{s.Output, s.Cluster, s.Tag, s.Time.Unix()})
	}
	return got
}

// What is left of a chunk is not settled; after an error nothing is.
func TestSettledInPart(t *testing.T) {
	l := NewLedger(100, time.Now)
	under := new(sink)
	es := l.Source("es", under)
	c := &event.Chunk{Cluster: "a", Tag: "t", Parts: []event.Part{part(1, 0, 6), part(2, 0, 2)}}
	rests := []buffer.Rest{
		{Parts: []event.Part{part(1, 2, 1), part(1, 5, 1)}}, {Target: "x", Parts: []event.Part{part(2, 0, 2)}},
	}
	under.err = errors.New("full")
	if err := es.SettlePart(t.Context(), c, rests); err == nil || len(l.recent) != 0 {
		t.Errorf("%v, %d noted", err, len(l.recent))
	}
	under.err = nil
	if err := es.SettlePart(t.Context(), c, rests); err != nil {
		t.Fatal(err)
	}
	var settled []int
	for n := range 6 {
		if l.Find(ID{[16]byte{1}, n}) != nil {
			settled = append(settled, n)
		}
	}
	again := []buffer.Settlement{
		{
			Chunk: &event.Chunk{Parts: []event.Part{part(3, 0, 2)}},
			Rests: []buffer.Rest{{Parts: []event.Part{part(3, 0, 1)}}},
		},
	}
	if err := es.SettleParts(t.Context(), again); err != nil || l.Find(ID{[16]byte{3}, 0}) != nil ||
		l.Find(ID{[16]byte{3}, 1}) == nil {
		t.Errorf("several at once: %v", err)
	}
	under.err = errors.New("full")
	if err := es.SettleParts(t.Context(), []buffer.Settlement{
		{Chunk: &event.Chunk{Parts: []event.Part{part(4, 0, 2)}}},
	}); err == nil || l.Find(ID{[16]byte{4}, 0}) != nil {
		t.Errorf("several at once: %v", err)
	}
	if !slices.Equal(settled, []int{0, 1, 3, 4}) || l.Find(ID{[16]byte{2}, 0}) != nil {
		t.Errorf("settled are %v", settled)
	}
}

// The last events are known, whatever the sizes of chunks, and no more than about as many are kept.
func TestLedgerIsBounded(t *testing.T) {
	const limit = 100
	l := NewLedger(limit, time.Now)
	es := l.Source("es", new(sink))
	for n := range 10_000 {
		p := part(1, n, 1)
		if n%100 == 0 {
			p = part(2, n*1000, 50)
		}
		es.Done(&event.Chunk{Parts: []event.Part{p}})
		if len(l.recent) > 3*limit || l.events > 2*limit {
			t.Fatalf("%d entries of %d events are kept", len(l.recent), l.events)
		}
	}
	for n := 9960; n < 10_000; n++ {
		if l.Find(ID{[16]byte{1}, n}) == nil {
			t.Errorf("the event %d is not known any more", n)
		}
	}
	if l.Find(ID{[16]byte{1}, 5000}) != nil {
		t.Error("an old event is known")
	}
}

// An event is in those parts that have its number, under the key of either the part or the agent's chunk.
func TestIn(t *testing.T) {
	parts := []event.Part{part(1, 0, 3), part(2, 5, 2), part(1, 10, 1)}
	for _, tc := range []struct {
		name string
		id   ID
		want bool
	}{
		{"the first", ID{[16]byte{1}, 0}, true},
		{"the last of the first part", ID{[16]byte{1}, 2}, true},
		{"beyond it", ID{[16]byte{1}, 3}, false},
		{"in another part of the same message", ID{[16]byte{1}, 10}, true},
		{"before a part", ID{[16]byte{2}, 4}, false},
		{"its first", ID{[16]byte{2}, 5}, true},
		{"by the agent's chunk id", ID{[16]byte{2, 'c'}, 6}, true},
		{"of another message", ID{[16]byte{3}, 0}, false},
		{"of no message", ID{}, false},
	} {
		if got := tc.id.In(parts); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	if (&ID{}).In(nil) {
		t.Error("an event is in no part")
	}
}
