package metric

import (
	"math"
	"sync"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	h.Observe(100*time.Microsecond, 1) // a bound belongs to its bucket
	h.Observe(101*time.Microsecond, 2)
	h.Observe(3*time.Second, 3)
	h.Observe(time.Hour, 4)
	h.Observe(-time.Second, 1)
	s := h.Snapshot()
	if want := 11.0; float64(s.Count) != want {
		t.Errorf("count %d, want %v", s.Count, want)
	}
	if want := 0.0001 + 2*0.000101 + 3*3 + 4*3600; math.Abs(s.Sum-want) > 1e-9 {
		t.Errorf("sum %v, want %v", s.Sum, want)
	}
	for bound, want := range map[float64]uint64{0.0001: 2, 0.00025: 4, 2.5: 4, 5: 7, 60: 7} {
		if s.Buckets[bound] != want {
			t.Errorf("bucket %v: %d, want %d", bound, s.Buckets[bound], want)
		}
	}
	if len(s.Buckets) != buckets {
		t.Errorf("%d buckets, want %d", len(s.Buckets), buckets)
	}
}

func TestQuantile(t *testing.T) {
	observe := func(pairs ...float64) Snapshot { // seconds, count
		var h Histogram
		for i := 0; i < len(pairs); i += 2 {
			h.Observe(time.Duration(pairs[i]*float64(time.Second)), int(pairs[i+1]))
		}
		return h.Snapshot()
	}
	for _, tc := range []struct {
		name    string
		s       Snapshot
		q, want float64
	}{
		{"zero value", Snapshot{}, 0.5, 0},
		{"none", observe(), 0.5, 0},
		{"half of one bucket", observe(0.8, 10), 0.5, 0.75},
		{"first bucket", observe(0.00005, 10), 0.5, 0.00005},
		{"second of two", observe(0.002, 50, 0.04, 50), 0.99, 0.0495},
		{"border of two", observe(0.002, 50, 0.04, 50), 0.5, 0.0025},
		{"lowest", observe(0.002, 50), 0, 0.001},
		{"highest", observe(0.002, 50, 0.04, 50), 1, 0.05},
		{"over the bounds", observe(100, 1), 0.5, 60},
		{"q below 0", observe(0.002, 50), -1, 0.001},
		{"q above 1", observe(0.002, 50), 2, 0.0025},
	} {
		if got := tc.s.Quantile(tc.q); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestHistogramConcurrently(t *testing.T) {
	var h Histogram
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				h.Observe(time.Duration(i)*time.Millisecond, 1)
				if i%100 == 0 {
					h.Snapshot()
				}
			}
		})
	}
	wg.Wait()
	if s := h.Snapshot(); s.Count != 4000 || s.Buckets[60] != 4000 {
		t.Errorf("%d observations, %d below 60 s, want 4000", s.Count, s.Buckets[60])
	}
}

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	b.ReportAllocs()
	for b.Loop() {
		h.Observe(3*time.Millisecond, 500)
	}
}
