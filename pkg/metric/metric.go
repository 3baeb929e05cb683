// Package metric holds the one instrument that parts keep besides plain counters: a histogram with
// fixed buckets that costs an atomic add.
package metric

import (
	"sync/atomic"
	"time"
)

// bounds are the buckets' upper bounds in seconds: 100 µs to 60 s.
var bounds = [...]float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

// Histogram counts durations in fixed buckets. The zero value is ready; safe for concurrent use.
type Histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	nanos   atomic.Int64
}

// Observe adds n observations of d.
func (h *Histogram) Observe(d time.Duration, n int) {
	s, i := d.Seconds(), 0
	for i < len(bounds) && s > bounds[i] {
		i++
	}
	h.buckets[i].Add(uint64(n))
	h.nanos.Add(int64(d) * int64(n))
}

// Snapshot is a histogram's state: cumulative counts by upper bound in seconds, as Prometheus has it.
type Snapshot struct {
	Count   uint64
	Sum     float64 // seconds
	Buckets map[float64]uint64
}

// Snapshot returns the state of h; observations made meanwhile may be in part of it.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Buckets: make(map[float64]uint64, len(bounds)), Sum: time.Duration(h.nanos.Load()).Seconds()}
	for i := range h.buckets {
		s.Count += h.buckets[i].Load()
		if i < len(bounds) {
			s.Buckets[bounds[i]] = s.Count
		}
	}
	return s
}
