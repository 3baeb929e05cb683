package pacing

import (
	"context"
	"sync"
	"time"
)

// ConcurrencyLimiter lets at most limit sends run at once. The limit adapts to the destination: it is halved when
// that throttles, once for all sends that ran then, and grows by one with each send that it took, up
// to max.
type ConcurrencyLimiter struct {
	max int

	mu sync.Mutex
	// limit is 1 to max.
	limit int
	busy  int
	// began counts sends, and halved is what it was when limit was halved: what began before says nothing about the
	// new limit.
	began, halved uint64
	waiting       []chan struct{}
	// since is when the sends under way began, by ticket.
	since map[uint64]time.Time
}

// SendResult is what a send says about how many more there may be.
type SendResult int

const (
	// Unknown says that a send failed for another reason, or that a few events of many were throttled.
	Unknown SendResult = iota
	// Taken says that the destination took at least a part, and throttled nothing.
	Taken
	// Throttled says that it throttled a good part of the events.
	Throttled
)

// NewConcurrencyLimiter returns a limiter that lets as many sends run as there are workers, at first.
func NewConcurrencyLimiter(workers int) *ConcurrencyLimiter {
	return &ConcurrencyLimiter{max: workers, limit: workers, since: map[uint64]time.Time{}}
}

// Acquire waits until one more send may run, first come first served, and returns its ticket for Release.
// It returns false when ctx ends first.
func (l *ConcurrencyLimiter) Acquire(ctx context.Context) (ticket uint64, ok bool) {
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
func (l *ConcurrencyLimiter) begin() uint64 {
	l.began++
	l.since[l.began] = time.Now()
	return l.began
}

// Oldest returns when the send began that has run longest; zero: none runs.
func (l *ConcurrencyLimiter) Oldest() (began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.since {
		if began.IsZero() || at.Before(began) {
			began = at
		}
	}
	return began
}

// Idle reports whether no send runs.
func (l *ConcurrencyLimiter) Idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy == 0
}

// giveUp takes turn out of those that wait; where it was just granted, the next one has it.
func (l *ConcurrencyLimiter) giveUp(turn chan struct{}) {
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

// Release ends the send with the ticket.
func (l *ConcurrencyLimiter) Release(ticket uint64, v SendResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	delete(l.since, ticket)
	switch {
	case ticket <= l.halved:
	case v == Throttled:
		l.limit, l.halved = max(1, l.limit/2), l.began
	case v == Taken:
		l.limit = min(l.max, l.limit+1)
	}
	l.admit()
}

// admit lets in whoever waits, as far as there is room. l.mu is held.
func (l *ConcurrencyLimiter) admit() {
	for l.busy < l.limit && len(l.waiting) > 0 {
		l.busy++
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}

// State returns how many sends run and how many may.
func (l *ConcurrencyLimiter) State() (busy, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy, l.limit
}
