package sender

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestLatencies(t *testing.T) {
	var a, b latencies
	for i := range 1000 {
		to := &a
		if i%2 == 0 {
			to = &b
		}
		to.add(time.Duration(i+1) * time.Millisecond)
	}
	a.merge(&b)
	for q, ms := range map[float64]int64{0: 1, 0.5: 500, 0.9: 900, 0.99: 990, 1: 1000} {
		got, want := a.quantile(q), time.Duration(ms*1e6)
		if got < want || got > want+want/16+time.Millisecond {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if a.count != 1000 || a.max != time.Second || new(latencies).quantile(0.5) != 0 {
		t.Errorf("count %d, max %v", a.count, a.max)
	}
	for _, d := range []time.Duration{0, 1, 31, 32, 33, 63, 64, 1 << 20, 1<<63 - 1, -5} {
		var l latencies
		l.add(d)
		if got := l.quantile(0.5); got != max(d, 0) {
			t.Errorf("%d: quantile %d", d, got)
		}
	}
}

func TestResultForms(t *testing.T) {
	r := Result{
		Events: 1000, Sent: 1000, Acks: true, Acked: 900, Unacked: 100, Chunks: 10, Resent: 1, Bytes: 2e6,
		Elapsed: 2 * time.Second,
		P50:     1234567, P90: 2 * time.Millisecond, P99: 3500 * time.Millisecond, Max: 4 * time.Second,
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	want := `events       1000 sent, 900 acknowledged
rate         450 events/s, 1.0 MB/s, over 2s
chunks       10, 1 sent again
ack latency  p50 1.23ms, p90 2ms, p99 3.5s, max 4s
`
	if text.String() != want {
		t.Errorf("text\n%swant\n%s", &text, want)
	}
	data, err := json.Marshal(r)
	want = `{"events":1000,"sent":1000,"acked":900,"unacked":100,"chunks":10,"chunks_resent":1,"bytes":2000000,` +
		`"seconds":2,` +
		`"events_per_second":450,"bytes_per_second":1000000,"ack_latency_ms":{"max":4000,"p50":1.234567,"p90":2,` +
		`"p99":3500}}`
	if err != nil || string(data) != want {
		t.Errorf("error %v, JSON\n%s want\n%s", err, data, want)
	}
	text.Reset()
	if err := (Result{Events: 5, Sent: 5}).WriteText(&text); err != nil || !strings.HasPrefix(
		text.String(), "events       5 sent, no acks asked for\nrate         0 ",
	) || strings.Contains(text.String(), "latency") {
		t.Errorf("error %v, text\n%s", err, &text)
	}
}
