// Package tap shows to live views what comes in, and what outputs are sent.
package tap

import (
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

// Sink returns s, with what arrives shown to the views of arrivals.
func Sink(h *tail.Hub, s ingest.Sink) ingest.Sink { return &sink{s, h} }

type sink struct {
	ingest.Sink
	hub *tail.Hub
}

func (s *sink) NewBatch(conn uint64) ingest.Batch {
	return &batch{Batch: s.Sink.NewBatch(conn), hub: s.hub}
}

// batch is one whose entries are looked at as they are added.
type batch struct {
	ingest.Batch
	hub *tail.Hub
	// cluster and tag are those of the message begun last, while somebody looks.
	cluster, tag string
}

func (b *batch) Begin(cluster, tag, chunk string) {
	if b.cluster, b.tag = "", ""; b.hub.Watching() {
		b.cluster, b.tag = strings.Clone(cluster), strings.Clone(tag)
	}
	b.Batch.Begin(cluster, tag, chunk)
}

func (b *batch) Add(entries []byte, events int, nanos bool) {
	if b.hub.Watching() && b.cluster != "" {
		arrived(b.hub, b.cluster, b.tag, entries, events)
	}
	b.Batch.Add(entries, events, nanos)
}

// arrived shows entries of a message.
func arrived(h *tail.Hub, cluster, tag string, entries []byte, events int) {
	chunk := &event.Chunk{Cluster: cluster, Tag: tag, Entries: entries, Events: events}
	now := time.Now()
	for _, v := range h.At(client.TailArrival) {
		if !v.Wants(cluster, tag) {
			continue
		}
		seen, more := 0, true
		it := chunk.Iterator()
		for ev := new(event.Event); more && it.Next(ev); {
			seen++
			// Which id it has follows from where it is stored.
			more = v.Offer(ev, now, func(t *client.TailEvent) { t.ID = "" })
		}
		v.Skip(events - seen)
	}
}
