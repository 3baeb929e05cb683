package memory

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/fair"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// source is what waits for an output or aside for a target. Guarded by Queue.mu.
type source struct {
	q     *Queue
	name  name
	asked bool
	// partitions are by cluster.
	partitions map[string]*partition
	ring       fair.Ring[*partition]
	turn       buffer.FreshTurn
}

// partition is what waits of one cluster.
type partition struct {
	cluster  string
	turn     fair.Turn[*partition]
	held     bool
	appended buffer.Count
	returned buffer.Count
	moved    buffer.Count
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
		oldest, fresh := src.next(p, time.Time{}), (*stored)(nil)
		since := src.q.now().Add(-buffer.FreshAge)
		if behind := oldest != nil && oldest.chunk.Received.Before(since); behind {
			if src.turn.Fresh() {
				fresh = src.next(p, since)
			}
			if s := cmp.Or(fresh, oldest); src.turn.Share > 0 {
				src.turn.Took(s.size(), s == fresh)
			}
		}
		s := cmp.Or(fresh, oldest)
		if s == nil {
			src.ring.Remove(t)
			continue
		}
		c := s.chunk
		c.Entries, c.Parts, c.Again = slices.Clone(c.Entries), slices.Clone(c.Parts), s.again[src]
		s.out[src] = &c
		src.ring.Take(t, s.size())
		return &c
	}
	return nil
}

// next returns the first chunk of p since the time that is not handed out, nil where there is none. q.mu is held.
func (src *source) next(p *partition, since time.Time) *stored {
	for _, s := range src.q.stored {
		if s.wanted[src] && s.chunk.Cluster == p.cluster && s.out[src] == nil && !s.chunk.Received.Before(since) {
			return s
		}
	}
	return nil
}

// SetFreshShare implements buffer.Source.
func (src *source) SetFreshShare(share float64) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	src.turn.Share = share
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
	return src.SettleParts(ctx, []buffer.Settlement{{Chunk: c, Rests: rests}})
}

// SettleParts implements buffer.Source.
func (src *source) SettleParts(ctx context.Context, list []buffer.Settlement) error {
	q := src.q
	q.mu.Lock()
	defer q.mu.Unlock()
	list = slices.DeleteFunc(slices.Clone(list), func(one buffer.Settlement) bool { return src.find(one.Chunk) == nil })
	switch {
	case len(list) == 0:
		return nil
	case q.closed:
		return buffer.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if err := q.roomToWait(src, list); err != nil {
		return err
	}
	for i := range list {
		s := src.find(list[i].Chunk)
		for j := range list[i].Rests {
			src.appendRest(list[i].Chunk, &list[i].Rests[j])
		}
		q.forget(s, src, &src.partition(s.chunk.Cluster).done)
	}
	return nil
}

// appendRest stores what is left of c. q.mu is held.
func (src *source) appendRest(c *event.Chunk, r *buffer.Rest) {
	rest := event.Chunk{
		Cluster: c.Cluster, Tag: c.Tag, Source: c.Source, Received: c.Received, Entries: slices.Clone(r.Entries),
		Parts: slices.Clone(r.Parts), Returned: c.Returned, Filtered: r.Filtered, NewTag: r.NewTag,
	}
	for _, part := range r.Parts {
		rest.Events += part.Events
	}
	to, kind := name{cmp.Or(r.Output, src.name.output), r.Target}, func(p *partition) *buffer.Count { return &p.rest }
	if to.output != src.name.output {
		kind = func(p *partition) *buffer.Count { return &p.returned }
		add(&src.partition(c.Cluster).moved, buffer.Count{
			Chunks: 1, Events: int64(rest.Events), Bytes: int64(len(r.Entries)),
		})
	}
	src.q.append(rest, kind, to)
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

// ReleaseEntries implements buffer.Source.
func (src *source) ReleaseEntries(c *event.Chunk) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	if src.find(c) != nil {
		clear(c.Entries)
		c.Entries = nil
	}
}

// Pending implements buffer.Source.
func (src *source) Pending() buffer.Count {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	return src.pending()
}

// aside returns how much waits aside, and for how many targets. q.mu is held.
func (q *Queue) aside() (bytes int64, targets int) {
	for n, src := range q.sources {
		if pending := src.pending(); n.target != "" && pending.Chunks > 0 {
			bytes += pending.Bytes
			targets++
		}
	}
	return bytes, targets
}

func (q *Queue) waitingLimit() int64 {
	return cmp.Or(q.limits.Waiting, q.limits.MaxSize/4, math.MaxInt64)
}

// roomToWait returns an error where a target of the rests may not have more. q.mu is held.
func (q *Queue) roomToWait(src *source, list []buffer.Settlement) error {
	if src.name.target != "" {
		return nil
	}
	total, targets := q.aside()
	more := map[string]int64{}
	for i := range list {
		for j := range list[i].Rests {
			r := &list[i].Rests[j]
			if r.Target == "" {
				continue
			}
			used, n := more[r.Target], int64(len(r.Entries))
			used += q.source(name{cmp.Or(r.Output, src.name.output), r.Target}).pending().Bytes
			if buffer.WaitingRefuses(q.waitingLimit(), total, used, n, targets) {
				return &buffer.WaitingFullError{Output: src.name.output, Target: r.Target}
			}
			more[r.Target] += n
			total += n
		}
	}
	return nil
}
