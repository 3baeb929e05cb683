package jetstream

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// state is what changes while the queue runs. Guarded by mu.
type state struct {
	mu     sync.Mutex
	closed bool
	ready  bool  // the stream is there
	health error // why nothing can be stored
	limits buffer.Limits
	// changed is closed when there may be room, when a message that others wait for is stored, or when all ends.
	changed chan struct{}

	accounts
	waiting    int               // batches that are not stored yet
	why        map[string]string // clusters whose batches wait for room, and why
	whyFull    string            // of the whole queue
	streamFull bool              // the stream has refused the last message because of its own limit
	batches    uint64
	repeated   map[string]buffer.Duplicates
	inDoubt    map[resend.Key]doubt
	requeued   map[uint64]string // letters that are in the queue again, and under which note

	owed map[uint64]owed // told by Owed, and not given yet

	sources map[sourceName]*source
	pullers map[string]*partition // by subject and by inbox, for what comes in
	pulls   uint64
	// barriers are closed when they come back: see Queue.barrier.
	barriers map[string]chan struct{}
	words    []word // that are to be sent
	// unconfirmed are acks, by their tokens; acks counts them, and allConfirmed, where there is one, is closed once all
	// are confirmed.
	unconfirmed  map[string]unconfirmed
	acks         uint64
	allConfirmed chan struct{}
}

// accounts is what was counted.
type accounts struct {
	own      ledger.Table // by this process
	others   ledger.Table // by all others, and by those that are gone
	baseline ledger.Table // by all, when this process began
	flight   map[subject.Place]int64
	usage    usage
	// since is since when something has waited at a place, as far as known.
	since map[subject.Place]time.Time
}

// doubt is the id under which a message may have been stored.
type doubt struct {
	id    string
	until time.Time
}

func (s *state) init(limits buffer.Limits) {
	s.limits, s.changed = limits, make(chan struct{})
	s.own, s.others, s.baseline = ledger.Table{}, ledger.Table{}, ledger.Table{}
	s.flight, s.since = map[subject.Place]int64{}, map[subject.Place]time.Time{}
	s.usage = newUsage()
	s.why, s.repeated = map[string]string{}, map[string]buffer.Duplicates{}
	s.inDoubt, s.requeued = map[resend.Key]doubt{}, map[uint64]string{}
	s.owed = map[uint64]owed{}
	s.sources, s.pullers = map[sourceName]*source{}, map[string]*partition{}
	s.barriers, s.unconfirmed = map[string]chan struct{}{}, map[string]unconfirmed{}
}

// wakeAll wakes all who wait for room, or for another message. mu is held.
func (s *state) wakeAll() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// usage is how many bytes wait, or are about to: of the whole group, but for what others have stored since they told
// last.
type usage struct {
	total    int64
	clusters map[string]int64
	outputs  map[string]int64 // without what waits aside
}

func newUsage() usage { return usage{clusters: map[string]int64{}, outputs: map[string]int64{}} }

func (u *usage) add(p subject.Place, bytes int64) {
	u.total += bytes
	u.clusters[p.Cluster] += bytes
	if p.Target == "" {
		u.outputs[p.Output] += bytes
	}
}

// count notes n more of the kind. mu is held.
func (s *state) count(p subject.Place, k ledger.Kind, n buffer.Count) {
	c := s.own.At(p)
	before := c.Pending().Bytes
	c[k] = ledger.Plus(c[k], n, 1)
	if after := c.Pending().Bytes; after != before {
		s.usage.add(p, after-before)
		if after < before {
			s.wakeAll()
		}
	}
}

// pending returns what waits at the place. mu is held.
func (s *state) pending(p subject.Place) buffer.Count {
	var n buffer.Count
	for _, t := range []ledger.Table{s.own, s.others} {
		if c := t[p]; c != nil {
			n = ledger.Plus(n, c.Pending(), 1)
		}
	}
	if n.Chunks <= 0 {
		// Who has stored the last of it has not told yet.
		return buffer.Count{}
	}
	return buffer.Count{Chunks: n.Chunks, Events: max(0, n.Events), Bytes: max(0, n.Bytes)}
}

// places calls f for each place that was ever counted. mu is held.
func (s *state) places(f func(subject.Place)) {
	for p := range s.own {
		f(p)
	}
	for p := range s.others {
		if s.own[p] == nil {
			f(p)
		}
	}
}

// learn takes over what others have counted. mu is held.
func (s *state) learn(others ledger.Table) {
	s.others = others
	s.usage = newUsage()
	s.places(func(p subject.Place) { s.usage.add(p, s.pending(p).Bytes) })
	for p, bytes := range s.flight {
		s.usage.add(p, bytes)
	}
	s.wakeAll()
}

// aside returns how much waits aside, and for how many targets. mu is held.
func (s *state) aside() (bytes int64, targets int) {
	seen := map[sourceName]bool{}
	s.places(func(p subject.Place) {
		if p.Target == "" {
			return
		}
		n := s.pending(p)
		if bytes += n.Bytes; n.Chunks > 0 {
			seen[sourceName{p.Output, p.Target}] = true
		}
	})
	return bytes, len(seen)
}

