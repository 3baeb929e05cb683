package disk

import (
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/admission"
)

// tenant is what the queue holds of one cluster: the bytes of its chunks that at least one output
// wants, each chunk counted once. A chunk counts until its last output is done with it, or until its
// segment's file is gone. After Purge, what a segment holds for others may be counted twice until its
// index is read again: up to once for each of the other outputs. Guarded by Queue.mu.
type tenant struct {
	name   string
	number uint32
	used   int64
	// from is nothing before this chunk can be dropped, but for what is handed out.
	from  uint64
	quota admission.Quota
}

func (s *Queue) newTenant(name string, number uint32) *tenant {
	t := &tenant{name: name, number: number}
	t.quota = admission.Quota{What: "cluster " + name, Tenant: true, Limit: s.limitsOf.Clusters[name], Used: &t.used}
	t.quota.Drop = func() bool { return s.dropOf(t) }
	return t
}

// addLive adds n bytes to what the segment holds of the cluster. s.mu is held.
func (s *Queue) addLive(seg *segmentState, cluster uint32, n int64) {
	n = max(n, -seg.liveBytes[cluster])
	if seg.liveBytes[cluster] += n; seg.liveBytes[cluster] == 0 {
		delete(seg.liveBytes, cluster)
	}
	t := s.clusters[cluster]
	t.used += n
	if n < 0 && t.quota.Limit > 0 {
		s.commit.kick()
	}
}

// wanted reports whether an output is not done with the chunk. s.mu is held.
func (s *Queue) wanted(seg *segmentState, seq uint64, set uint32) bool {
	for _, src := range s.sets[set].sources {
		if !seg.done[src].Has(uint32(seq - seg.first)) {
			return true
		}
	}
	return false
}

// recount counts anew what the segment holds of each cluster. Without its index that is at most what
// the outputs want of it together. s.mu is held.
func (s *Queue) recount(seg *segmentState) {
	now := map[uint32]int64{}
	if seg.loaded {
		for i := range seg.entries {
			if e := &seg.entries[i]; s.wanted(seg, seg.first+uint64(e.Seq), e.Set) {
				now[e.Cluster] += int64(e.Size)
			}
		}
	} else {
		for l, t := range seg.sum {
			now[l.number] += t.Bytes
		}
		for cluster := range now {
			now[cluster] = min(now[cluster], seg.liveBytes[cluster])
		}
	}
	for cluster, n := range seg.liveBytes {
		s.addLive(seg, cluster, now[cluster]-n)
		delete(now, cluster)
	}
	for cluster, n := range now {
		s.addLive(seg, cluster, n)
	}
}

// dropOf drops the cluster's oldest chunk that nobody has been handed, for all outputs that want it.
func (s *Queue) dropOf(t *tenant) bool {
	for {
		s.mu.Lock()
		seg := s.oldestOf(t)
		if seg == nil {
			s.mu.Unlock()
			return false
		}
		if seg.loaded {
			dropped := s.dropIn(t, seg)
			s.mu.Unlock()
			if dropped {
				return true
			}
			continue
		}
		s.mu.Unlock()
		s.load(seg)
	}
}

// oldestOf returns the first segment that may hold a chunk of t to drop. s.mu is held.
func (s *Queue) oldestOf(t *tenant) *segmentState {
	for _, seg := range s.segs {
		if seg.end() > t.from && seg.liveBytes[t.number] > 0 && !seg.broken && !s.closed {
			return seg
		}
	}
	return nil
}

// dropIn drops the first chunk of t in the loaded segment, and moves t.from past it. s.mu is held.
func (s *Queue) dropIn(t *tenant, seg *segmentState) bool {
	for i := range seg.entries {
		e := &seg.entries[i]
		o := &lease{seg: seg, seq: seg.first + uint64(e.Seq), size: e.Size, events: e.Events, set: e.Set}
		if o.seq < t.from || e.Cluster != t.number {
			continue
		}
		t.from = o.seq + 1
		if s.isInFlight(t, o) || !s.wanted(seg, o.seq, e.Set) {
			continue
		}
		for _, src := range s.sets[e.Set].sources {
			if seg.done[src].Has(e.Seq) {
				continue
			}
			l := src.partition(e.Cluster)
			l.dropped.add(e.Events, e.Size)
			l.forget(o.seq)
			s.finish(l, o)
		}
		return true
	}
	t.from = seg.end()
	return false
}

