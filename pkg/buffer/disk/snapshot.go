package disk

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pace"
)

// Stats implements Queue.
func (s *Queue) Stats() buffer.Stats {
	l := s.commit.limits
	st := buffer.Stats{
		CommitLatency: s.stats.latency.Snapshot(),
		Duplicates:    map[string]buffer.Duplicates{}, Dead: s.dead.Stats(), Disk: &buffer.DiskStats{},
	}
	st.Disk.Free, st.Disk.MinFree, st.MaxBytes = l.Disk()
	st.MaxWaiting = s.waitingLimit()
	s.commit.mu.Lock()
	st.Waiting = s.commit.count
	st.CommitWait, st.CommitCauses = s.commit.waited.Snapshot(), map[string]uint64{}
	for cause, n := range s.commit.causes {
		st.CommitCauses[pace.Cause(cause).String()] = n
	}
	uses := map[string]buffer.ClusterUse{}
	for _, l := range s.commit.clusters {
		u := buffer.ClusterUse{Cluster: l.cluster, Waiting: len(l.waiting)}
		if u.Waiting > 0 {
			u.Why = l.why
		}
		uses[l.cluster] = u
	}
	s.commit.mu.Unlock()
	st.Full = l.Why(st.Waiting)

	s.mu.Lock()
	defer s.mu.Unlock()
	st.Disk.Segments, st.Bytes = len(s.segs), s.disk
	st.WaitingBytes, _ = s.waiting()
	st.Batches, st.Commits = s.stats.batches, s.stats.commits
	st.Disk.SetAside, st.LostEvents = s.stats.setAside, s.stats.lostEvents
	for _, t := range s.clusters {
		u := uses[t.name]
		u.Cluster, u.Bytes, u.Limit = t.name, t.used, t.quota.limit
		uses[t.name] = u
	}
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		st.Clusters = append(st.Clusters, uses[name])
	}
	for cluster, d := range s.stats.duplicates {
		d.Rejected = maps.Clone(d.Rejected)
		st.Duplicates[cluster] = d
	}
	for _, src := range s.sources {
		for _, l := range src.partitions {
			output, target := src.names()
			w := buffer.Wait{
				Output: output, Target: target, Rest: l.rest.count(), Moved: l.moved.count(), Cluster: l.cluster,
				Configured: src.configured, Pending: l.pending.count(), Found: l.found.count(),
				Appended: l.appended.count(), Returned: l.requeued.count(), Done: l.done.count(),
				Dropped: l.dropped.count(), Purged: l.purged.count(), Lost: l.lost.count(),
				Adopted: l.adopted.count(), Given: l.given.count(),
			}
			if t := l.oldest(); t != 0 {
				w.Oldest = time.Unix(0, t)
			}
			st.Waits = append(st.Waits, w)
		}
	}
	slices.SortFunc(st.Waits, func(a, b buffer.Wait) int {
		return cmp.Or(strings.Compare(a.Output, b.Output), strings.Compare(a.Target, b.Target),
			strings.Compare(a.Cluster, b.Cluster))
	})
	return st
}
