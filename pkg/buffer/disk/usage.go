package disk

// quota is a limit on what waits of a cluster or for an output. Guarded by Queue.mu.
type quota struct {
	what    string // to name it
	tenant  bool   // of a cluster
	limit   int64  // bytes on disk; 0: none
	used    *int64
	planned int64       // of the group that is being chosen
	full    bool        // a batch has been told to wait, so those after it wait too
	drop    func() bool // makes room; false: there is nothing to drop
}

// tenant is what the queue holds of one cluster: the bytes of its chunks that at least one output
// wants, each chunk counted once. A chunk counts until its last output is done with it, or until its
// segment's file is gone. After Purge, what a segment holds for others may be counted twice until its
// index is read again: up to once for each of the other outputs. Guarded by Queue.mu.
type tenant struct {
	name   string
	number uint32
	used   int64
	from   uint64 // nothing before this chunk can be dropped, but for what is handed out
	quota  quota
}

func (s *Queue) newTenant(name string, number uint32) *tenant {
	t := &tenant{name: name, number: number}
	t.quota = quota{what: "cluster " + name, tenant: true, limit: s.limitsOf.Clusters[name], used: &t.used}
	t.quota.drop = func() bool { return s.dropOf(t) }
	return t
}

// use adds n bytes to what the segment holds of the cluster. s.mu is held.
func (s *Queue) use(seg *segmentState, cluster uint32, n int64) {
	n = max(n, -seg.use[cluster])
	if seg.use[cluster] += n; seg.use[cluster] == 0 {
		delete(seg.use, cluster)
	}
	t := s.clusters[cluster]
	t.used += n
	if n < 0 && t.quota.limit > 0 {
		s.commit.kick()
	}
}

// wanted says whether an output is not done with the chunk. s.mu is held.
func (s *Queue) wanted(seg *segmentState, seq uint64, set uint32) bool {
	for _, src := range s.sets[set].sources {
		if !seg.done[src].has(uint32(seq - seg.first)) {
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
			now[l.number] += t.bytes
		}
		for cluster := range now {
			now[cluster] = min(now[cluster], seg.use[cluster])
		}
	}
	for cluster, n := range seg.use {
		s.use(seg, cluster, now[cluster]-n)
		delete(now, cluster)
	}
	for cluster, n := range now {
		s.use(seg, cluster, n)
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
		if seg.end() > t.from && seg.use[t.number] > 0 && !seg.broken && !s.closed {
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
		if s.flies(t, o) || !s.wanted(seg, o.seq, e.Set) {
			continue
		}
		for _, src := range s.sets[e.Set].sources {
			if seg.done[src].has(e.Seq) {
				continue
			}
			l := src.lane(e.Cluster)
			l.dropped.add(e.Events, e.Size)
			l.forget(o.seq)
			s.finish(l, o)
		}
		return true
	}
	t.from = seg.end()
	return false
}

// flies says whether an output has been handed the chunk.
func (s *Queue) flies(t *tenant, o *lease) bool {
	for _, src := range s.sets[o.set].sources {
		if l := src.lanes[t.name]; l != nil && l.flying[o.seq] != nil {
			return true
		}
	}
	return false
}
