package disk

import (
	"strconv"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// BenchmarkRetry puts 10,000 letters back into the queue.
func BenchmarkRetry(b *testing.B) {
	const letters = 10_000
	s := mustOpen(b, testConfig(b.TempDir()), buffer.Options{})
	all := make([]deadletter.Letter, letters)
	for i := range all {
		key := event.PartKeyOfChunk("c", "t", strconv.Itoa(i)) // an event is a letter once
		ev := event.Event{Chunk: &event.Chunk{Parts: []event.Part{{Key: key, Events: 1}}}}
		all[i] = letter1(byte(i % 100))
		all[i].EventID = string(ev.AppendID(nil))
	}
	for b.Loop() {
		b.StopTimer()
		bury(b, s, all...)
		b.StartTimer()
		if r, err := buffer.Requeue(b.Context(), s, s.dead, deadletter.Filter{}, home, nothing); err != nil ||
			r.Letters != letters {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(letters*b.N)/b.Elapsed().Seconds(), "letters/s")
}
