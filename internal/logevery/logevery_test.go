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
		kind, of string
		n        uint64
		after    time.Duration
		ok       bool
		leftOut  uint64
	}{
		{"a", "", 1, 0, true, 0},
		{"a", "", 5, time.Minute, false, 0},
		{"a", "x", 1, time.Minute, true, 0},
		{"b", "", 1, time.Minute, true, 0},
		{"a", "", 2, 59 * time.Minute, false, 0},
		{"a", "", 1, time.Hour, true, 7},
		{"a", "x", 1, time.Hour, false, 0},
		{"a", "", 1, 2 * time.Hour, true, 0},
		{"a", "", 3, 2*time.Hour + 1, false, 0},
		{"a", "", 1, -time.Hour, true, 3}, // the clock was set back
		{"a", "", 1, -time.Hour, false, 0},
	} {
		ok, leftOut := l.Allow(tc.kind, tc.of, tc.n, start.Add(tc.after))
		if ok != tc.ok || leftOut != tc.leftOut {
			t.Errorf("%s of %q after %v: %v, %d left out; want %v, %d", tc.kind, tc.of, tc.after, ok, leftOut, tc.ok,
				tc.leftOut)
		}
	}
}

// Lines beyond the bound share one for each kind, and then one for all, until those before are old.
func TestLinesAreBounded(t *testing.T) {
	l := Limit{Every: time.Hour}
	now := time.Unix(1_700_000_000, 0)
	for i := range 3 * maxLines {
		l.Allow("kind", strconv.Itoa(i), 1, now)
	}
	if n := len(l.seen); n > maxLines+1 {
		t.Errorf("%d lines of one kind are remembered", n)
	}
	if ok, _ := l.Allow("kind", "another", 1, now); ok {
		t.Error("a line beyond the bound is not shared with its kind")
	}
	if ok, _ := l.Allow("another kind", "another", 1, now); !ok {
		t.Error("another kind is kept silent by the lines of this one")
	}
	for i := range 10 * maxLines {
		l.Allow(strconv.Itoa(i), "", 1, now)
	}
	if n := len(l.seen); n > 2*maxLines+1 {
		t.Errorf("%d lines are remembered", n)
	}
	if ok, _ := l.Allow("one more", "", 1, now); ok {
		t.Error("a kind beyond the bound has a line of its own")
	}
	if ok, _ := l.Allow("one more", "", 1, now.Add(time.Hour)); !ok {
		t.Error("a kind has no line although all others are old")
	}
}
