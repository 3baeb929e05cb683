package disk

import (
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// tally sums up chunks. Bytes are those on disk.
type tally struct {
	chunks, events, bytes int64
}

func (t *tally) add(events, size uint32) {
	t.chunks++
	t.events += int64(events)
	t.bytes += int64(size)
}

func (t *tally) sub(events, size uint32) {
	t.chunks--
	t.events -= int64(events)
	t.bytes -= int64(size)
}

func (t *tally) plus(o tally) {
	t.chunks, t.events, t.bytes = t.chunks+o.chunks, t.events+o.events, t.bytes+o.bytes
}

func (t *tally) minus(o tally) {
	t.chunks, t.events, t.bytes = t.chunks-o.chunks, t.events-o.events, t.bytes-o.bytes
}

func (t tally) count() buffer.Count {
	return buffer.Count{Chunks: t.chunks, Events: t.events, Bytes: t.bytes}
}

// counts is what the queue counts since its start; guarded by Queue.mu, but for latency.
type counts struct {
	commits, batches uint64
	latency          metric.Histogram
	setAside         int
	lostEvents       int64
	duplicates       map[string]buffer.Duplicates
}
