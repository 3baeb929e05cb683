package memory

import (
	"context"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/fair"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// source is what waits for an output or aside for a target. Guarded by Queue.mu.
type source struct {
	q          *Queue
	name       name
	asked      bool
	partitions map[string]*partition // by cluster
	ring       fair.Ring[*partition]
}

// partition is what waits of one cluster.
type partition struct {
	cluster  string
	turn     fair.Turn[*partition]
	held     bool
	appended buffer.Count
	returned buffer.Count
	rest     buffer.Count
	done     buffer.Count
	dropped  buffer.Count
	purged   buffer.Count
}

func (src *source) partition(cluster string) *partition {
	p := src.partitions[cluster]
	if p == nil {
		p = &partition{cluster: cluster}
		p.turn.Value = p
		src.partitions[cluster] = p
	}
	return p
}

func (src *source) enlist(p *partition) {
	if !p.held {
		src.ring.Add(&p.turn)
	}
}

func (src *source) pending() (n buffer.Count) {
	for _, s := range src.q.stored {
		if s.wanted[src] {
			add(&n, s.count())
		}
	}
	return n
}

// find returns the stored chunk that c was handed out of; nil: c is not handed out.
func (src *source) find(c *event.Chunk) *stored {
	for _, s := range src.q.stored {
		if s.out[src] == c {
			return s
		}
	}
	return nil
}

// Next implements buffer.Source.
func (src *source) Next(ctx context.Context) (*event.Chunk, error) {
	q := src.q
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil, buffer.ErrClosed
		}
		c, changed := src.pick(), q.changed
		q.mu.Unlock()
		if c != nil {
			return c, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// pick hands out the next chunk, nil where none waits. q.mu is held.
func (src *source) pick() *event.Chunk {
	for t := src.ring.Current(); t != nil; t = src.ring.Current() {
		p := t.Value
		for _, s := range src.q.stored {
			if s.wanted[src] && s.chunk.Cluster == p.cluster && s.out[src] == nil {
				c := s.chunk
				c.Entries, c.Parts, c.Again = slices.Clone(c.Entries), slices.Clone(c.Parts), s.again[src]
				s.out[src] = &c
				src.ring.Take(t, s.size())
				return &c
			}
		}
		src.ring.Remove(t)
	}
	return nil
}

// Done implements buffer.Source.
func (src *source) Done(c *event.Chunk) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	if s := src.find(c); s != nil {
		src.q.forget(s, src, &src.partition(s.chunk.Cluster).done)
	}
}

// Return implements buffer.Source.
func (src *source) Return(c *event.Chunk) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	if s := src.find(c); s != nil {
		s.takeBack(src)
		s.again[src] = true
		src.enlist(src.partition(s.chunk.Cluster))
		src.q.wake()
	}
}

// SettlePart implements buffer.Source.
func (src *source) SettlePart(ctx context.Context, c *event.Chunk, rests []buffer.Rest) error {
	q := src.q
	q.mu.Lock()
	defer q.mu.Unlock()
	s := src.find(c)
	switch {
	case s == nil:
		return nil
	case q.closed:
		return buffer.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	for i := range rests {
		r := &rests[i]
		rest := event.Chunk{
			Cluster: c.Cluster, Tag: c.Tag, Source: c.Source, Received: c.Received, Entries: slices.Clone(r.Entries),
			Parts: slices.Clone(r.Parts), Returned: c.Returned, Filtered: r.Filtered, NewTag: r.NewTag,
		}
		for _, part := range r.Parts {
			rest.Events += part.Events
		}
		q.append(rest, func(p *partition) *buffer.Count { return &p.rest }, name{src.name.output, r.Target})
	}
	q.forget(s, src, &src.partition(s.chunk.Cluster).done)
	return nil
}

// KeepAlive implements buffer.Source.
func (*source) KeepAlive(*event.Chunk) {}

// Hold implements buffer.Source.
func (src *source) Hold(cluster string) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	p := src.partition(cluster)
	p.held = true
	src.ring.Remove(&p.turn)
}

// Release implements buffer.Source.
func (src *source) Release(cluster string) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	p := src.partition(cluster)
	p.held = false
	src.enlist(p)
	src.q.wake()
}

// Shed implements buffer.Source.
func (src *source) Shed(c *event.Chunk) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	if src.find(c) != nil {
		clear(c.Entries)
		c.Entries = nil
	}
}
