package disk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// targetMark stands between an output and a target in the name of what waits aside. No output has it in its name.
const targetMark = "\x1f"

func waitingName(output, target string) string {
	if target == "" {
		return output
	}
	return output + targetMark + target
}

// names returns the output and the target that the source is of.
func (src *source) names() (output, target string) {
	output, target, _ = strings.Cut(src.name, targetMark)
	return output, target
}

// Waiting implements buffer.Queue.
func (s *Queue) Waiting(output, target string) buffer.Source {
	return s.Source(waitingName(output, target))
}

// PurgeWaiting implements buffer.Queue.
func (s *Queue) PurgeWaiting(output, target string) buffer.Count {
	return s.Purge(waitingName(output, target))
}

// KeepAlive implements buffer.Source. What is handed out is this process's until Close.
func (*source) KeepAlive(*event.Chunk) {}

// SettlePart implements buffer.Source.
func (src *source) SettlePart(ctx context.Context, c *event.Chunk, rests []buffer.Rest) error {
	return src.SettleParts(ctx, []buffer.Settlement{{Chunk: c, Rests: rests}})
}

// SettleParts implements buffer.Source.
func (src *source) SettleParts(ctx context.Context, list []buffer.Settlement) error {
	list = slices.DeleteFunc(slices.Clone(list), func(one buffer.Settlement) bool { return !src.holds(one.Chunk) })
	if err := src.s.roomToWait(src, list); err != nil {
		return err
	}
	b := src.s.newBatch(0)
	b.NonBlocking, b.Rest = true, true
	output, _ := src.names()
	for i := range list {
		for j := range list[i].Rests {
			r := &list[i].Rests[j]
			b.AddRest(list[i].Chunk, r, output, waitingName(cmp.Or(r.Output, output), r.Target))
		}
	}
	if b.Len() > 0 {
		if err := b.Commit(ctx); err != nil {
			return fmt.Errorf("store what is left of %d chunks: %w", len(list), err)
		}
	}
	for i := range list {
		src.countMoved(&list[i])
		src.Done(list[i].Chunk)
	}
	return nil
}

// countMoved counts what of a chunk goes to other outputs.
func (src *source) countMoved(one *buffer.Settlement) {
	output, _ := src.names()
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	for i := range one.Rests {
		r := &one.Rests[i]
		if r.Output == "" || r.Output == output {
			continue
		}
		moved := &src.partitions[one.Chunk.Cluster].moved
		moved.plus(counts{buffer.Count{Chunks: 1, Bytes: int64(len(r.Entries))}})
		for _, p := range r.Parts {
			moved.Events += int64(p.Events)
		}
	}
}

// holds reports whether c is handed out.
func (src *source) holds(c *event.Chunk) bool {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	l := src.partitions[c.Cluster]
	return l != nil && l.inFlight[c.Seq] != nil && &l.inFlight[c.Seq].chunk == c
}

// Pending implements buffer.Source.
func (src *source) Pending() buffer.Count {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	return src.pending.Count
}

// waiting returns how much waits aside, and for how many targets. s.mu is held.
func (s *Queue) waiting() (bytes int64, targets int) {
	for name, src := range s.sources {
		if src.pending.Chunks > 0 && strings.Contains(name, targetMark) {
			bytes += src.pending.Bytes
			targets++
		}
	}
	return bytes, targets
}

// waitingLimit returns how much may wait aside.
func (s *Queue) waitingLimit() int64 {
	_, _, most := s.commit.Limits.Disk()
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.limitsOf.Waiting, most/4)
}

// roomToWait returns an error where a target of the rests may not have more. What waits aside already may wait on.
func (s *Queue) roomToWait(src *source, list []buffer.Settlement) error {
	output, from := src.names()
	if from != "" {
		return nil
	}
	limit := s.waitingLimit()
	s.mu.Lock()
	defer s.mu.Unlock()
	total, targets := s.waiting()
	more := map[string]int64{}
	for i := range list {
		for j := range list[i].Rests {
			r := &list[i].Rests[j]
			if r.Target == "" {
				continue
			}
			used, n := more[r.Target], int64(len(r.Entries))
			if aside := s.sources[waitingName(cmp.Or(r.Output, output), r.Target)]; aside != nil {
				used += aside.pending.Bytes
			}
			if buffer.WaitingRefuses(limit, total, used, n, targets) {
				return &buffer.WaitingFullError{Output: output, Target: r.Target}
			}
			more[r.Target] += n
			total += n
		}
	}
	return nil
}

// settleReplaced forgets what the chunks from the sequence number on, which were stored after what sources have
// finished was saved last, took the place of: see buffer.Source.SettlePart. It runs at the start, before anything is
// handed out.
func (s *Queue) settleReplaced(from uint64) {
	waits := func(name string) bool { return strings.Contains(name, targetMark) }
	if !slices.ContainsFunc(s.sets, func(set *outputSet) bool { return slices.ContainsFunc(set.names, waits) }) {
		return
	}
	var parts []chunk.Part
	for _, seg := range slices.Clone(s.segs) {
		if seg.end() <= from || seg.broken {
			continue
		}
		s.load(seg)
		for i := 0; seg.loaded && i < len(seg.entries); i++ {
			e := seg.entries[i]
			if seg.first+uint64(e.Seq) < from {
				continue
			}
			value, err := segment.ReadFrom(seg.file.File, seg.fresh)(&e)
			var h chunk.Header
			if err == nil {
				h, err = chunk.DecodeHeader(value, parts)
			}
			if err != nil {
				// whoever is handed it will tell.
				continue
			}
			if parts = h.Parts; len(parts) > 0 && parts[0].Flags&chunk.PartFiltered != 0 && parts[0].Conn != 0 {
				s.settleSeq(parts[0].Conn, e.Set)
			}
		}
	}
}

// settleSeq forgets the chunk for the source of the same output that the set is of.
func (s *Queue) settleSeq(seq uint64, set uint32) {
	output, _, _ := strings.Cut(s.sets[set].names[0], targetMark)
	i := sort.Search(len(s.segs), func(i int) bool { return s.segs[i].end() > seq })
	if i == len(s.segs) || s.segs[i].first > seq || s.segs[i].broken {
		return
	}
	seg := s.segs[i]
	s.load(seg)
	at, found := seg.find(seq)
	if !found {
		return
	}
	e := &seg.entries[at]
	for _, src := range s.sets[e.Set].sources {
		name, target := src.names()
		if name != output && target == "" || seg.done[src].Has(e.Seq) {
			// What waited aside may have gone to any output.
			continue
		}
		l := src.partition(e.Cluster)
		l.found.sub(e.Events, e.Size)
		s.finish(l, &lease{seg: seg, seq: seq, size: e.Size, events: e.Events, set: e.Set})
	}
}
