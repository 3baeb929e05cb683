package disk

import (
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Hold implements Source.
func (src *source) Hold(cluster string) {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	l := src.partitions[cluster]
	if l == nil || l.held {
		return
	}
	l.held = true
	src.ring.Remove(&l.turn)
}

// Release implements Source.
func (src *source) Release(cluster string) {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	if l := src.partitions[cluster]; l != nil && l.held {
		l.held = false
		l.list()
	}
}

// Shed implements Source.
func (src *source) Shed(c *event.Chunk) {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	l := src.partitions[c.Cluster]
	if l == nil {
		return
	}
	if o := l.inFlight[c.Seq]; o != nil && &o.chunk == c {
		src.s.memory.Entries.Put(o.memory)
		o.memory, c.Entries = nil, nil
	}
}
