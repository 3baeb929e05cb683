package cluster

import "time"

// burst is what may come at once after a pause, as the time that the rate takes for it.
const burst = 250 * time.Millisecond

// bucket is a token bucket that may be overdrawn: bytes are charged when they are here, and who overdraws it waits. That
// keeps the mean exact whatever the sizes are. The zero value is full.
type bucket struct {
	paid time.Time // when what was charged so far will have come at the rate
	rate int64     // of the last charge: debts at another one are forgotten, so that a mistaken limit can be mended
}

// take charges bytes at now and returns how long to wait until they are paid for; rate is in bytes a second, 0 for none.
func (b *bucket) take(now time.Time, bytes, rate int64) time.Duration {
	if rate != b.rate {
		*b = bucket{rate: rate}
	}
	if rate <= 0 {
		return 0
	}
	if earliest := now.Add(-burst); b.paid.Before(earliest) {
		b.paid = earliest
	}
	b.paid = b.paid.Add(time.Duration(float64(bytes) / float64(rate) * float64(time.Second)))
	return max(0, b.paid.Sub(now))
}
