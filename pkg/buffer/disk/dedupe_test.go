package disk

import (
	"context"
	"math"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

// Each case is what agents do with one chunk, "x"; at the end so many copies of it must be stored.
func TestDuplicates(t *testing.T) {
	x := func(conn uint64) message1 { return message1{conn: conn, chunk: "x", text: "x", events: 3, nanos: true} }
	y := func(conn uint64) message1 { return message1{conn: conn, chunk: "y", text: "y"} }
	unwanted := func(conn uint64) message1 { return message1{conn: conn, chunk: "z", outputs: []string{}, text: "z"} }
	type step func(t *testing.T, s **Queue, c *clock)
	send := func(m message1) step {
		return func(t *testing.T, s **Queue, _ *clock) { t.Helper(); put(t, *s, m) }
	}
	settle := func(conn uint64, received bool) step {
		return func(_ *testing.T, s **Queue, _ *clock) { (*s).Settle(conn, math.MaxInt, received) }
	}
	settleFirst := func(conn uint64) step {
		return func(_ *testing.T, s **Queue, _ *clock) { (*s).Settle(conn, 1, true) }
	}
	wait := func(d time.Duration) step {
		return func(_ *testing.T, _ **Queue, c *clock) { c.move(d) }
	}
	delivered := 0
	deliver := func(t *testing.T, s **Queue, _ *clock) { // …and the segment goes
		t.Helper()
		put(t, *s, message1{conn: 9, cluster: "filler", outputs: []string{"f"}, text: text(1<<20, 1)})
		put(t, *s, message1{conn: 9, cluster: "filler", outputs: []string{"f"}, text: text(1<<20, 2)})
		delivered += len(drain(t, *s, "o"))
		drain(t, *s, "f")
		saved(t, *s)
		if n := len(segmentFiles(t, (*s).dir)); n != 1 {
			t.Fatalf("%d segments are left, want the current one", n)
		}
	}
	gone := map[uint64]bool{} // connections that are broken without a Settle so far
	breaks := func(conn uint64) step { return func(*testing.T, **Queue, *clock) { gone[conn] = true } }
	many := func(t *testing.T, s **Queue, _ *clock) {
		t.Helper()
		for i := range uint32(maxConfirmed) {
			(*s).dedupe.mu.Lock()
			id := &chunkID{ID: chunk.ID{Events: int(i)}}
			(*s).dedupe.ids[id.ID] = id
			(*s).dedupe.confirm(id, time.Time{})
			(*s).dedupe.mu.Unlock()
		}
	}
	restart := func(t *testing.T, s **Queue, c *clock) {
		t.Helper()
		cfg := (*s).cfg
		mustClose(t, *s)
		*s = mustOpen(t, cfg, buffer.Options{Now: c.now})
	}
	crash := func(t *testing.T, s **Queue, c *clock) { // its files as they are go on
		t.Helper()
		cfg := (*s).cfg
		cfg.Path = t.TempDir()
		if err := os.CopyFS(cfg.Path, os.DirFS((*s).dir)); err != nil {
			t.Fatal(err)
		}
		mustClose(t, *s)
		*s = mustOpen(t, cfg, buffer.Options{Now: c.now})
	}
	fill := func(t *testing.T, s **Queue, _ *clock) { // …the segment
		t.Helper()
		put(t, *s, message1{conn: 9, cluster: "filler", outputs: []string{"f"}, text: text(1<<20, 3)})
	}
	tests := []struct {
		name  string
		steps []step
		want  int
	}{
		{"another connection, the first open", []step{send(x(1)), send(x(2))}, 2},
		{"another connection, the first broken", []step{send(x(1)), breaks(1), send(x(2))}, 1},
		{"another connection, the first broken and settled later", []step{send(x(1)), breaks(1), send(x(2)), settle(1, false), send(x(3))}, 2},
		{"another connection broken too", []step{send(x(1)), breaks(1), send(x(2)), breaks(2), send(x(3))}, 1},
		{"overtaken by what was sent again", []step{send(x(2)), breaks(1), send(x(1)), send(x(3))}, 2},
		{"overtaken by what was sent again, which breaks too", []step{send(x(2)), breaks(1), send(x(1)), settle(1, false), breaks(2), send(x(3))}, 1},
		{"overtaken by what was sent again and whose ack was received", []step{send(x(2)), breaks(1), send(x(1)), settle(2, true), settle(1, false), send(x(3))}, 2},
		{"overtaken by what was sent again, confirmed already", []step{send(x(2)), settle(2, true), breaks(1), send(x(1)), send(x(3))}, 2},
		{"same id as what was confirmed before the window", []step{send(x(2)), settle(2, true), wait(11 * time.Minute), breaks(1), send(x(1))}, 2},
		{"overtaken by what was sent again, confirmed before others", []step{send(x(2)), settle(2, true), many, breaks(1), send(x(1))}, 2},
		{"ack received, broken", []step{send(x(1)), settle(1, true), breaks(1), send(x(2))}, 2},
		{"ack received", []step{send(x(1)), settle(1, true), send(x(2))}, 2},
		{"ack lost", []step{send(x(1)), settle(1, false), send(x(2))}, 1},
		{"ack lost twice", []step{send(x(1)), settle(1, false), send(x(2)), settle(2, false), send(x(3))}, 1},
		{"ack lost, then received", []step{send(x(1)), settle(1, false), send(x(2)), settle(2, true), send(x(3))}, 2},
		{"ack lost, resent, the resend's connection open", []step{send(x(1)), settle(1, false), send(x(2)), send(x(3))}, 2},
		{"same connection", []step{send(x(1)), send(x(1))}, 2},
		{"same connection, ack received", []step{send(x(1)), settle(1, true), send(x(1))}, 2},
		{"first ack of another chunk received, second lost", []step{send(y(1)), send(x(1)), settleFirst(1), settle(1, false), send(x(2))}, 1},
		{"first ack received, second of another chunk lost", []step{send(x(1)), send(y(1)), settleFirst(1), settle(1, false), send(x(2))}, 2},
		{"first ack received, it was of what nobody wants", []step{send(unwanted(1)), send(x(1)), settleFirst(1), settle(1, false), send(x(2))}, 1},
		{"two acks lost", []step{send(x(1)), send(y(1)), settle(1, false), send(x(2))}, 1},
		{"window over", []step{send(x(1)), settle(1, false), wait(11 * time.Minute), send(x(2))}, 2},
		{"window not over", []step{send(x(1)), settle(1, false), wait(9 * time.Minute), send(x(2))}, 1},
		{"other cluster", []step{send(x(1)), settle(1, false), send(message1{conn: 2, cluster: "d", chunk: "x", text: "x", events: 3})}, 2},
		{"other tag", []step{send(x(1)), settle(1, false), send(message1{conn: 2, tag: "u", chunk: "x", text: "x", events: 3})}, 2},
		{"other number of events", []step{send(x(1)), settle(1, false), send(message1{conn: 2, chunk: "x", text: "xx", events: 4})}, 2},
		{"no id", []step{send(message1{conn: 1, text: "x"}), settle(1, false), send(message1{conn: 2, text: "x"})}, 2},
		{"restart", []step{send(x(1)), restart, send(x(1))}, 1},
		{"restart, then lost again", []step{send(x(1)), restart, send(x(1)), settle(1, false), restart, send(x(2))}, 1},
		{"restart, window over", []step{send(x(1)), restart, wait(11 * time.Minute), send(x(1))}, 2},
		{"restart, ack received before", []step{send(x(1)), settle(1, true), send(message1{conn: 1, chunk: "y", text: "y"}), restart, send(x(2))}, 2},
		{"restart, ahead of its acks", []step{send(x(1)), send(y(1)), send(y(1)), restart, send(x(2))}, 1},
		{"restart, ahead of its acks until then", []step{send(x(1)), send(y(1)), settle(1, true), send(y(1)), restart, send(x(2))}, 2},
		{"crash, ahead of its acks", []step{send(x(1)), send(y(1)), crash, send(x(2))}, 1},
		{"crash, ahead of its acks, in another segment", []step{send(x(1)), fill, send(y(1)), crash, send(x(2))}, 1},
		{"crash, ack received before, in another segment", []step{send(x(1)), fill, settle(1, true), send(y(1)), crash, send(x(2))}, 2},
		{"delivered, segment gone, ack lost", []step{send(x(1)), settle(1, false), deliver, send(x(2))}, 1},
		{"delivered, segment gone, restart", []step{send(x(1)), deliver, restart, send(x(2))}, 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			delivered = 0
			clear(gone)
			clock := newClock()
			s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{Now: clock.now, Lost: func(conn uint64) bool { return gone[conn] }})
			for _, step := range tc.steps {
				step(t, &s, clock)
			}
			got := delivered
			for _, texts := range drain(t, s, "o") {
				for _, c := range texts {
					if c == 'x' {
						got++
					}
				}
			}
			if tc.name == "other number of events" {
				got-- // it says x twice
			}
			if got != tc.want {
				t.Errorf("stored %d times, want %d", got, tc.want)
			}
		})
	}
}

