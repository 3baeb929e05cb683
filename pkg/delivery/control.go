package delivery

import (
	"context"
	"sync"
	"time"
)

// control is how a loop is steered from outside: paused and resumed, told to try again at once, and ended. drain ends
// when no more chunks are to be taken, force when what is unfinished is to be given back. Safe for concurrent use.
type control struct {
	drain, force context.Context
	grace        time.Duration // that lies between the two at most

	mu       sync.Mutex
	resumed  chan struct{} // nil: not paused
	retryNow chan struct{} // closed, and another put in its place, by retry
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
