package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// batch implements buffer.Batch.
type batch struct {
	q    *Queue
	msgs []message
	size int
}

type message struct {
	buffer.Message
	nanos   bool
	events  int
	parts   []event.Part
	entries []byte
	letters []deadletter.Letter
}

func (b *batch) last() *message { return &b.msgs[len(b.msgs)-1] }

// Begin implements buffer.Batch.
func (b *batch) Begin(m buffer.Message) { b.msgs = append(b.msgs, message{Message: m}) }

// Add implements buffer.Batch.
func (b *batch) Add(entries []byte, events int, nanos bool) (rejected int) {
	m := b.last()
	if len(m.Outputs) > 0 && len(entries) > 0 {
		m.entries = append(m.entries, entries...)
		m.parts = append(m.parts, event.Part{First: m.events, Events: events})
		b.size += len(entries)
	}
	m.nanos = m.nanos || nanos
	m.events += events
	return 0
}

// Reject implements buffer.Batch.
func (b *batch) Reject(raw []byte, events int, reason string) {
	m := b.last()
	m.events += events
	m.letters = append(m.letters, deadletter.Letter{
		Cluster: m.Cluster, Tag: m.Tag, Reason: reason, Events: events, Entry: slices.Clone(raw),
	})
	b.size += len(raw)
}

// Abandon implements buffer.Batch.
func (b *batch) Abandon() { b.msgs = b.msgs[:len(b.msgs)-1] }

// Size implements buffer.Batch.
func (b *batch) Size() int { return b.size }

// Repeated implements buffer.Batch.
func (*batch) Repeated() buffer.Duplicates { return buffer.Duplicates{} }

// Doubts implements buffer.Batch.
func (*batch) Doubts() []uint64 { return nil }

// Reset implements buffer.Batch.
func (b *batch) Reset() { b.msgs, b.size = nil, 0 }

// Commit implements buffer.Batch.
func (b *batch) Commit(ctx context.Context) error {
	defer b.Reset()
	q := b.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := b.room(ctx); err != nil {
		return err
	}
	for i := range b.msgs {
		m := &b.msgs[i]
		if err := q.dead.Add(ctx, m.letters); err != nil {
			return err
		}
		if len(m.entries) == 0 {
			continue
		}
		c := event.Chunk{Cluster: m.Cluster, Tag: m.Tag, Source: m.Source, Entries: m.entries, Parts: m.parts}
		for j := range m.parts {
			c.Events += m.parts[j].Events
			if m.Chunk != "" {
				m.parts[j].Chunk = event.PartKeyOfChunk(m.Cluster, m.Tag, m.Chunk)
				if m.nanos {
					m.parts[j].Key = m.parts[j].Chunk
				}
			}
		}
		q.append(c, nil, namesOf(m.Outputs)...)
	}
	q.batches++
	return nil
}

// room waits until there is room for b, as the policy says. q.mu is held, but while it waits.
func (b *batch) room(ctx context.Context) error {
	q := b.q
	for {
		if q.closed {
			return buffer.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		why, policy := "", ""
		var whose func(*stored) bool
		for i := range b.msgs {
			m := &b.msgs[i]
			if why, whose = q.full(m.Cluster, m.Outputs, int64(b.size)); why != "" {
				if policy = q.limits.ClusterWhenFull[m.Cluster]; policy == "" {
					policy = q.limits.WhenFull
				}
				break
			}
		}
		switch {
		case why == "":
			return nil
		case policy == "reject":
			return fmt.Errorf("%w: %s", buffer.ErrFull, why)
		case policy == "drop_oldest" && q.drop(whose):
			continue
		}
		q.waiting++
		q.whyFull = why
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		q.mu.Lock()
		q.waiting--
	}
}
