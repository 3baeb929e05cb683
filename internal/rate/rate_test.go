package rate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiter(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	type charge struct {
		at            time.Duration
		amount, rate  int64
		burst         time.Duration
		before, after time.Duration
	}
	const ms = time.Millisecond
	for name, charges := range map[string][]charge{
		"no limit": {{0, 1 << 40, 0, 0, 0, 0}, {0, 1 << 40, -1, 0, 0, 0}},
		"one after another": {
			{0, 100, 100, 0, 0, time.Second},
			{0, 50, 100, 0, time.Second, 1500 * ms},
			{1400 * ms, 10, 100, 0, 100 * ms, 200 * ms},
			{5 * time.Second, 10, 100, 0, 0, 100 * ms},
		},
		"a pause is worth a burst": {
			{0, 100, 100, 250 * ms, 0, 750 * ms},
			{750 * ms, 1, 100, 250 * ms, 0, 10 * ms},
			{time.Hour, 25, 100, 250 * ms, 0, 0},
			{time.Hour, 25, 100, 250 * ms, 0, 250 * ms},
		},
		"given back": {
			{0, 100, 100, 0, 0, time.Second}, {0, -100, 100, 0, time.Second, 0}, {0, 100, 100, 0, 0, time.Second},
		},
		"another rate": {{0, 1000, 1, 0, 0, 1000 * time.Second}, {0, 1000, 1000, 0, 0, time.Second}},
	} {
		var l Limiter
		for i, c := range charges {
			before, after := l.Charge(start.Add(c.at), c.amount, c.rate, c.burst)
			if before != c.before || after != c.after {
				t.Errorf("%s, charge %d: %v, %v; want %v, %v", name, i, before, after, c.before, c.after)
			}
		}
	}
}

// The mean is exact, whatever the sizes are, for who waits as told.
func TestMean(t *testing.T) {
	var l Limiter
	now := time.Unix(1_700_000_000, 0)
	start, total := now, int64(0)
	for i := range int64(1000) {
		size := i * 7919 % 100_000
		_, wait := l.Charge(now, size, 1<<20, 0)
		now, total = now.Add(wait), total+size
	}
	want := time.Duration(float64(total) / (1 << 20) * float64(time.Second))
	if took := now.Sub(start); (took - want).Abs() > time.Millisecond {
		t.Errorf("%d bytes took %v, want %v", total, took, want)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := Wait(t.Context(), time.Hour); err != nil || time.Since(start) != time.Hour {
			t.Errorf("it took %v: %v", time.Since(start), err)
		}
		if err := Wait(t.Context(), -1); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		if err := Wait(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("it ended after %v: %v", time.Since(start), err)
		}
		if err := Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("of an ended context: %v", err)
		}
	})
}
