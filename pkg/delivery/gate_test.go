package delivery

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

func TestGateAdapts(t *testing.T) {
	type step struct {
		enter int     // sends begin
		leave verdict // else: the oldest one ends
		want  int     // limit afterwards
	}
	for _, tc := range []struct {
		name    string
		workers int
		steps   []step
	}{
		{"halves once for all that ran", 8, []step{{8, 0, 8}, {0, throttled, 4}, {0, throttled, 4}, {0, throttled, 4}}},
		{"what began before says nothing", 8, []step{{8, 0, 8}, {0, throttled, 4}, {0, taken, 4}, {0, taken, 4}}},
		{"and again for what began later", 8, []step{
			{2, 0, 8}, {0, throttled, 4}, {0, throttled, 4}, {1, 0, 4}, {0, throttled, 2}, {1, 0, 2}, {0, throttled, 1}, {1, 0, 1}, {0, throttled, 1},
		}},
		{"grows by one", 4, []step{{1, 0, 4}, {0, throttled, 2}, {1, 0, 2}, {0, taken, 3}, {1, 0, 3}, {0, taken, 4}, {1, 0, 4}, {0, taken, 4}}},
		{"other failures change nothing", 4, []step{{1, 0, 4}, {0, throttled, 2}, {1, 0, 2}, {0, unknown, 2}}},
		{"one worker", 1, []step{{1, 0, 1}, {0, throttled, 1}, {1, 0, 1}, {0, taken, 1}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGate(tc.workers)
			var tickets []uint64
			for i, s := range tc.steps {
				for range s.enter {
					ticket, ok := g.enter(t.Context())
					if !ok {
						t.Fatalf("step %d: not let in", i)
					}
					tickets = append(tickets, ticket)
				}
				if s.enter == 0 {
					g.leave(tickets[0], s.leave)
					tickets = tickets[1:]
				}
				if _, limit := g.state(); limit != s.want {
					t.Fatalf("step %d: limit %d, want %d", i, limit, s.want)
				}
			}
		})
	}
}

func TestGateWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2)
		first, _ := g.enter(t.Context())
		second, _ := g.enter(t.Context())
		let := make(chan uint64, 3)
		for range 3 {
			go func() {
				if ticket, ok := g.enter(t.Context()); ok {
					let <- ticket
				}
			}()
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok := g.enter(short); ok {
			t.Error("let in beside two, who are all there may be")
		}
		g.leave(first, throttled) // one is left, and may be
		synctest.Wait()
		if len(let) != 0 {
			t.Fatal("let in above the limit")
		}
		g.leave(second, unknown)
		third := <-let
		synctest.Wait()
		if len(let) != 0 {
			t.Fatal("two at once, with a limit of one")
		}
		g.leave(third, taken) // and so two may be
		g.leave(<-let, unknown)
		g.leave(<-let, unknown)
		if busy, limit := g.state(); busy != 0 || limit != 2 || len(g.waiting) != 0 {
			t.Errorf("in the end %d run of %d, %d wait", busy, limit, len(g.waiting))
		}
	})
}

// A place that is granted in the moment that its owner gives up is not lost.
func TestGateForsaken(t *testing.T) {
	g := newGate(1)
	ticket, _ := g.enter(t.Context())
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.leave(ticket, taken)
	g.forsake(turn)
	if _, ok := g.enter(t.Context()); !ok {
		t.Fatal("the place is gone")
	}
}

// What a send says of the destination as a whole.
func TestJudge(t *testing.T) {
	failed := func(n int, r outputs.Reason) (all []outputs.Failure) {
		for i := range n {
			all = append(all, outputs.Failure{Index: i, Reason: r})
		}
		return all
	}
	for _, tc := range []struct {
		name string
		se   outputs.SendError
		want verdict
	}{
		{"the request was throttled", outputs.SendError{Reason: outputs.ReasonThrottled}, throttled},
		{"the request failed", outputs.SendError{Reason: outputs.ReasonServer}, unknown},
		{"all events were throttled", outputs.SendError{Failed: failed(100, outputs.ReasonThrottled)}, throttled},
		{"a tenth was", outputs.SendError{Failed: failed(10, outputs.ReasonThrottled)}, throttled},
		{"a few were", outputs.SendError{Failed: failed(9, outputs.ReasonThrottled)}, unknown},
		{"a few were refused", outputs.SendError{Failed: failed(9, outputs.ReasonRejected)}, taken},
		{"all were refused", outputs.SendError{Failed: failed(100, outputs.ReasonRejected)}, unknown},
	} {
		if got := judge(&tc.se, 100); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestBatchGivesMemoryBack(t *testing.T) {
	b := &batch{events: make([]event.Event, 20*keepEvents)}
	if b.reset(); cap(b.events) < 20*keepEvents {
		t.Error("given back after a batch that needed it")
	}
	b.events = b.events[:100]
	if b.reset(); cap(b.events) != 0 {
		t.Errorf("room for %d events is kept after a batch of 100", cap(b.events))
	}
}
