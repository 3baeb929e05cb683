package jetstream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// The servers keep what has no consumer in a work queue, and hand it out once there is one: that is why it is one. With
// retention by interest they acknowledge it, and keep nothing.
func TestServerKeepsWhatHasNoConsumer(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		ctx := t.Context()
		for retention, want := range map[jetstream.RetentionPolicy]uint64{
			jetstream.WorkQueuePolicy: 1, jetstream.InterestPolicy: 0,
		} {
			name := "S" + retention.String()
			s, err := q.js.CreateStream(ctx, jetstream.StreamConfig{
				Name: name, Subjects: []string{name + ".>"}, Retention: retention,
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := q.js.Publish(ctx, name+".a", []byte("x")); err != nil {
				t.Fatal(err)
			}
			info, err := s.Info(ctx)
			if err != nil || info.State.Msgs != want {
				t.Errorf("%v: it acknowledged 1 and keeps %d, want %d: %v", retention, info.State.Msgs, want, err)
			}
		}
	})
}

// What was acknowledged while somebody deletes the consumer, again and again, is delivered.
func TestConsumerDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		of := durable(subject.Of("Q", subject.Place{Output: "o", Cluster: "c"}))
		var want, got []string
		for i := range 60 {
			text := fmt.Sprintf("%02d", i)
			e.send(q, sent{text: text})
			want = append(want, text)
			if i%3 == 0 {
				if c, _ := e.next(q, ackWait); c != nil {
					got = append(got, string(c.Entries))
					q.Source("o").Done(c)
				}
			}
			if i%5 == 0 {
				err := q.js.DeleteConsumer(t.Context(), "Q", of)
				if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
					t.Fatal(err)
				}
			}
		}
		got = append(got, e.drain(q)...)
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("delivered %q, want %q", got, want)
		}
	})
}

func TestTakeover(t *testing.T) {
	for name, tc := range map[string]struct {
		end    func(e *engine, q *Queue)
		within time.Duration
	}{
		"killed":  {func(_ *engine, q *Queue) { kill(q) }, ackWait + time.Second},
		"stopped": {func(e *engine, q *Queue) { e.close(q) }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
				a, b := e.pod("a"), e.pod("b")
				defer e.close(b)
				e.send(a, sent{text: "1"})
				e.send(a, sent{text: "2"})
				c, _ := e.next(a, ackWait)
				if c == nil || string(c.Entries) != "1" {
					t.Fatalf("%+v", c)
				}
				// It is a's for as long as a works on it.
				if c, _ := e.next(b, 5*ackWait); c != nil && string(c.Entries) == "1" {
					t.Fatalf("%q is handed out twice", c.Entries)
				} else if c != nil {
					b.Source("o").Done(c)
				}
				tc.end(e, a)
				for {
					c, took := e.next(b, 5*ackWait)
					if c == nil || took > tc.within {
						t.Fatalf("the other one has %+v after %v", c, took)
					}
					again, text := c.Again, string(c.Entries)
					b.Source("o").Done(c)
					if text == "1" {
						if !again {
							t.Error("it is not said that it was handed out before")
						}
						break
					}
				}
				time.Sleep(30 * time.Second)
				e.balance(b, 0)
			})
		})
	}
}

// An agent that missed its ack sends a chunk again, to another pod.
func TestResendToAnotherPod(t *testing.T) {
	for _, tc := range []struct {
		name  string
		chunk string
		nanos bool
		want  []string
	}{
		{"nanoseconds make its id its own", "AAAAAAAAAAAAAAAAAAAAAA==", true, []string{"x"}},
		{"fluentd's id", "AAAAAAAAAAAAAAAAAAAAAA==\n", false, []string{"x"}},
		{"Fluency's id", "8f14e45f-ceea-467f-a9f5-01bd4bd6b2a1", false, []string{"x"}},
		{"others may have Fluent Bit's id", "AAAAAAAAAAAAAAAAAAAAAA==", false, []string{"x", "x"}},
		{"others may have an older one's", "8f14e45fceea467fa9f501bd4bd6b2a1", false, []string{"x", "x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
				a, b := e.pod("a"), e.pod("b")
				defer e.close(a)
				defer e.close(b)
				m := sent{chunk: tc.chunk, nanos: tc.nanos, text: "x", conn: 1}
				if e.send(a, m) {
					t.Error("the first is a duplicate")
				}
				if got := e.send(b, m); got != (len(tc.want) == 1) {
					t.Errorf("the second is a duplicate: %v", got)
				}
				// And to the first pod, over another connection, after the first one broke.
				a.Gone(1)
				a.Settle(1, 1, false)
				m.conn = 2
				if !e.send(a, m) {
					t.Error("the third is no duplicate")
				}
				if got := e.drain(b); !slices.Equal(got, tc.want) {
					t.Errorf("delivered %q, want %q", got, tc.want)
				}
				time.Sleep(30 * time.Second)
				e.balance(a, 0)
				e.balance(b, 0)
			})
		})
	}
}

