package forward

import (
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

// What only a change of configuration ends is logged once an hour, everything else twice a minute, for each host.
func TestLogLimits(t *testing.T) {
	l := newLogLimits()
	start := time.Unix(1_700_000_000, 0)
	for _, tc := range []struct {
		reason, host string
		after        time.Duration
		ok           bool
		leftOut      uint64
	}{
		{refusal.Lost, "h", 0, true, 0},
		{refusal.Lost, "h", time.Second, false, 0},
		{refusal.Lost, "h2", time.Second, true, 0},
		{refusal.Login, "h", time.Second, true, 0},
		{refusal.Lost, "h", logEvery, true, 1},
		{refusal.TLS, "h", 0, true, 0},
		{refusal.TLS, "h", logEvery, false, 0},
		{refusal.TLS, "h", logMistakeEvery, true, 1},
	} {
		if ok, leftOut := l.allow(tc.reason, tc.host, start.Add(tc.after)); ok != tc.ok || leftOut != tc.leftOut {
			t.Errorf("%s of %s after %v: %v, %d left out; want %v, %d", tc.reason, tc.host, tc.after, ok, leftOut,
				tc.ok, tc.leftOut)
		}
	}
}
