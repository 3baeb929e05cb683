package sender

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// rate returns n per second.
func (r Result) rate(n uint64) float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(n) / r.Elapsed.Seconds()
}

// done returns how many events are safe at the server, as far as this run can know.
func (r Result) done() uint64 { return r.Events - r.Unacked }

// WriteText writes r for people.
func (r Result) WriteText(w io.Writer) error {
	acked := "no acks asked for"
	if r.Acks {
		acked = fmt.Sprintf("%d acknowledged", r.Acked)
	}
	text := fmt.Sprintf("events       %d sent, %s\n", r.Sent, acked)
	text += fmt.Sprintf("rate         %.0f events/s, %.1f MB/s, over %v\n", r.rate(r.done()), r.rate(r.Bytes)/1e6,
		r.Elapsed.Round(time.Millisecond))
	text += fmt.Sprintf("chunks       %d, %d sent again\n", r.Chunks, r.Resent)
	if r.Acked > 0 { // else there is nothing to tell
		text += fmt.Sprintf("ack latency  p50 %v, p90 %v, p99 %v, max %v\n", short(r.P50), short(r.P90), short(r.P99),
			short(r.Max))
	}
	_, err := io.WriteString(w, text)
	return err
}

// short drops the digits of d that mean nothing.
func short(d time.Duration) time.Duration {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond)
	case d < time.Second:
		return d.Round(10 * time.Microsecond)
	default:
		return d.Round(time.Millisecond)
	}
}

// MarshalJSON writes r for programs, with seconds, bytes and milliseconds as units.
func (r Result) MarshalJSON() ([]byte, error) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return json.Marshal(struct {
		Events    uint64             `json:"events"`
		Sent      uint64             `json:"sent"`
		Acked     uint64             `json:"acked"`
		Unacked   uint64             `json:"unacked"`
		Chunks    uint64             `json:"chunks"`
		Resent    uint64             `json:"chunks_resent"`
		Bytes     uint64             `json:"bytes"`
		Seconds   float64            `json:"seconds"`
		EventRate float64            `json:"events_per_second"`
		ByteRate  float64            `json:"bytes_per_second"`
		Latency   map[string]float64 `json:"ack_latency_ms"`
	}{
		r.Events, r.Sent, r.Acked, r.Unacked, r.Chunks, r.Resent, r.Bytes, r.Elapsed.Seconds(), r.rate(r.done()),
		r.rate(r.Bytes),
		map[string]float64{"p50": ms(r.P50), "p90": ms(r.P90), "p99": ms(r.P99), "max": ms(r.Max)},
	})
}