// Whether an id that another chunk may have is a resend's, the pod tells that has the first, as long as it lives.
func TestResendOfSharedID(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(e *engine, a *Queue)
		// want is whether it is a duplicate, of each time that it is sent to another pod.
		want []bool
	}{
		"its client has not confirmed the ack": {func(_ *engine, a *Queue) {
			a.Gone(1)
			a.Settle(1, 1, false)
		}, []bool{true, false}},
		"its client has":     {func(_ *engine, a *Queue) { a.Settle(1, 1, true) }, []bool{false, false}},
		"its client may yet": {func(*engine, *Queue) {}, []bool{false, false}},
		"its pod was killed": {func(_ *engine, a *Queue) { kill(a) }, []bool{false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
				a, b := e.pod("a"), e.pod("b")
				defer e.close(a)
				defer e.close(b)
				m := sent{chunk: "AAAAAAAAAAAAAAAAAAAAAA==", text: "x", conn: 1}
				if e.send(a, m) {
					t.Error("the first is a duplicate")
				}
				// Time in which they hear of each other.
				time.Sleep(5 * time.Second)
				tc.before(e, a)
				want := []string{"x"}
				for i, duplicate := range tc.want {
					m.conn++
					if got := e.send(b, m); got != duplicate {
						t.Errorf("time %d: it is a duplicate: %v", i+1, got)
					}
					if !duplicate {
						want = append(want, "x")
					}
				}
				if got := e.drain(b); !slices.Equal(got, want) {
					t.Errorf("delivered %q, want %q", got, want)
				}
				time.Sleep(20 * time.Second)
				e.balance(b, 0)
			})
		})
	}
}

// One connection that sends the same id twice means two chunks, whatever is in them.
func TestSameIDMeansAnotherChunk(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		for range 2 {
			if e.send(q, sent{chunk: "id", nanos: true, text: "x", conn: 1}) {
				t.Error("it is a duplicate")
			}
		}
		if got := e.drain(q); len(got) != 2 {
			t.Errorf("delivered %q", got)
		}
	})
}

// entries returns n events of so many bytes each, about.
func entries(n, size int) []byte {
	var all []byte
	for i := range n {
		record := append([]byte{0x81, 0xa1, 'n', 0xdb, 0, byte(size >> 16), byte(size >> 8), byte(size)},
			[]byte(strings.Repeat(string(rune('a'+i%26)), size))...)
		all = event.AppendEntry(all, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: 1}), nil, record)
	}
	return all
}

// A message that is larger than one of the stream is stored as several, whose events have the ids of the one.
func TestPieces(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		a, b := e.pod("a"), e.pod("b")
		defer e.close(a)
		defer e.close(b)
		all := entries(100, 200_000)
		// The second is a resend.
		for i, q := range []*Queue{a, b} {
			batch := q.NewBatch(1)
			batch.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: "id", Outputs: []string{"o"}})
			batch.Add(all, 100, true)
			if err := batch.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := batch.Repeated().Events; got != int64(100*i) {
				t.Errorf("pod %d: %d events are repeated", i, got)
			}
		}
		var got []byte
		first, key := 0, event.PartKeyOfChunk("c", "t", "id")
		for c, _ := e.next(b, 2*ackWait); c != nil; c, _ = e.next(b, 2*ackWait) {
			if len(c.Parts) != 1 || c.Parts[0].First != first || c.Parts[0].Key != key ||
				len(c.Entries) > sealing.MaxPieceSize {
				t.Errorf("%d bytes with parts %+v, want the first event to be %d", len(c.Entries), c.Parts, first)
			}
			first += c.Events
			got = append(got, c.Entries...)
			b.Source("o").Done(c)
		}
		if first != 100 || string(got) != string(all) {
			t.Errorf("%d of 100 events, %d of %d bytes", first, len(got), len(all))
		}
	})
}

// An event that is larger than a message may be is a dead letter, which says what to do, and the rest of its chunk goes
// on. One that is smaller when compressed is stored.
func TestTooLargeEvent(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		noise := make([]byte, 9<<20)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(noise) // never fails
		large := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1}), nil,
			append([]byte{0x81, 0xa1, 'n', 0xc6, 0, 0x90, 0, 0}, noise...))
		b := q.NewBatch(1)
		b.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: "id", Outputs: []string{"o"}})
		rejected := b.Add(slices.Concat(entries(2, 100), large, entries(1, 9<<20), entries(1, 100)), 5, true)
		if rejected != 1 {
			t.Errorf("%d events are rejected", rejected)
		}
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		var first []int
		for c, _ := e.next(q, 2*ackWait); c != nil; c, _ = e.next(q, 2*ackWait) {
			first = append(first, c.Parts[0].First)
			q.Source("o").Done(c)
		}
		if !slices.Equal(first, []int{0, 3, 4}) {
			t.Errorf("chunks begin with events %v", first)
		}
		letters, _, err := q.DeadLetters().Page(t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 5})
		if err != nil || len(letters) != 2 || letters[0].Events+letters[1].Events != 1 {
			t.Fatalf("%d letters: %v", len(letters), err)
		}
		for _, l := range letters {
			if l.Reason != "too_large" || !strings.Contains(l.Detail, "raise max_payload") {
				t.Errorf("%s: %s", l.Reason, l.Detail)
			}
		}
	})
}
