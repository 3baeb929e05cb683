// Package metric holds the one instrument that parts keep besides plain counters: a histogram with
// fixed buckets that costs a few atomic adds.
package metric

import (
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// buckets is how many bounds there are.
const buckets = 18

// bounds returns the buckets' upper bounds in seconds: 100 µs to 60 s.
func bounds() [buckets]float64 {
	return [buckets]float64{
		0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
	}
}

// Histogram counts durations in fixed buckets, and in the finer ones of Prometheus' native histograms. The zero value
// is ready; safe for concurrent use.
type Histogram struct {
	buckets [buckets + 1]atomic.Uint64
	// native has what is zero first.
	native [nativeBuckets + 1]atomic.Uint64
	nanos  atomic.Int64
}

// Observe adds n observations of d. It must not be called with a negative n; a negative d (a clock
// that was set back) counts as none.
func (h *Histogram) Observe(d time.Duration, n int) {
	d = max(d, 0)
	s, i, bounds := d.Seconds(), 0, bounds()
	for i < len(bounds) && s > bounds[i] {
		i++
	}
	h.buckets[i].Add(uint64(n))
	h.native[nativeIndex(s)].Add(uint64(n))
	h.nanos.Add(int64(d) * int64(n))
}

// Snapshot is a histogram's state: cumulative counts by upper bound in seconds, as Prometheus has it.
type Snapshot struct {
	Count uint64
	// Sum is in seconds.
	Sum     float64
	Buckets map[float64]uint64
	Native  Native
}

// Snapshot returns the state of h; observations made meanwhile may be in part of it.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Buckets: make(map[float64]uint64, buckets), Sum: time.Duration(h.nanos.Load()).Seconds()}
	for i, bound := range bounds() {
		s.Count += h.buckets[i].Load()
		s.Buckets[bound] = s.Count
	}
	s.Count += h.buckets[buckets].Load()
	s.Native = h.nativeSnapshot()
	return s
}

// Quantile estimates the duration in seconds that the share q (0 to 1) of the observations does not
// exceed, as if they were spread evenly within their bucket. It is 0 where there are none, and the
// highest bound where the answer lies above it.
func (s Snapshot) Quantile(q float64) float64 {
	if s.Count == 0 {
		return 0
	}
	rank := min(max(q, 0), 1) * float64(s.Count)
	lower, below := 0.0, uint64(0)
	for _, upper := range slices.Sorted(maps.Keys(s.Buckets)) {
		n := s.Buckets[upper]
		if inside := n - below; inside > 0 && float64(n) >= rank {
			return lower + (upper-lower)*math.Max(rank-float64(below), 0)/float64(inside)
		}
		lower, below = upper, n
	}
	return lower
}
