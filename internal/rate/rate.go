// Package rate spreads amounts over time. golang.org/x/time/rate refuses an amount beyond its burst; here the amount is
// there already, a message that was received or a batch that was made, and its size is not for the limiter to choose.
// So a Limiter may be overdrawn, and who overdraws it waits, which keeps the mean exact whatever the sizes are.
package rate

import (
	"context"
	"time"
)

// Limiter is a token bucket that may be overdrawn. The zero value is full. It is not safe for concurrent use.
type Limiter struct {
	// paid is when what was charged so far has come at the rate.
	paid time.Time
	// Of the last charge: debts at another rate are forgotten, so that a mistaken limit can be mended.
	perSecond int64
}

// Charge books amount at now. It returns how long it takes at the rate until what was booked before is through, and
// until all of it is. burst is what may come at once after a pause, as the time that the rate takes for it. A negative
// amount gives back what was booked for nothing. Where perSecond is not over 0 there is no limit, and no wait.
func (l *Limiter) Charge(now time.Time, amount, perSecond int64, burst time.Duration) (before, after time.Duration) {
	if perSecond != l.perSecond {
		*l = Limiter{perSecond: perSecond}
	}
	if perSecond <= 0 {
		return 0, 0
	}
	if earliest := now.Add(-burst); l.paid.Before(earliest) {
		l.paid = earliest
	}
	before = max(0, l.paid.Sub(now))
	l.paid = l.paid.Add(time.Duration(float64(amount) / float64(perSecond) * float64(time.Second)))
	return before, max(0, l.paid.Sub(now))
}

// Wait waits for d, or for the end of ctx, whose error it returns then.
func Wait(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
