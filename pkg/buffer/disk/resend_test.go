package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Each case is what agents do with one chunk, "x"; at the end so many copies of it must be stored.
func TestDuplicates(t *testing.T) {
	x := func(conn uint64) message1 { return message1{conn: conn, chunk: "x", text: "x", events: 3, nanos: true} }
	y := func(conn uint64) message1 { return message1{conn: conn, chunk: "y", text: "y"} }
	unwanted := func(conn uint64) message1 { return message1{conn: conn, chunk: "z", outputs: []string{}, text: "z"} }
	gone := map[uint64]bool{} // connections that are broken without a Settle so far
	type step func(t *testing.T, s **Queue, c *clock)
	send := func(m message1) step {
		return func(t *testing.T, s **Queue, _ *clock) {
			t.Helper()
			b := m.begin(*s)
			if gone[m.conn] {
				(*s).Gone(m.conn)
			}
			for _, conn := range b.Doubts() {
				if gone[conn] {
					(*s).Gone(conn)
				}
			}
			if err := b.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
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
		for len(segmentFiles(t, (*s).dir)) > 1 { // the one before is being sealed, perhaps
			saved(t, *s)
		}
	}
	breaks := func(conn uint64) step { return func(*testing.T, **Queue, *clock) { gone[conn] = true } }
	many := func(t *testing.T, s **Queue, _ *clock) {
		t.Helper()
		w, b := (*s).resends, &resend.Batch{}
		for i := range 1 << 14 {
			b.Of(100)
			b.Add(resend.Key{Events: i + 1})
			w.Enter(b)
			w.Stored([]resend.Piece{{Batch: b}}, 0, []*resend.Batch{b})
			w.Settle(100, 1, true)
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
		{
			"another connection, the first broken and settled later",
			[]step{send(x(1)), breaks(1), send(x(2)), settle(1, false), send(x(3))},
			2,
		},
		{"another connection broken too", []step{send(x(1)), breaks(1), send(x(2)), breaks(2), send(x(3))}, 1},
		{"overtaken by what was sent again", []step{send(x(2)), breaks(1), send(x(1)), send(x(3))}, 2},
		{
			"overtaken by what was sent again, which breaks too",
			[]step{send(x(2)), breaks(1), send(x(1)), settle(1, false), breaks(2), send(x(3))},
			1,
		},
		{
			"overtaken by what was sent again and whose ack was received",
			[]step{send(x(2)), breaks(1), send(x(1)), settle(2, true), settle(1, false), send(x(3))},
			2,
		},
		{
			"overtaken by what was sent again, confirmed already",
			[]step{send(x(2)), settle(2, true), breaks(1), send(x(1)), send(x(3))},
			2,
		},
		{
			"same id as what was confirmed before the window",
			[]step{send(x(2)), settle(2, true), wait(11 * time.Minute), breaks(1), send(x(1))},
			2,
		},
		{
			"overtaken by what was sent again, confirmed before others",
			[]step{send(x(2)), settle(2, true), many, breaks(1), send(x(1))},
			2,
		},
		{"ack received, broken", []step{send(x(1)), settle(1, true), breaks(1), send(x(2))}, 2},
		{"ack received", []step{send(x(1)), settle(1, true), send(x(2))}, 2},
		{"ack lost", []step{send(x(1)), settle(1, false), send(x(2))}, 1},
		{"ack lost twice", []step{send(x(1)), settle(1, false), send(x(2)), settle(2, false), send(x(3))}, 1},
		{"ack lost, then received", []step{send(x(1)), settle(1, false), send(x(2)), settle(2, true), send(x(3))}, 2},
		{
			"ack lost, resent, the resend's connection open",
			[]step{send(x(1)), settle(1, false), send(x(2)), send(x(3))},
			2,
		},
		{"same connection", []step{send(x(1)), send(x(1))}, 2},
		{"same connection, ack received", []step{send(x(1)), settle(1, true), send(x(1))}, 2},
		{
			"first ack of another chunk received, second lost",
			[]step{send(y(1)), send(x(1)), settleFirst(1), settle(1, false), send(x(2))},
			1,
		},
		{
			"first ack received, second of another chunk lost",
			[]step{send(x(1)), send(y(1)), settleFirst(1), settle(1, false), send(x(2))},
			2,
		},
		{
			"first ack received, it was of what nobody wants",
			[]step{send(unwanted(1)), send(x(1)), settleFirst(1), settle(1, false), send(x(2))},
			1,
		},
		{"two acks lost", []step{send(x(1)), send(y(1)), settle(1, false), send(x(2))}, 1},
		{"window over", []step{send(x(1)), settle(1, false), wait(11 * time.Minute), send(x(2))}, 2},
		{"window not over", []step{send(x(1)), settle(1, false), wait(9 * time.Minute), send(x(2))}, 1},
		{
			"other cluster", []step{
				send(x(1)), settle(1, false), send(message1{conn: 2, cluster: "d", chunk: "x", text: "x", events: 3}),
			}, 2,
		},
		{
			"other tag", []step{
				send(x(1)), settle(1, false), send(message1{conn: 2, tag: "u", chunk: "x", text: "x", events: 3}),
			}, 2,
		},
		{
			"other number of events",
			[]step{send(x(1)), settle(1, false), send(message1{conn: 2, chunk: "x", text: "xx", events: 4})},
			2,
		},
		{"no id", []step{send(message1{conn: 1, text: "x"}), settle(1, false), send(message1{conn: 2, text: "x"})}, 2},
		{"restart", []step{send(x(1)), restart, send(x(1))}, 1},
		{"restart, then lost again", []step{send(x(1)), restart, send(x(1)), settle(1, false), restart, send(x(2))}, 1},
		{"restart, window over", []step{send(x(1)), restart, wait(11 * time.Minute), send(x(1))}, 2},
		{
			"restart, ack received before",
			[]step{send(x(1)), settle(1, true), send(message1{conn: 1, chunk: "y", text: "y"}), restart, send(x(2))},
			2,
		},
		{"restart, ahead of its acks", []step{send(x(1)), send(y(1)), send(y(1)), restart, send(x(2))}, 1},
		{
			"restart, ahead of its acks until then",
			[]step{send(x(1)), send(y(1)), settle(1, true), send(y(1)), restart, send(x(2))},
			2,
		},
		{"crash, ahead of its acks", []step{send(x(1)), send(y(1)), crash, send(x(2))}, 1},
		{"crash, ahead of its acks, in another segment", []step{send(x(1)), fill, send(y(1)), crash, send(x(2))}, 1},
		{
			"crash, ack received before, in another segment",
			[]step{send(x(1)), fill, settle(1, true), send(y(1)), crash, send(x(2))},
			2,
		},
		{"delivered, segment gone, ack lost", []step{send(x(1)), settle(1, false), deliver, send(x(2))}, 1},
		{"delivered, segment gone, restart", []step{send(x(1)), deliver, restart, send(x(2))}, 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			delivered = 0
			clear(gone)
			clock := newClock()
			s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{Now: clock.now})
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

// An agent gives up twice while the full queue makes its chunk wait: the first copy is withdrawn after the second came,
// and before the third did. Whichever copies are withdrawn, one of the others is stored, and what is left repeats it.
func TestResendTwiceWhileWaiting(t *testing.T) {
	for _, withdrawn := range [][]int{nil, {0}, {1}, {0, 1}, {1, 0}} {
		t.Run(fmt.Sprint(withdrawn), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{OutputLimits: map[string]int64{"o": 100}})
				put(t, s, message1{text: text(200, 1)})
				var cancels []context.CancelFunc
				commits := make(chan error, 3)
				send := func(conn uint64) {
					ctx, cancel := context.WithCancel(context.Background())
					cancels = append(cancels, cancel)
					go func() { commits <- message1{conn: conn, chunk: "x", text: "x"}.begin(s).Commit(ctx) }()
					synctest.Wait()
				}
				send(1)
				send(2)
				for _, i := range withdrawn {
					cancels[i]()
					if err := <-commits; !errors.Is(err, context.Canceled) {
						t.Fatalf("withdrawn with %v", err)
					}
				}
				send(3)
				got := drain(t, s, "o")
				for range 3 - len(withdrawn) {
					if err := <-commits; err != nil {
						t.Fatal(err)
					}
				}
				got = append(got, drain(t, s, "o")...)
				if !slices.Equal(got[1:], []string{"x"}) {
					t.Errorf("got %.10q, want x once", got[1:])
				}
				if d := s.Stats().Duplicates["c"].Messages; d != int64(2-len(withdrawn)) {
					t.Errorf("%d duplicates", d)
				}
				for _, cancel := range cancels {
					cancel()
				}
			})
		})
	}
}
