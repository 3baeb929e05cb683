package jetstream

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// A queue is handed over as often as somebody tries, and its chunks are there once, with ids, times and what they owe.
func TestAdopt(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		a, b := e.pod("a"), e.pod("b")
		defer e.close(a)
		defer e.close(b)
		from := [16]byte{7}
		chunk := func(seq uint64, text string, owes ...buffer.Owing) buffer.Handed {
			return buffer.Handed{
				Chunk: event.Chunk{
					Seq: seq, Cluster: "c", Tag: "t", Received: time.Unix(1_700_000_000, 5), Events: 1,
					Entries: []byte(text),
					Parts:   []event.Part{{Key: [16]byte{byte(seq)}, First: 3, Events: 1}},
				},
				Owes: owes,
			}
		}
		chunks := []buffer.Handed{
			chunk(4, "1", buffer.Owing{Output: "o"}, buffer.Owing{Output: "p"}),
			chunk(9, "2", buffer.Owing{Output: "o"}),
			chunk(12, "3", buffer.Owing{Output: "o", Target: "i"}),
		}
		for _, q := range []*Queue{a, b, a} {
			if err := q.Adopt(t.Context(), from, chunks); err != nil {
				t.Fatal(err)
			}
			letters := []deadletter.Letter{{ID: 5, Reason: "r", Entry: []byte("x")}}
			if err := q.AdoptLetters(t.Context(), from, letters); err != nil {
				t.Fatal(err)
			}
		}
		if seq, letter := b.Adopted(from); seq != 12 || letter != 5 {
			t.Errorf("adopted up to %d and %d", seq, letter)
		}
		a.dead.Keep(t.Context())
		if n := a.DeadLetters().Stats().Letters; n != 1 {
			t.Errorf("%d letters", n)
		}
		c, _ := e.next(b, ackWait)
		if c == nil || string(c.Entries) != "1" || !c.Received.Equal(time.Unix(1_700_000_000, 5)) ||
			!reflect.DeepEqual(c.Parts, chunks[0].Parts) {
			t.Errorf("%+v", c)
		}
		b.Source("o").Done(c)
		if got := e.drain(b); !slices.Equal(got, []string{"2"}) {
			t.Errorf("delivered %q", got)
		}
		if n := b.Waiting("o", "i").Pending(); n.Chunks != 1 {
			t.Errorf("%+v wait aside", n)
		}
		if err := a.EndAdoption(from); err != nil {
			t.Error(err)
		}
		if seq, letter := a.Adopted(from); seq != 0 || letter != 0 {
			t.Errorf("after the end, adopted up to %d and %d", seq, letter)
		}
	})
}

// What waits can be looked through, and given away.
func TestGive(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		for _, text := range []string{"1", "2", "3"} {
			e.send(q, sent{text: text})
		}
		var seqs []uint64
		var texts []string
		owed := func(yield func(*buffer.Handed) error) error { return q.Owed(context.Background(), yield) }
		if err := owed(func(h *buffer.Handed) error {
			seqs, texts = append(seqs, h.Seq), append(texts, string(h.Entries))
			if !slices.Equal(h.Owes, []buffer.Owing{{Output: "o"}}) || h.Cluster != "c" {
				t.Errorf("%+v", h)
			}
			return nil
		}); err != nil || !slices.Equal(texts, []string{"1", "2", "3"}) || !slices.IsSorted(seqs) {
			t.Fatalf("%q as %v: %v", texts, seqs, err)
		}
		fault := errors.New("enough")
		if err := owed(func(*buffer.Handed) error { return fault }); !errors.Is(err, fault) {
			t.Error(err)
		}
		for range 2 {
			if err := q.Given(seqs[:2]); err != nil {
				t.Error(err)
			}
		}
		e.balance(q, 1)
		if got := e.drain(q); !slices.Equal(got, []string{"3"}) {
			t.Errorf("left is %q", got)
		}
		time.Sleep(15 * time.Second)
		e.balance(q, 0)
	})
}
