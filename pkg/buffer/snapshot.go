package buffer

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// counts is what the queue counts since its start; guarded by Store.mu, but for latency.
type counts struct {
	commits, batches uint64
	latency          metric.Histogram
	setAside         int
	lostEvents       int64
	duplicates       map[string]Duplicates
}

// Stats implements Queue.
func (s *Store) Stats() Stats {
	l := s.commit.limits
	st := Stats{
		CommitLatency: s.counts.latency.Snapshot(),
		Duplicates:    map[string]Duplicates{}, Dead: s.dead.Stats(),
	}
	l.mu.Lock()
	st.FreeDisk, st.MaxBytes, st.MinFree = l.free, l.max, l.minFree
	l.mu.Unlock()
	s.commit.mu.Lock()
	st.Waiting = s.commit.count
	uses := map[string]ClusterUse{}
	for _, l := range s.commit.ring {
		u := ClusterUse{Cluster: l.cluster, Waiting: len(l.waiting)}
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
			w := Wait{
				Output: src.name, Cluster: l.cluster, Configured: src.asked, Pending: l.pending.count(), Found: l.found.count(),
				Appended: l.appended.count(), Returned: l.returned.count(), Done: l.done.count(), Dropped: l.dropped.count(), Lost: l.lost.count(),
			}
			if t := l.oldest(); t != 0 {
				w.Oldest = time.Unix(0, t)
			}
			st.Waits = append(st.Waits, w)
		}
	}
	slices.SortFunc(st.Waits, func(a, b Wait) int {
		if c := strings.Compare(a.Output, b.Output); c != 0 {
			return c
		}
		return strings.Compare(a.Cluster, b.Cluster)
	})
	return st
}

func (t tally) count() Count { return Count{t.chunks, t.events, t.bytes} }
