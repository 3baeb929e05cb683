package sender

import (
	"math/bits"
	"time"
)

// latencies counts durations in buckets of at most 1/16 of their value, for percentiles.
type latencies struct {
	buckets [64 * 16]uint64
	count   uint64
	max     time.Duration
}

func (l *latencies) add(d time.Duration) {
	v := uint64(max(d, 0))
	i := v
	if e := bits.Len64(v); e > 5 {
		i = uint64(e-4)<<4 | v>>(e-5)&15
	}
	l.buckets[i]++
	l.count++
	l.max = max(l.max, d)
}

func (l *latencies) merge(o *latencies) {
	for i, n := range o.buckets {
		l.buckets[i] += n
	}
	l.count += o.count
	l.max = max(l.max, o.max)
}

// quantile returns the upper bound of the bucket in which the q-th part of all durations ends.
func (l *latencies) quantile(q float64) time.Duration {
	if l.count == 0 {
		return 0
	}
	left := uint64(q * float64(l.count))
	for i, n := range l.buckets {
		if n <= left {
			left -= n
			continue
		}
		bound := uint64(i)
		if i >= 32 {
			bound = (uint64(i)&15|16+1)<<(i>>4-1) - 1
		}
		return min(time.Duration(bound), l.max)
	}
	return l.max
}
