package buffer

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// Count is a number of chunks, with their events and their bytes on disk.
type Count struct{ Chunks, Events, Bytes int64 }

// Stats is a snapshot of the queue. What is counted is counted since the start.
type Stats struct {
	Waits      []Wait // per output and cluster, sorted
	Duplicates map[string]Duplicates

	Segments  int
	DiskBytes int64 // of segments
	MaxBytes  int64 // buffer.max_size in force
	FreeDisk  int64
	MinFree   int64        // buffer.min_free_disk in force
	Full      string       // why nothing can be stored, "" where it can
	Clusters  []ClusterUse // sorted by name

	Batches       uint64 // commits that connections made
	Commits       uint64 // transactions that held them
	CommitLatency metric.Snapshot
	Waiting       int // batches that are not stored yet

	SetAside   int   // segments, chunks and state found damaged
	LostEvents int64 // in chunks found damaged, each counted once
	Dead       deadletter.Stats
}

// ClusterUse is what the queue holds of one cluster.
type ClusterUse struct {
	Cluster string
	Bytes   int64  // on disk, of chunks that at least one output wants, each counted once
	Limit   int64  // max_queue_size in force, 0: none
	Waiting int    // batches that are not stored yet
	Why     string // why the first of these waits for room, "" where it doesn't
}

// Wait is what one output has of one cluster. Found + Appended = Done + Dropped + Purged + Lost + Pending.
type Wait struct {
	Output     string
	Cluster    string
	Configured bool      // Source was asked for the output
	Pending    Count     // not finished, with what is handed out
	Oldest     time.Time // when the oldest pending chunk was stored; zero: none is pending
	Found      Count     // pending at the start
	Appended   Count
	Returned   Count // of Appended: dead letters that are sent again
	Done       Count
	Dropped    Count // by when_full: drop_oldest
	Purged     Count
	Lost       Count // damaged on disk
}

// Duplicates counts what was sent again, acked and not stored.
type Duplicates struct {
	Messages, Events int64
	Rejected         map[string]int64 // of Events, by reason: those that are dead letters since they came first
}

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
				Appended: l.appended.count(), Returned: l.returned.count(), Done: l.done.count(), Dropped: l.dropped.count(), Purged: l.purged.count(), Lost: l.lost.count(),
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