// An agent that gives up while the full queue makes its chunk wait, and sends it again at once.
func TestResendWhileWaiting(t *testing.T) {
	tests := []struct {
		name   string
		cancel bool // the first connection's Commit ends without storing
	}{{"both stored in one", false}, {"the first leaves", true}}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(t.TempDir())
				s := mustOpen(t, cfg, buffer.Options{OutputLimits: map[string]int64{"o": 100}})
				put(t, s, message1{text: text(200, 1)})
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				first, second := make(chan error, 1), make(chan error, 1)
				m := message1{conn: 1, chunk: "x", text: "x"}
				go func() { first <- m.begin(s).Commit(ctx) }()
				synctest.Wait()
				m.conn = 2
				go func() { second <- m.begin(s).Commit(context.Background()) }()
				synctest.Wait()
				if tc.cancel {
					cancel()
					if err := <-first; err == nil {
						t.Fatal("cancelled, but stored")
					}
				}
				got := drain(t, s, "o")
				if !tc.cancel {
					if err := <-first; err != nil {
						t.Fatal(err)
					}
					s.Settle(1, 1, false)
				}
				if err := <-second; err != nil {
					t.Fatal(err)
				}
				got = append(got, drain(t, s, "o")...)
				if !slices.Equal(got[1:], []string{"x"}) {
					t.Errorf("got %.10q, want x once", got[1:])
				}
				if d := s.Stats().Duplicates["c"].Messages; (d == 1) == tc.cancel {
					t.Errorf("%d duplicates", d)
				}
			})
		})
	}
}

func TestBoundedIDs(t *testing.T) {
	clock := newClock()
	d := newDedupe(time.Minute, clock.now)
	for i := range maxIDs + 10 {
		d.restore(chunk.ID{Events: i}, 0, clock.now().Add(time.Minute))
	}
	d.settle(1, 1, true)
	d.mu.Lock()
	d.expire()
	d.mu.Unlock()
	if n := len(d.ids); n != maxIDs {
		t.Errorf("%d ids are remembered, want %d", n, maxIDs)
	}
	clock.move(2 * time.Minute)
	d.mu.Lock()
	d.expire()
	d.mu.Unlock()
	if n := len(d.ids) + len(d.old); n != 0 {
		t.Errorf("%d ids are remembered after the window", n)
	}
}
