package delivery

import (
	"context"
	"sync"
	"time"
)

// gate lets at most limit sends run at once. The limit adapts to the destination: it is halved when
// that throttles, once for all sends that ran then, and grows by one with each send that it took, up
// to max.
type gate struct {
	max int

	mu      sync.Mutex
	limit   int // 1 to max
	busy    int
	began   uint64 // sends so far
	halved  uint64 // began when limit was halved: what began before says nothing about the new limit
	waiting []chan struct{}
	since   map[uint64]time.Time // by ticket, when the send began
}

// verdict is what a send says about how many more there may be.
type verdict int

const (
	unknown   verdict = iota // it failed for another reason, or a few events of many were throttled
	taken                    // the destination took at least a part, and throttled nothing
	throttled                // it throttled a good part of the events
)

func newGate(workers int) *gate {
	return &gate{max: workers, limit: workers, since: map[uint64]time.Time{}}
}

// enter waits until one more send may run, first come first served, and returns its ticket for leave.
// It returns false when ctx ends first.
func (g *gate) enter(ctx context.Context) (ticket uint64, ok bool) {
	if ctx.Err() != nil {
		return 0, false
	}
	g.mu.Lock()
	if g.busy < g.limit && len(g.waiting) == 0 {
		defer g.mu.Unlock()
		g.busy++
		return g.begin(), true
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case <-turn:
	case <-ctx.Done():
		g.forsake(turn)
		return 0, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.begin(), true
}

// begin returns the ticket of a send that begins now. g.mu is held.
func (g *gate) begin() uint64 {
	g.began++
	g.since[g.began] = time.Now()
	return g.began
}

// oldest returns when the send began that has run longest; zero: none runs.
func (g *gate) oldest() (began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, at := range g.since {
		if began.IsZero() || at.Before(began) {
			began = at
		}
	}
	return began
}

// idle says whether no send runs.
func (g *gate) idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.busy == 0
}

// forsake takes turn out of those that wait; where it was just granted, the next one has it.
func (g *gate) forsake(turn chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == turn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return
		}
	}
	g.busy--
	g.admit()
}

// leave ends the send with the ticket.
func (g *gate) leave(ticket uint64, v verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy--
	delete(g.since, ticket)
	switch {
	case ticket <= g.halved:
	case v == throttled:
		g.limit, g.halved = max(1, g.limit/2), g.began
	case v == taken:
		g.limit = min(g.max, g.limit+1)
	}
	g.admit()
}

// admit lets in who waits, as far as there is room. g.mu is held.
func (g *gate) admit() {
	for g.busy < g.limit && len(g.waiting) > 0 {
		g.busy++
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
	}
}

// state returns how many sends run and how many may.
func (g *gate) state() (busy, limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.busy, g.limit
}
