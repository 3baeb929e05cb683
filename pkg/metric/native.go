package metric

import "math"

// The native buckets grow by a factor of 2^(1/8), from ZeroThreshold to 2^22 s, 48 days. What is longer is in the last.
const (
	Schema = 3
	// ZeroThreshold is in seconds; what is not above it is zero.
	ZeroThreshold = 1.0 / (1 << 20)

	perOctave     = 1 << Schema
	firstKey      = -20*perOctave + 1
	lastKey       = 22 * perOctave
	nativeBuckets = lastKey - firstKey + 1
)

// Native is a histogram's state as Prometheus' native histograms have it. Its Count is that of its buckets, and may
// differ from Snapshot's by what was observed meanwhile.
type Native struct {
	Count uint64
	// Zero is how many of Count are not above ZeroThreshold.
	Zero uint64
	// Keys are the others, by bucket; a bucket without any is not in it.
	Keys map[int]int64
}

// fractions returns the bounds of the buckets within [0.5, 1): 2^(i/8-1).
func fractions() [perOctave]float64 {
	return [perOctave]float64{
		0.5, 0.5452538663326288, 0.5946035575013605, 0.6484197773255048,
		0.7071067811865475, 0.7711054127039704, 0.8408964152537144, 0.9170040432046711,
	}
}

// nativeIndex returns where the native bucket of so many seconds is, 0 for the zero bucket. Bucket k has what is above
// 2^((k-1)/8) and at most 2^(k/8).
func nativeIndex(seconds float64) int {
	if seconds <= ZeroThreshold {
		return 0
	}
	fraction, exponent := math.Frexp(seconds)
	key, all := (exponent-1)*perOctave, fractions()
	for _, bound := range all {
		if fraction <= bound {
			break
		}
		key++
	}
	return min(key, lastKey) - firstKey + 1
}

// nativeSnapshot returns the state of the native buckets.
func (h *Histogram) nativeSnapshot() Native {
	n := Native{Zero: h.native[0].Load(), Keys: map[int]int64{}}
	n.Count = n.Zero
	for i := 1; i < len(h.native); i++ {
		if c := h.native[i].Load(); c > 0 {
			n.Keys[i-1+firstKey] = int64(c)
			n.Count += c
		}
	}
	return n
}
