package buffer

import (
	"testing"
)

// BenchmarkRetry puts 10,000 letters back into the queue.
func BenchmarkRetry(b *testing.B) {
	const letters = 10_000
	s := mustOpen(b, testConfig(b.TempDir()), Options{})
	all := make([]Letter, letters)
	for i := range all {
		all[i] = letter1(byte(i % 100))
	}
	for b.Loop() {
		b.StopTimer()
		bury(b, s, all...)
		b.StartTimer()
		if r, err := s.Retry(b.Context(), Filter{}, home, nothing); err != nil || r.Letters != letters {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(letters*b.N)/b.Elapsed().Seconds(), "letters/s")
}
