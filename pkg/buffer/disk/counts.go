package disk

import (
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// counts sums up chunks. Bytes are those on disk.
type counts struct {
	chunks, events, bytes int64
}

func (t *counts) add(events, size uint32) {
	t.chunks++
	t.events += int64(events)
	t.bytes += int64(size)
}

func (t *counts) sub(events, size uint32) {
	t.chunks--
	t.events -= int64(events)
	t.bytes -= int64(size)
}

func (t *counts) plus(o counts) {
	t.chunks, t.events, t.bytes = t.chunks+o.chunks, t.events+o.events, t.bytes+o.bytes
}

func (t *counts) minus(o counts) {
	t.chunks, t.events, t.bytes = t.chunks-o.chunks, t.events-o.events, t.bytes-o.bytes
}

func (t counts) count() buffer.Count {
	return buffer.Count{Chunks: t.chunks, Events: t.events, Bytes: t.bytes}
}

// statistics is what the queue counts since its start; guarded by Queue.mu, but for latency.
type statistics struct {
	commits, batches uint64
	latency          metric.Histogram
	setAside         int
	lostEvents       int64
	duplicates       map[string]buffer.Duplicates
}