// maxSize is buffer.max_size in force. mu is held.
func (q *Queue) maxSize() int64 {
	return cmp.Or(q.limits.MaxSize, maxSize(&q.cfg))
}

// waitingLimit is how much may wait aside. mu is held.
func (q *Queue) waitingLimit() int64 { return cmp.Or(q.limits.Waiting, q.maxSize()/4) }

// SetLimits implements buffer.Queue. Of the sizes, those on disk are left to the servers.
func (q *Queue) SetLimits(to buffer.Limits) {
	q.dead.SetLimits(to.DeadLetters)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limits = to
	q.wakeAll()
}

// Ready implements buffer.Queue.
func (q *Queue) Ready() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.state.closed:
		return buffer.ErrClosed
	case q.health != nil:
		return q.health
	case q.waiting > 0 && q.whyFull != "":
		return fmt.Errorf("%w: %s", buffer.ErrFull, q.whyFull)
	}
	return nil
}

// Stats implements buffer.Queue. What is counted is the whole group's, since this process began; what others have
// counted comes a second or two later.
func (q *Queue) Stats() buffer.Stats {
	dead := q.dead.Stats()
	q.mu.Lock()
	defer q.mu.Unlock()
	st := buffer.Stats{
		Duplicates: map[string]buffer.Duplicates{}, Dead: dead, MaxBytes: q.maxSize(), Batches: q.batches,
		Commits: q.batches, CommitLatency: q.latency.Snapshot(), Waiting: q.waiting, Bytes: max(0, q.usage.total),
		MaxWaiting: q.waitingLimit(),
	}
	st.WaitingBytes, _ = q.aside()
	if q.waiting > 0 {
		st.Full = q.whyFull
	}
	for cluster, d := range q.repeated {
		st.Duplicates[cluster] = d
	}
	for cluster, bytes := range q.usage.clusters {
		st.Clusters = append(st.Clusters, buffer.ClusterUse{
			Cluster: cluster, Bytes: max(0, bytes), Limit: q.limits.Clusters[cluster], Why: q.why[cluster],
		})
	}
	slices.SortFunc(st.Clusters, func(a, b buffer.ClusterUse) int { return strings.Compare(a.Cluster, b.Cluster) })
	q.places(func(p subject.Place) { st.Waits = append(st.Waits, q.wait(p)) })
	for n, src := range q.sources {
		for cluster := range src.partitions {
			p := subject.Place{Output: n.output, Target: n.target, Cluster: cluster}
			if q.own[p] == nil && q.others[p] == nil {
				st.Waits = append(st.Waits, buffer.Wait{
					Output: n.output, Target: n.target, Cluster: cluster, Configured: src.asked,
				})
			}
		}
	}
	slices.SortFunc(st.Waits, func(a, b buffer.Wait) int {
		return cmp.Or(strings.Compare(a.Output, b.Output), strings.Compare(a.Target, b.Target),
			strings.Compare(a.Cluster, b.Cluster))
	})
	return st
}

// wait returns what was counted of a place since this process began. mu is held.
func (q *Queue) wait(p subject.Place) buffer.Wait {
	var all ledger.Counts
	for _, t := range []ledger.Table{q.own, q.others} {
		if c := t[p]; c != nil {
			for k := range all {
				all[k] = ledger.Plus(all[k], c[k], 1)
			}
		}
	}
	found := buffer.Count{}
	if c := q.baseline[p]; c != nil {
		found = c.Pending()
		for k := range all {
			all[k] = ledger.Plus(all[k], c[k], -1)
		}
	}
	w := buffer.Wait{
		Output: p.Output, Target: p.Target, Cluster: p.Cluster, Found: ledger.Plus(found, all[ledger.Found], 1),
		Appended: all[ledger.Appended], Returned: all[ledger.Returned], Rest: all[ledger.Rest],
		Adopted: all[ledger.Adopted], Done: all[ledger.Done], Moved: all[ledger.Moved], Given: all[ledger.Given], Dropped: all[ledger.Dropped],
		Purged: all[ledger.Purged], Lost: all[ledger.Lost], Pending: q.pending(p),
	}
	src := q.sources[sourceName{p.Output, p.Target}]
	w.Configured = src != nil && src.asked
	if w.Pending.Chunks == 0 {
		delete(q.since, p)
		return w
	}
	w.Oldest = q.since[p]
	if w.Oldest.IsZero() {
		w.Oldest = q.now()
		q.since[p] = w.Oldest
	}
	if src != nil {
		if part := src.partitions[p.Cluster]; part != nil {
			if at := part.oldest(); !at.IsZero() {
				w.Oldest = at
			}
		}
	}
	return w
}

// Pending returns what is not finished of a source. mu is held.
func (q *Queue) pendingOf(n sourceName) (sum buffer.Count) {
	q.places(func(p subject.Place) {
		if p.Output == n.output && p.Target == n.target {
			sum = ledger.Plus(sum, q.pending(p), 1)
		}
	})
	return sum
}
