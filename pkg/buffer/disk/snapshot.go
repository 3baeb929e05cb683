package disk

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pace"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// Stats implements Queue.
func (s *Queue) Stats() buffer.Stats {
	l := s.commit.Limits
	st := buffer.Stats{
		CommitLatency: s.stats.latency.Snapshot(),
		Duplicates:    map[string]buffer.Duplicates{}, Dead: s.dead.Stats(), Disk: &buffer.DiskStats{},
	}
	st.Disk.Free, st.Disk.MinFree, st.MaxBytes = l.Disk()
	st.MaxWaiting = s.waitingLimit()
	s.commit.mu.Lock()
	st.Waiting = s.commit.Count
	st.CommitWait, st.CommitCauses = s.commit.waited.Snapshot(), map[string]uint64{}
	for cause, n := range s.commit.causes {
		st.CommitCauses[pace.Cause(cause).String()] = n
	}
	uses := map[string]buffer.ClusterUse{}
	for _, l := range s.commit.Clusters {
		u := buffer.ClusterUse{Cluster: l.Name, Waiting: len(l.Waiting)}
		if u.Waiting > 0 {
			u.Why = l.Why
		}
		uses[l.Name] = u
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
		u.Cluster, u.Bytes, u.Limit = t.name, t.used, t.quota.Limit
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
				Output: output, Target: target, Rest: l.rest.Count, Moved: l.moved.Count, Cluster: l.cluster,
				Configured: src.configured, Pending: l.pending.Count, Found: l.found.Count,
				Appended: l.appended.Count, Returned: l.requeued.Count, Done: l.done.Count,
				Dropped: l.dropped.Count, Purged: l.purged.Count, Lost: l.lost.Count,
				Adopted: l.adopted.Count, Given: l.given.Count,
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

// counts sums up chunks. Bytes are those on disk.
type counts struct{ buffer.Count }

func (t *counts) add(events, size uint32) {
	t.Chunks++
	t.Events += int64(events)
	t.Bytes += int64(size)
}

func (t *counts) sub(events, size uint32) {
	t.Chunks--
	t.Events -= int64(events)
	t.Bytes -= int64(size)
}

func (t *counts) plus(o counts) {
	t.Chunks, t.Events, t.Bytes = t.Chunks+o.Chunks, t.Events+o.Events, t.Bytes+o.Bytes
}

func (t *counts) minus(o counts) {
	t.Chunks, t.Events, t.Bytes = t.Chunks-o.Chunks, t.Events-o.Events, t.Bytes-o.Bytes
}

// statistics is what the queue counts since its start; guarded by Queue.mu, but for latency.
type statistics struct {
	commits, batches uint64
	latency          metric.Histogram
	setAside         int
	lostEvents       int64
	duplicates       map[string]buffer.Duplicates
}

// Beats returns what the queue's loops are at, in the order committer, sealer, cleaner, and what reads for each output.
// It waits for no disk.
func (s *Queue) Beats() []heartbeat.Beat {
	all := []heartbeat.Beat{
		{Loop: "committer", State: s.commit.beat.State()},
		{Loop: "sealer", State: s.commit.sealBeat.State()},
		{Loop: "cleaner", State: s.clean.beat.State()},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, src := range s.sources {
		if src.configured {
			all = append(all, heartbeat.Beat{Loop: "output " + src.name + ": read", State: src.beat.State()})
		}
	}
	return all
}

// Ready returns why nothing can be stored now, nil where something can. It waits for no disk.
func (s *Queue) Ready() error {
	if err := s.place.Gone(); err != nil {
		return err
	}
	commit := heartbeat.Beat{State: s.commit.beat.State()}
	if err := commit.Slow(time.Now()); err != nil {
		return err
	}
	s.commit.mu.Lock()
	waiting := s.commit.Count
	s.commit.mu.Unlock()
	if full := s.commit.Limits.Why(waiting); full != "" {
		return errors.New(full)
	}
	return nil
}
