package delivery

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/rate"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

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
