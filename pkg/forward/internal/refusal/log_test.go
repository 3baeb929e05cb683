package refusal

import (
	"testing"
	"time"
)

// What only a change of configuration ends is logged once an hour, everything else twice a minute, for each host.
func TestLog(t *testing.T) {
	l := NewLog()
	start := time.Unix(1_700_000_000, 0)
	for _, tc := range []struct {
		reason, host string
		after        time.Duration
		ok           bool
		leftOut      uint64
	}{
		{Lost, "h", 0, true, 0},
		{Lost, "h", time.Second, false, 0},
		{Lost, "h2", time.Second, true, 0},
		{Login, "h", time.Second, true, 0},
		{Lost, "h", logEvery, true, 1},
		{TLS, "h", 0, true, 0},
		{TLS, "h", logEvery, false, 0},
		{TLS, "h", logMistakeEvery, true, 1},
	} {
		if ok, leftOut := l.Allow(tc.reason, tc.host, start.Add(tc.after)); ok != tc.ok || leftOut != tc.leftOut {
			t.Errorf("%s of %s after %v: %v, %d left out; want %v, %d", tc.reason, tc.host, tc.after, ok, leftOut,
				tc.ok, tc.leftOut)
		}
	}
}
