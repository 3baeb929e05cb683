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

// addLive adds n bytes to what the segment holds of the cluster. s.mu is held.
func (s *Queue) addLive(seg *segmentState, cluster uint32, n int64) {
	n = max(n, -seg.liveBytes[cluster])
	if seg.liveBytes[cluster] += n; seg.liveBytes[cluster] == 0 {
		delete(seg.liveBytes, cluster)
	}
	t := s.clusters[cluster]
	t.used += n
	if n < 0 && t.quota.limit > 0 {
		s.commit.kick()
	}
}

// wanted reports whether an output is not done with the chunk. s.mu is held.
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