// isInFlight reports whether an output has been handed the chunk.
func (s *Queue) isInFlight(t *tenant, o *lease) bool {
	for _, src := range s.sets[o.set].sources {
		if l := src.partitions[t.name]; l != nil && l.inFlight[o.seq] != nil {
			return true
		}
	}
	return false
}

// dropSegment drops the oldest segment; false: there is nothing to drop.
func (s *Queue) dropSegment() bool {
	s.mu.Lock()
	stuck := s.commit.journal.stuck
	if len(s.segs) == 0 || !s.segs[0].sealed && s.segs[0] != stuck {
		s.mu.Unlock()
		return false
	}
	seg := s.segs[0]
	var n int64
	for partition := range seg.sum {
		n += s.untrack(partition, seg, &partition.dropped).Chunks
	}
	s.mu.Unlock()
	if seg == stuck {
		s.commit.unstick()
	}
	s.remove([]*segmentState{seg})
	s.log.Warn().Str("segment", seg.path).Int64("chunks", n).Msg("queue is full: dropped the oldest segment")
	return true
}

// dropChunk drops the oldest chunk of the output's largest cluster.
func (s *Queue) dropChunk(src *source) bool {
	for {
		s.mu.Lock()
		var l *partition
		for _, o := range src.partitions {
			if int64(len(o.inFlight)) < o.pending.Chunks && (l == nil || o.pending.Bytes > l.pending.Bytes) {
				l = o
			}
		}
		if l == nil || s.closed {
			s.mu.Unlock()
			return false
		}
		seg, i := l.first()
		switch {
		case seg == nil:
			s.mu.Unlock()
			return false
		case !seg.loaded:
			s.mu.Unlock()
			s.load(seg)
			continue
		}
		e := seg.entries[i]
		l.dropped.add(e.Events, e.Size)
		s.finish(l, &lease{seg: seg, seq: seg.first + uint64(e.Seq), size: e.Size, events: e.Events, set: e.Set})
		s.mu.Unlock()
		return true
	}
}

// Purge forgets all that waits for the output, such as one that left the configuration, and returns
// how much that was. What is handed out at the moment is left to its holder.
func (s *Queue) Purge(output string) (gone buffer.Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	src := s.sources[output]
	if src == nil {
		return gone
	}
	var purged counts
	for _, seg := range s.segs {
		bits := seg.bits(src)
		for i := range seg.n {
			bits.Set(i)
		}
		for l := range seg.sum {
			if l.src == src {
				purged.plus(s.untrack(l, seg, &l.purged))
			}
		}
		for _, l := range src.partitions {
			for seq, o := range l.inFlight {
				if o.seg == seg {
					bits.Clear(uint32(seq - seg.first))
				}
			}
		}
		s.recount(seg)
	}
	s.clean.kick()
	s.commit.kick()
	return purged.Count
}

// untrack takes what waits for l in the segment out of all sums, but for what is handed out, and adds it to fate. It
// returns what that was. s.mu is held.
func (s *Queue) untrack(l *partition, seg *segmentState, fate *counts) counts {
	t, left := seg.sum[l].counts, counts{}
	for _, o := range l.inFlight {
		if o.seg == seg {
			left.add(o.events, o.size)
			t.sub(o.events, o.size)
		}
	}
	if left.Chunks == 0 {
		delete(seg.sum, l)
	} else {
		seg.sum[l].counts = left
	}
	l.returned = slices.DeleteFunc(l.returned, func(b *lease) bool { return b.seg == seg })
	l.pending.minus(t)
	l.src.pending.minus(t)
	fate.plus(t)
	s.pending -= t.Chunks
	return t
}
