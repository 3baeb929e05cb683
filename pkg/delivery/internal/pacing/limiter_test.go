package pacing

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiterAdapts(t *testing.T) {
	type step struct {
		enter int        // sends begin
		leave SendResult // else: the oldest one ends
		want  int        // limit afterwards
	}
	for _, tc := range []struct {
		name    string
		workers int
		steps   []step
	}{
		{"halves once for all that ran", 8, []step{{8, 0, 8}, {0, Throttled, 4}, {0, Throttled, 4}, {0, Throttled, 4}}},
		{"what began before says nothing", 8, []step{{8, 0, 8}, {0, Throttled, 4}, {0, Taken, 4}, {0, Taken, 4}}},
		{"and again for what began later", 8, []step{
			{2, 0, 8},
			{0, Throttled, 4},
			{0, Throttled, 4},
			{1, 0, 4},
			{0, Throttled, 2},
			{1, 0, 2},
			{0, Throttled, 1},
			{1, 0, 1},
			{0, Throttled, 1},
		}},
		{
			"grows by one", 4,
			[]step{
				{1, 0, 4},
				{0, Throttled, 2},
				{1, 0, 2},
				{0, Taken, 3},
				{1, 0, 3},
				{0, Taken, 4},
				{1, 0, 4},
				{0, Taken, 4},
			},
		},
		{"other failures change nothing", 4, []step{{1, 0, 4}, {0, Throttled, 2}, {1, 0, 2}, {0, Unknown, 2}}},
		{"one worker", 1, []step{{1, 0, 1}, {0, Throttled, 1}, {1, 0, 1}, {0, Taken, 1}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := NewConcurrencyLimiter(tc.workers)
			var tickets []uint64
			for i, s := range tc.steps {
				for range s.enter {
					ticket, ok := l.Acquire(t.Context())
					if !ok {
						t.Fatalf("step %d: not let in", i)
					}
					tickets = append(tickets, ticket)
				}
				if s.enter == 0 {
					l.Release(tickets[0], s.leave)
					tickets = tickets[1:]
				}
				if _, limit := l.State(); limit != s.want {
					t.Fatalf("step %d: limit %d, want %d", i, limit, s.want)
				}
			}
		})
	}
}

func TestLimiterWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewConcurrencyLimiter(2)
		first, _ := l.Acquire(t.Context())
		second, _ := l.Acquire(t.Context())
		let := make(chan uint64, 3)
		for range 3 {
			go func() {
				if ticket, ok := l.Acquire(t.Context()); ok {
					let <- ticket
				}
			}()
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok := l.Acquire(short); ok {
			t.Error("let in beside two, who are all there may be")
		}
		l.Release(first, Throttled) // one is left, and may be
		synctest.Wait()
		if len(let) != 0 {
			t.Fatal("let in above the limit")
		}
		l.Release(second, Unknown)
		third := <-let
		synctest.Wait()
		if len(let) != 0 {
			t.Fatal("two at once, with a limit of one")
		}
		l.Release(third, Taken) // and so two may be
		l.Release(<-let, Unknown)
		l.Release(<-let, Unknown)
		if busy, limit := l.State(); busy != 0 || limit != 2 || len(l.waiting) != 0 {
			t.Errorf("in the end %d run of %d, %d wait", busy, limit, len(l.waiting))
		}
	})
}

// A place that is granted in the moment that its owner gives up is not lost.
func TestLimiterGivenUp(t *testing.T) {
	l := NewConcurrencyLimiter(1)
	ticket, _ := l.Acquire(t.Context())
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.Release(ticket, Taken)
	l.giveUp(turn)
	if _, ok := l.Acquire(t.Context()); !ok {
		t.Fatal("the place is gone")
	}
}
