package disk

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// counts is what the queue counts since its start; guarded by Queue.mu, but for latency.
type counts struct {
	commits, batches uint64
	latency          metric.Histogram
	setAside         int
	lostEvents       int64
	duplicates       map[string]buffer.Duplicates
}

// Stats implements Queue.
func (s *Queue) Stats() buffer.Stats {
	l := s.commit.limits
	st := buffer.Stats{
		CommitLatency: s.counts.latency.Snapshot(),
		Duplicates:    map[string]buffer.Duplicates{}, Dead: s.dead.Stats(),
	}
	l.mu.Lock()
	st.FreeDisk, st.MaxBytes, st.MinFree = l.free, l.max, l.minFree
	l.mu.Unlock()
	s.commit.mu.Lock()
	st.Waiting = s.commit.count
	uses := map[string]buffer.ClusterUse{}
	for _, l := range s.commit.ring {
		u := buffer.ClusterUse{Cluster: l.cluster, Waiting: len(l.waiting)}
		if u.Waiting > 0 {
			u.Why = l.why
		}
		uses[l.cluster] = u
	}
	s.commit.mu.Unlock()
	st.Full = l.why(st.Waiting)

	s.mu.Lock()
	defer s.mu.Unlock()
	st.Segments, st.DiskBytes = len(s.segs), s.disk
	st.Batches, st.Commits = s.counts.batches, s.counts.commits
	st.SetAside, st.LostEvents = s.counts.setAside, s.counts.lostEvents
	for _, t := range s.clusters {
		u := uses[t.name]
		u.Cluster, u.Bytes, u.Limit = t.name, t.used, t.quota.limit
		uses[t.name] = u
	}
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		st.Clusters = append(st.Clusters, uses[name])
	}
	for cluster, d := range s.counts.duplicates {
		d.Rejected = maps.Clone(d.Rejected)
		st.Duplicates[cluster] = d
	}
	for _, src := range s.sources {
		for _, l := range src.lanes {
			w := buffer.Wait{
				Output: src.name, Cluster: l.cluster, Configured: src.asked, Pending: l.pending.count(), Found: l.found.count(),
				Appended: l.appended.count(), Returned: l.returned.count(), Done: l.done.count(), Dropped: l.dropped.count(), Purged: l.purged.count(), Lost: l.lost.count(),
			}
			if t := l.oldest(); t != 0 {
				w.Oldest = time.Unix(0, t)
			}
			st.Waits = append(st.Waits, w)
		}
	}
	slices.SortFunc(st.Waits, func(a, b buffer.Wait) int {
		if c := strings.Compare(a.Output, b.Output); c != 0 {
			return c
		}
		return strings.Compare(a.Cluster, b.Cluster)
	})
	return st
}

func (t tally) count() buffer.Count {
	return buffer.Count{Chunks: t.chunks, Events: t.events, Bytes: t.bytes}
}
