package delivery

import (
	"context"
	"sync"
	"time"
)

// concurrencyLimiter lets at most limit sends run at once. The limit adapts to the destination: it is halved when
// that throttles, once for all sends that ran then, and grows by one with each send that it took, up
// to max.
type concurrencyLimiter struct {
	max int

	mu      sync.Mutex
	limit   int // 1 to max
	busy    int
	began   uint64 // sends so far
	halved  uint64 // began when limit was halved: what began before says nothing about the new limit
	waiting []chan struct{}
	since   map[uint64]time.Time // by ticket, when the send began
}

// sendResult is what a send says about how many more there may be.
type sendResult int

const (
	unknown sendResult = iota // it failed for another reason, or a few events of many were throttled
	// taken is the destination took at least a part, and throttled nothing.
	taken
	throttled // it throttled a good part of the events
)

func newConcurrencyLimiter(workers int) *concurrencyLimiter {
	return &concurrencyLimiter{max: workers, limit: workers, since: map[uint64]time.Time{}}
}

// acquire waits until one more send may run, first come first served, and returns its ticket for release.
// It returns false when ctx ends first.
func (l *concurrencyLimiter) acquire(ctx context.Context) (ticket uint64, ok bool) {
	if ctx.Err() != nil {
		return 0, false
	}
	l.mu.Lock()
	if l.busy < l.limit && len(l.waiting) == 0 {
		defer l.mu.Unlock()
		l.busy++
		return l.begin(), true
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn:
	case <-ctx.Done():
		l.giveUp(turn)
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begin(), true
}

// begin returns the ticket of a send that begins now. l.mu is held.
func (l *concurrencyLimiter) begin() uint64 {
	l.began++
	l.since[l.began] = time.Now()
	return l.began
}

// oldest returns when the send began that has run longest; zero: none runs.
func (l *concurrencyLimiter) oldest() (began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.since {
		if began.IsZero() || at.Before(began) {
			began = at
		}
	}
	return began
}

// idle reports whether no send runs.
func (l *concurrencyLimiter) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy == 0
}

// giveUp takes turn out of those that wait; where it was just granted, the next one has it.
func (l *concurrencyLimiter) giveUp(turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting {
		if w == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return
		}
	}
	l.busy--
	l.admit()
}

// release ends the send with the ticket.
func (l *concurrencyLimiter) release(ticket uint64, v sendResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	delete(l.since, ticket)
	switch {
	case ticket <= l.halved:
	case v == throttled:
		l.limit, l.halved = max(1, l.limit/2), l.began
	case v == taken:
		l.limit = min(l.max, l.limit+1)
	}
	l.admit()
}

// admit lets in whoever waits, as far as there is room. l.mu is held.
func (l *concurrencyLimiter) admit() {
	for l.busy < l.limit && len(l.waiting) > 0 {
		l.busy++
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}

// state returns how many sends run and how many may.
func (l *concurrencyLimiter) state() (busy, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy, l.limit
}
