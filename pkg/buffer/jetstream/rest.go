package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// SettlePart implements buffer.Source.
func (src *source) SettlePart(ctx context.Context, c *event.Chunk, rests []buffer.Rest) error {
	return src.SettleParts(ctx, []buffer.Settlement{{Chunk: c, Rests: rests}})
}

// SettleParts implements buffer.Source. The rests are stored under ids that are made of what they are of: whoever gets
// the chunk again, because this process dies between that and its word, stores them only once.
func (src *source) SettleParts(ctx context.Context, list []buffer.Settlement) error {
	q := src.q
	q.mu.Lock()
	closed := q.closed
	list = slices.DeleteFunc(slices.Clone(list), func(one buffer.Settlement) bool { return src.out[one.Chunk] == nil })
	err := q.roomToWait(src.name, list)
	q.mu.Unlock()
	switch {
	case closed:
		return buffer.ErrClosed
	case len(list) == 0:
		return nil
	case err != nil:
		return err
	}
	s := &sealed{}
	for i := range list {
		for j := range list[i].Rests {
			if err := src.sealRest(s, list[i].Chunk, &list[i].Rests[j]); err != nil {
				return fmt.Errorf("store what is left of chunk %d: %w", list[i].Chunk.Seq, err)
			}
		}
	}
	if len(s.messages) > 0 {
		if err := q.put(ctx, s, false); err != nil {
			return fmt.Errorf("store what is left of %d chunks: %w", len(list), err)
		}
		q.claim(ctx, s.messages)
		q.counted(s)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range list {
		src.countMoved(&list[i])
		l := src.take(list[i].Chunk)
		if l == nil {
			continue
		}
		q.count(l.p.place, ledger.Done, l.count)
		src.finish(l)
		q.ack(l)
	}
	return nil
}

// sealRest seals what is left of c.
func (src *source) sealRest(s *sealed, c *event.Chunk, r *buffer.Rest) error {
	q := src.q
	to := subject.Place{Output: cmp.Or(r.Output, src.name.output), Target: r.Target, Cluster: c.Cluster}
	kind := ledger.Rest
	if to.Output != src.name.output {
		kind = ledger.Returned
	}
	flags := byte(chunk.PartKeyed | chunk.PartNanos)
	if c.Returned {
		flags |= chunk.PartUnrouted
	}
	if r.Filtered {
		flags |= chunk.PartFiltered
	}
	put := func(entries []byte, parts []event.Part, _ int) {
		h := chunk.Header{
			Received: c.Received.UnixNano(), Raw: len(entries), Cluster: c.Cluster, Tag: c.Tag, Source: c.Source,
			NewTag: r.NewTag, Parts: chunk.Kept(parts, flags),
		}
		for _, p := range parts {
			h.Events += p.Events
		}
		data := q.seal(&h, entries)
		s.addFor(q.chunks(), data, src.restID(c, r, parts), origin{
			place: to, count: buffer.Count{Chunks: 1, Events: int64(h.Events), Bytes: int64(len(data))}, counted: kind,
		})
	}
	return q.sealParts(r.Entries, r.Parts, put)
}

// sealParts calls put for entries and the parts that they are of, in pieces that fit into a message each, with the
// number of events before.
func (q *Queue) sealParts(entries []byte, parts []event.Part, put func([]byte, []event.Part, int)) error {
	return sealing.Pieces(entries, parts, q.maxPiece(), put)
}

// restID returns the id of what is left of c: of the chunk, of what becomes of it, and of which events it is.
func (src *source) restID(c *event.Chunk, r *buffer.Rest, parts []event.Part) string {
	from := durable(subject.Of(src.q.chunks(), subject.Place{
		Output: src.name.output, Target: src.name.target, Cluster: c.Cluster,
	}))
	return "r-" + from + "-" + strconv.FormatUint(c.Seq, 36) + "-" +
		sealing.Digest(parts, r.Filtered, r.Entries)
}

// countMoved counts what of a chunk goes to other outputs. q.mu is held.
func (src *source) countMoved(one *buffer.Settlement) {
	for i := range one.Rests {
		r := &one.Rests[i]
		if r.Output == "" || r.Output == src.name.output {
			continue
		}
		moved := buffer.Count{Chunks: 1, Bytes: int64(len(r.Entries))}
		for _, p := range r.Parts {
			moved.Events += int64(p.Events)
		}
		place := subject.Place{Output: src.name.output, Target: src.name.target, Cluster: one.Chunk.Cluster}
		src.q.count(place, ledger.Moved, moved)
	}
}
