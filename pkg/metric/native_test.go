package metric

import (
	"math"
	"testing"
	"time"
)

// TestNativeIndex holds that each value is in the bucket whose bounds are around it.
func TestNativeIndex(t *testing.T) {
	for _, seconds := range []float64{
		0, 1e-9, ZeroThreshold, math.Nextafter(ZeroThreshold, 1), 1e-6, 0.0001, 0.001, 0.01, 0.5, 0.51, 0.75, 1,
		math.Nextafter(1, 2), 1.0905, 1.0906, 2, 3, 60, 3600, 86400, 1 << 22, 1 << 25, 1e300,
	} {
		i := nativeIndex(seconds)
		key := i - 1 + firstKey
		above, upTo := math.Exp2(float64(key-1)/perOctave), math.Exp2(float64(key)/perOctave)
		switch {
		case seconds <= ZeroThreshold:
			if i != 0 {
				t.Errorf("%g s is in bucket %d, not the zero one", seconds, key)
			}
		case seconds > 1<<22:
			if key != lastKey {
				t.Errorf("%g s is in bucket %d, not the last one", seconds, key)
			}
		case seconds <= above*(1-1e-12) || seconds > upTo*(1+1e-12):
			t.Errorf("%g s is in bucket %d, which is above %g up to %g", seconds, key, above, upTo)
		}
	}
}

func TestNative(t *testing.T) {
	var h Histogram
	h.Observe(0, 2)
	h.Observe(time.Second, 3)
	h.Observe(48*time.Hour, 1)
	n := h.Snapshot().Native
	if n.Count != 6 || n.Zero != 2 || len(n.Keys) != 2 || n.Keys[0] != 3 {
		t.Errorf("%+v", n)
	}
	sum := n.Zero
	for _, c := range n.Keys {
		sum += uint64(c)
	}
	if sum != n.Count {
		t.Errorf("the buckets have %d, the histogram %d", sum, n.Count)
	}
}
