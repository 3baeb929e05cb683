package delivery

import (
	"cmp"
	"errors"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// errBadFailures is what an output deserves that breaks SendError's contract.
var errBadFailures = errors.New(
	"the output named failed events that the batch does not have or not in order: all are sent again")

// errPacedNoWait is what an output deserves that holds events back without saying for how long.
var errPacedNoWait = errors.New("the output holds events back without saying for how long")

// checkFailures returns se, or where its list of failures breaks the contract, an error that loses nothing.
func checkFailures(se *outputs.SendError, events int) *outputs.SendError {
	last := -1
	for i := range se.Failed {
		f := &se.Failed[i]
		if f.Reason == "" {
			f.Reason = cmp.Or(se.Reason, outputs.ReasonServer)
		}
		if f.Index <= last || f.Index >= events {
			return &outputs.SendError{
				Reason: outputs.ReasonServer, RetryAfter: se.RetryAfter, Err: errors.Join(errBadFailures, se.Err),
			}
		}
		last = f.Index
	}
	if n := paced(se, events); n == 0 || se.RetryAfter > 0 {
		return se
	}
	for i := range se.Failed {
		if f := &se.Failed[i]; f.Reason == outputs.ReasonPaced {
			f.Reason = outputs.ReasonServer
		}
	}
	return &outputs.SendError{Reason: outputs.ReasonServer, Failed: se.Failed, Err: errors.Join(errPacedNoWait, se.Err)}
}

// paced returns how many of the events the output held back.
func paced(se *outputs.SendError, events int) (n int) {
	if len(se.Failed) == 0 && se.Reason == outputs.ReasonPaced {
		return events
	}
	for i := range se.Failed {
		if se.Failed[i].Reason == outputs.ReasonPaced {
			n++
		}
	}
	return n
}

// paceOf returns how long to wait for what the output holds back, at most longest.
func paceOf(se *outputs.SendError, longest time.Duration) time.Duration {
	return min(max(se.RetryAfter, time.Millisecond), longest)
}

// untried returns how many of the failed events were not sent.
func untried(se *outputs.SendError) (n int) {
	for i := range se.Failed {
		if f := &se.Failed[i]; f.Untried && f.Reason != outputs.ReasonPaced {
			n++
		}
	}
	return n
}

// allFailed returns the failures of a send that failed as one.
func allFailed(se *outputs.SendError, events int) []outputs.Failure {
	failed := make([]outputs.Failure, events)
	words := ""
	if se.Err != nil {
		words = se.Err.Error()
	}
	for i := range failed {
		failed[i] = outputs.Failure{
			Index: i, Reason: se.Reason, Status: se.Status, Detail: words, Remedy: se.Remedy,
		}
	}
	return failed
}

// busyShare is which part of a send's events must be throttled, one in so many, for the destination to
// have too many requests: fewer are one busy shard or stream among others.
const busyShare = 10

// sendResultOf returns what the limiter is told of a send that did not deliver all of the events.
func sendResultOf(se *outputs.SendError, events int) pacing.SendResult {
	if len(se.Failed) == 0 {
		if se.Reason == outputs.ReasonThrottled {
			return pacing.Throttled
		}
		return pacing.Unknown
	}
	n := 0
	for i := range se.Failed {
		if se.Failed[i].Reason == outputs.ReasonThrottled {
			n++
		}
	}
	switch {
	case n*busyShare >= events:
		return pacing.Throttled
	case n == 0 && len(se.Failed) < events:
		return pacing.Taken
	}
	return pacing.Unknown
}

// dominantReason returns the reason that decides how long to wait for what failed: a refused login before all
// others, and none that is final or paced where another is.
func dominantReason(first outputs.Reason, why []fate) outputs.Reason {
	dominant := first
	for i := range why {
		r := why[i].reason
		weak := dominant.Final() || dominant == outputs.ReasonPaced || dominant == ""
		if r != outputs.ReasonPaced && (r == outputs.ReasonAuth || weak) {
			dominant = r
		}
	}
	return dominant
}

// deadReason returns why ev is not sent again after f, the fails-th failure in a row, or "".
func deadReason(f *outputs.Failure, ev *event.Event, fails int, set *outputs.RetryConfig, now time.Time) string {
	switch {
	case f.Reason.Final():
		return string(f.Reason)
	case f.Reason == outputs.ReasonPaced:
		// It was not tried.
		return ""
	case !f.Untried && f.Reason != outputs.ReasonTarget && set.MaxAttempts > 0 && fails >= set.MaxAttempts:
		return ReasonMaxAttempts
	case set.MaxAge > 0 && now.Sub(ev.Chunk.Received) >= set.MaxAge:
		return ReasonMaxAge
	}
	return ""
}
