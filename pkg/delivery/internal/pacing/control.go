// Package pacing is when a loop sends: how it is paused, told to try again and ended; how long it waits after a
// failure; how many bytes a second and how many requests at once a destination gets.
package pacing

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/rate"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Control is how a loop is steered from outside: paused and resumed, told to try again at once, and ended. drain ends
// when no more chunks are to be taken, force when what is unfinished is to be given back. Safe for concurrent use.
type Control struct {
	Drain, Force context.Context
	// Grace is the time that lies between the two at most.
	Grace time.Duration

	mu sync.Mutex
	// resumed is closed by Resume; nil: the loop is not paused.
	resumed chan struct{}
	// since is when it was paused; zero: it is not.
	since time.Time
	// retryNow is closed, and another put in its place, by Retry.
	retryNow chan struct{}
}

// NewControl returns a control whose loop is not paused. Its contexts never end, before others are set.
func NewControl(grace time.Duration) *Control {
	return &Control{
		Drain: context.Background(), Force: context.Background(), Grace: grace, retryNow: make(chan struct{}),
	}
}

// Pause has Unpaused wait, until Resume.
func (c *Control) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed == nil {
		c.resumed, c.since = make(chan struct{}), time.Now()
	}
}

// Resume ends a Pause.
func (c *Control) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed != nil {
		close(c.resumed)
		c.resumed, c.since = nil, time.Time{}
	}
}

// PausedSince returns since when the loop is paused; zero: it is not.
func (c *Control) PausedSince() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since
}

// Retry ends every RetryWait.
func (c *Control) Retry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.retryNow)
	c.retryNow = make(chan struct{})
}

// Unpaused waits while the loop is paused. It returns false when ctx ends meanwhile.
func (c *Control) Unpaused(ctx context.Context) bool {
	for {
		c.mu.Lock()
		resumed := c.resumed
		c.mu.Unlock()
		if resumed == nil {
			return true
		}
		select {
		case <-resumed:
		case <-ctx.Done():
			return false
		}
	}
}

// RetryWait sleeps for d before another try, or until Retry. It returns false when ctx ends first.
func (c *Control) RetryWait(ctx context.Context, d time.Duration) bool {
	c.mu.Lock()
	now := c.retryNow
	c.mu.Unlock()
	return WaitFor(ctx, d, now)
}

// Rest waits for d by wait. It returns false when the loop ends before that can be over.
func (c *Control) Rest(d time.Duration, wait func(context.Context, time.Duration) bool) bool {
	if d > c.Grace {
		return wait(c.Drain, d)
	}
	return wait(c.Force, d)
}

// authWait is how long to wait at least, as far as retry.max allows, before a refused login is tried again.
const authWait = 5 * time.Second

// Backoff returns how long to wait after the n-th failure in a row, n from 1: full jitter, a random
// time up to min(max, initial·2^(n-1)), but not less than the destination's wish, and never more than max.
func Backoff(set outputs.RetryConfig, n int, reason outputs.Reason, wish time.Duration) time.Duration {
	bound := set.Max
	if shift := n - 1; shift < 62 && set.Initial <= set.Max>>shift {
		bound = set.Initial << shift
	}
	d := time.Duration(rand.Int64N(int64(bound) + 1))
	if reason == outputs.ReasonAuth {
		d = max(d, min(authWait, set.Max))
	}
	return max(d, min(wish, set.Max))
}

// Wait sleeps for d. It returns false when ctx ends first.
func Wait(ctx context.Context, d time.Duration) bool { return WaitFor(ctx, d, nil) }

// WaitFor is Wait that early ends too.
func WaitFor(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-early:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Pacer spreads sends so that they take no more than Rate bytes a second; 0 is no limit.
type Pacer struct {
	Rate int64

	mu      sync.Mutex
	limiter rate.Limiter
}

// Refund gives back what was booked for n bytes that were not sent.
func (p *Pacer) Refund(n int) { p.Reserve(-n) }

// Reserve books n bytes and returns how long to wait before they are sent.
func (p *Pacer) Reserve(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait, _ := p.limiter.Charge(time.Now(), int64(n), p.Rate, 0)
	return wait
}
