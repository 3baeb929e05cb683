package delivery

import (
	"context"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// prepare has the output set up what it needs at its destination, for as long as that takes. It
// returns false when ctx ends before.
func (l *Loop) prepare(ctx context.Context) bool {
	p, ok := l.output.(outputs.Preparer)
	if !ok {
		return true
	}
	l.tries(1)
	defer l.tries(-1)
	for n := 1; l.unpaused(ctx); n++ {
		bounded, cancel := context.WithTimeout(ctx, l.set.Timeout)
		err := p.Prepare(bounded)
		cancel()
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			l.prepared()
			return true
		}
		se := outputs.AsSendError(err)
		d := backoff(l.set.Retry, n, se.Reason, se.RetryAfter)
		l.stuck("prepare the destination", se.Reason, err, d)
		ok := l.retryWait(ctx, d)
		l.waited()
		if !ok {
			return false
		}
	}
	return false
}
