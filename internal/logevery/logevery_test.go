package logevery

import (
	"strconv"
	"testing"
	"time"
)

func TestAllow(t *testing.T) {
	l := Limit{Every: time.Hour}
	start := time.Unix(1_700_000_000, 0)
	for _, tc := range []struct {
		kind    string
		n       uint64
		after   time.Duration
		ok      bool
		leftOut uint64
	}{
		{"a", 1, 0, true, 0},
		{"a", 5, time.Minute, false, 0},
		{"b", 1, time.Minute, true, 0},
		{"a", 2, 59 * time.Minute, false, 0},
		{"a", 1, time.Hour, true, 7},
		{"a", 1, 2 * time.Hour, true, 0},
	} {
		if ok, leftOut := l.Allow(tc.kind, tc.n, start.Add(tc.after)); ok != tc.ok || leftOut != tc.leftOut {
			t.Errorf("%s after %v: %v, %d left out; want %v, %d", tc.kind, tc.after, ok, leftOut, tc.ok, tc.leftOut)
		}
	}
}

// Kinds beyond the bound share a line, until those before are old.
func TestKindsAreBounded(t *testing.T) {
	l := Limit{Every: time.Hour}
	now := time.Unix(1_700_000_000, 0)
	for i := range 10 * maxKinds {
		l.Allow(strconv.Itoa(i), 1, now)
	}
	if n := len(l.seen); n > maxKinds+1 {
		t.Errorf("%d kinds are remembered", n)
	}
	if ok, _ := l.Allow("another", 1, now); ok {
		t.Error("a kind beyond the bound has a line of its own")
	}
	if ok, _ := l.Allow("another", 1, now.Add(time.Hour)); !ok {
		t.Error("a kind has no line although all others are old")
	}
}
