package delivery

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// What a send says of the destination as a whole.
func TestSendResultOf(t *testing.T) {
	failed := func(n int, r outputs.Reason) (all []outputs.Failure) {
		for i := range n {
			all = append(all, outputs.Failure{Index: i, Reason: r})
		}
		return all
	}
	for _, tc := range []struct {
		name string
		se   outputs.SendError
		want pacing.SendResult
	}{
		{"the request was throttled", outputs.SendError{Reason: outputs.ReasonThrottled}, pacing.Throttled},
		{"the request failed", outputs.SendError{Reason: outputs.ReasonServer}, pacing.Unknown},
		{
			"all events were throttled",
			outputs.SendError{Failed: failed(100, outputs.ReasonThrottled)},
			pacing.Throttled,
		},
		{"a tenth was", outputs.SendError{Failed: failed(10, outputs.ReasonThrottled)}, pacing.Throttled},
		{"a few were", outputs.SendError{Failed: failed(9, outputs.ReasonThrottled)}, pacing.Unknown},
		{"a few were refused", outputs.SendError{Failed: failed(9, outputs.ReasonRejected)}, pacing.Taken},
		{"all were refused", outputs.SendError{Failed: failed(100, outputs.ReasonRejected)}, pacing.Unknown},
	} {
		if got := sendResultOf(&tc.se, 100); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// An output that breaks the contract loses nothing.
func TestCheckFailures(t *testing.T) {
	failed := func(indices ...int) *outputs.SendError {
		se := &outputs.SendError{Reason: outputs.ReasonServer}
		for _, i := range indices {
			se.Failed = append(se.Failed, outputs.Failure{Index: i})
		}
		return se
	}
	held := []outputs.Failure{{Index: 1, Reason: outputs.ReasonPaced}}
	for _, tc := range []struct {
		name string
		se   *outputs.SendError
		want int // named events
		err  error
	}{
		{"in order", failed(0, 2), 2, nil},
		{"not in order", failed(2, 0), 0, errBadFailures},
		{"twice the same", failed(1, 1), 0, errBadFailures},
		{"one that is not there", failed(3), 0, errBadFailures},
		{"paced without a wait", &outputs.SendError{Failed: slices.Clone(held)}, 1, errPacedNoWait},
		{"paced", &outputs.SendError{RetryAfter: 1, Failed: held}, 1, nil},
	} {
		got := checkFailures(tc.se, 3)
		if len(got.Failed) != tc.want || tc.err != nil && !errors.Is(got, tc.err) || tc.err == nil && got.Err != nil {
			t.Errorf("%s: %v", tc.name, got)
		}
		for _, f := range got.Failed {
			if tc.err != nil && f.Reason != outputs.ReasonServer {
				t.Errorf("%s: an event failed for %s", tc.name, f.Reason)
			}
		}
	}
}

func TestDominantReason(t *testing.T) {
	for _, tc := range []struct {
		first outputs.Reason
		why   []outputs.Reason
		want  outputs.Reason
	}{
		{outputs.ReasonServer, []outputs.Reason{outputs.ReasonThrottled}, outputs.ReasonServer},
		{outputs.ReasonServer, []outputs.Reason{outputs.ReasonThrottled, outputs.ReasonAuth}, outputs.ReasonAuth},
		{outputs.ReasonRejected, []outputs.Reason{"paced", "throttled"}, outputs.ReasonThrottled},
		{"", []outputs.Reason{outputs.ReasonNetwork}, outputs.ReasonNetwork},
		{outputs.ReasonPaced, []outputs.Reason{outputs.ReasonPaced}, outputs.ReasonPaced},
	} {
		var why []fate
		for _, r := range tc.why {
			why = append(why, fate{reason: r})
		}
		if got := dominantReason(tc.first, why); got != tc.want {
			t.Errorf("%s and %v: %s, want %s", tc.first, tc.why, got, tc.want)
		}
	}
}

func TestDeadReason(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	ev := &event.Event{Chunk: &event.Chunk{Received: now.Add(-time.Hour)}}
	set := func(attempts int, age time.Duration) *outputs.RetryConfig {
		return &outputs.RetryConfig{MaxAttempts: attempts, MaxAge: age}
	}
	for _, tc := range []struct {
		name  string
		f     outputs.Failure
		fails int
		set   *outputs.RetryConfig
		want  string
	}{
		{"final", outputs.Failure{Reason: outputs.ReasonRejected}, 1, set(0, 0), "rejected"},
		{"for ever", outputs.Failure{Reason: outputs.ReasonServer}, 1000, set(0, 0), ""},
		{"attempts", outputs.Failure{Reason: outputs.ReasonServer}, 3, set(3, 0), ReasonMaxAttempts},
		{"fewer attempts", outputs.Failure{Reason: outputs.ReasonServer}, 2, set(3, 0), ""},
		{"untried", outputs.Failure{Reason: outputs.ReasonServer, Untried: true}, 3, set(3, 0), ""},
		{"age", outputs.Failure{Reason: outputs.ReasonServer}, 1, set(0, time.Hour), ReasonMaxAge},
		{"younger", outputs.Failure{Reason: outputs.ReasonServer}, 1, set(0, time.Hour+1), ""},
		{"paced is not tried", outputs.Failure{Reason: outputs.ReasonPaced}, 9, set(1, 1), ""},
	} {
		if got := deadReason(&tc.f, ev, tc.fails, tc.set, now); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
