package jetstream

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/account"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/broadcast"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/setup"
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
	// changed wakes when there may be room, when a message that others wait for is stored, or when all ends.
	changed broadcast.Signal

	book *account.Book
	// agrees says that the servers had as many chunks as the book when they were asked last.
	agrees bool
	// since is since when something has waited at a place, as far as known, and first since when anything has anywhere.
	since map[subject.Place]time.Time
	first time.Time
	crowd
	batches  uint64
	repeated map[string]buffer.Duplicates
	inDoubt  map[resend.Key]doubt
	requeued map[uint64]string // letters that are in the queue again, and under which note

	owed map[uint64]owed // told by Owed, and not given yet

	sources map[sourceName]*source
	pullers map[string]*partition // by subject and by inbox, for what comes in
	pulls   uint64
	// barriers are closed when they come back: see Queue.barrier.
	barriers map[string]chan struct{}
}

// crowd is what waits for room.
type crowd struct {
	waiting    int               // batches that are not stored yet
	why        map[string]string // clusters whose batches wait for room, and why
	whyFull    string            // of the whole queue
	streamFull bool              // the stream has refused the last message because of its own limit
}

// doubt is the id under which a message may have been stored.
type doubt struct {
	id    string
	until time.Time
}

func (s *state) init(limits buffer.Limits) {
	s.limits = limits
	s.book, s.since = account.NewBook(), map[subject.Place]time.Time{}
	s.why, s.repeated = map[string]string{}, map[string]buffer.Duplicates{}
	s.inDoubt, s.requeued = map[resend.Key]doubt{}, map[uint64]string{}
	s.owed = map[uint64]owed{}
	s.sources, s.pullers = map[sourceName]*source{}, map[string]*partition{}
	s.barriers = map[string]chan struct{}{}
}

// count notes n more of the kind. mu is held.
func (s *state) count(p subject.Place, k ledger.Kind, n buffer.Count) {
	if s.book.Count(p, k, n) {
		s.changed.Wake()
	}
}

// learn takes over what others have counted. mu is held.
func (s *state) learn(others ledger.Table) {
	s.book.Learn(others)
	s.changed.Wake()
}

// maxSize is buffer.max_size in force. mu is held.
func (q *Queue) maxSize() int64 {
	return cmp.Or(q.limits.MaxSize, setup.MaxSize(&q.cfg))
}

// waitingLimit is how much may wait aside. mu is held.
func (q *Queue) waitingLimit() int64 { return cmp.Or(q.limits.Waiting, q.maxSize()/4) }

// SetLimits implements buffer.Queue. Of the sizes, those on disk are left to the servers.
func (q *Queue) SetLimits(to buffer.Limits) {
	q.dead.SetLimits(to.DeadLetters)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limits = to
	q.changed.Wake()
}

// Ready implements buffer.Queue.
func (q *Queue) Ready() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
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
	bytes, clusters := q.book.Bytes()
	st := buffer.Stats{
		Duplicates: map[string]buffer.Duplicates{}, Dead: dead, MaxBytes: q.maxSize(), Batches: q.batches,
		Commits: q.batches, CommitLatency: q.latency.Snapshot(), Waiting: q.waiting, Bytes: max(0, bytes),
		MaxWaiting: q.waitingLimit(),
	}
	st.WaitingBytes, _ = q.book.Aside()
	if q.waiting > 0 {
		st.Full = q.whyFull
	}
	for cluster, d := range q.repeated {
		st.Duplicates[cluster] = d
	}
	for cluster, bytes := range clusters {
		st.Clusters = append(st.Clusters, buffer.ClusterUse{
			Cluster: cluster, Bytes: max(0, bytes), Limit: q.limits.Clusters[cluster], Why: q.why[cluster],
		})
	}
	slices.SortFunc(st.Clusters, func(a, b buffer.ClusterUse) int { return strings.Compare(a.Cluster, b.Cluster) })
	q.book.Places(func(p subject.Place) { st.Waits = append(st.Waits, q.wait(p)) })
	for n, src := range q.sources {
		for cluster := range src.partitions {
			p := subject.Place{Output: n.output, Target: n.target, Cluster: cluster}
			if !q.book.Known(p) {
				st.Waits = append(st.Waits, buffer.Wait{
					Output: n.output, Target: n.target, Cluster: cluster, Configured: src.asked,
				})
			}
		}
	}
	account.SortWaits(st.Waits)
	return st
}

// wait returns what was counted of a place since this process began. mu is held.
func (q *Queue) wait(p subject.Place) buffer.Wait {
	w := q.book.Wait(p)
	src := q.sources[sourceName{p.Output, p.Target}]
	w.Configured = src != nil && src.asked
	if w.Pending.Chunks == 0 {
		delete(q.since, p)
		return w
	}
	w.Oldest = q.since[p]
	if w.Oldest.IsZero() {
		w.Oldest = q.now()
	}
	if w.Oldest.Before(q.first) {
		w.Oldest = q.first
	}
	q.since[p] = w.Oldest
	if src != nil {
		if part := src.partitions[p.Cluster]; part != nil {
			if at := part.oldest(); !at.IsZero() {
				w.Oldest = at
			}
		}
	}
	return w
}
