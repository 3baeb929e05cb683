package delivery

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/rate"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// control is how a loop is steered from outside: paused and resumed, told to try again at once, and ended. drain ends
// when no more chunks are to be taken, force when what is unfinished is to be given back. Safe for concurrent use.
type control struct {
	drain, force context.Context
	grace        time.Duration // that lies between the two at most

	mu      sync.Mutex
	resumed chan struct{} // nil: not paused
	// retryNow is closed, and another put in its place, by retry.
	retryNow chan struct{}
}

func newControl(grace time.Duration) *control {
	return &control{
		drain: context.Background(), force: context.Background(), grace: grace, retryNow: make(chan struct{}),
	}
}

func (c *control) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed == nil {
		c.resumed = make(chan struct{})
	}
}

func (c *control) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed != nil {
		close(c.resumed)
		c.resumed = nil
	}
}

func (c *control) paused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resumed != nil
}

// retry ends every retryWait.
func (c *control) retry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.retryNow)
	c.retryNow = make(chan struct{})
}

// unpaused waits while the loop is paused. It returns false when ctx ends meanwhile.
func (c *control) unpaused(ctx context.Context) bool {
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

// retryWait sleeps for d before another try, or until retry. It returns false when ctx ends first.
func (c *control) retryWait(ctx context.Context, d time.Duration) bool {
	c.mu.Lock()
	now := c.retryNow
	c.mu.Unlock()
	return waitFor(ctx, d, now)
}

// rest waits for d by wait. It returns false when the loop ends before that can be over.
func (c *control) rest(d time.Duration, wait func(context.Context, time.Duration) bool) bool {
	if d > c.grace {
		return wait(c.drain, d)
	}
	return wait(c.force, d)
}

// authWait is how long to wait at least, as far as retry.max allows, before a refused login is tried again.
const authWait = 5 * time.Second

// backoff returns how long to wait after the n-th failure in a row, n from 1: full jitter, a random
// time up to min(max, initial·2^(n-1)), but not less than the destination's wish, and never more than max.
func backoff(set outputs.RetryConfig, n int, reason outputs.Reason, wish time.Duration) time.Duration {
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

// wait sleeps for d. It returns false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool { return waitFor(ctx, d, nil) }

// waitFor is wait that early ends too.
func waitFor(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
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

// pacer spreads sends so that they take no more than rate bytes a second; 0 is no limit.
type pacer struct {
	rate int64

	mu      sync.Mutex
	limiter rate.Limiter
}

// refund gives back what was booked for n bytes that were not sent.
func (p *pacer) refund(n int) { p.reserve(-n) }

// reserve books n bytes and returns how long to wait before they are sent.
func (p *pacer) reserve(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait, _ := p.limiter.Charge(time.Now(), int64(n), p.rate, 0)
	return wait
}
