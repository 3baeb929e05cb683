// Package memory is a queue that ends with the process, for tests of what stores into a queue and delivers from one. It
// keeps the contract but for what outlives a process, compresses nothing, and remembers no resends. A chunk's memory is
// destroyed when it is given back, so that a test shows who reads it after that.
package memory

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/fair"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter/memory"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// quantum is what a cluster may take of an output before the next one's turn, in bytes.
const quantum = 1 << 20

// Queue is a buffer.Queue in memory.
type Queue struct {
	now  func() time.Time
	dead memory.Store

	mu sync.Mutex
	// changed is closed when there is something new, or room.
	changed chan struct{}
	closed  bool
	seq     uint64
	limits  buffer.Limits
	// stored is ascending, and wanted by somebody.
	stored  []*stored
	sources map[name]*source
	// requeued is by dead letter.
	requeued  map[uint64]bool
	batches   uint64
	waiting   int
	whyFull   string
	clusterOf map[string]int64 // bytes that wait
}

// name is of what waits for an output, or aside for a target of it.
type name struct{ output, target string }

// stored is a chunk that somebody wants.
type stored struct {
	chunk  event.Chunk
	wanted map[*source]bool
	// out is what is handed out of it.
	out   map[*source]*event.Chunk
	again map[*source]bool
}

func (c *stored) size() int64 { return int64(len(c.chunk.Entries)) }

func (c *stored) count() buffer.Count {
	return buffer.Count{Chunks: 1, Events: int64(c.chunk.Events), Bytes: c.size()}
}

// takeBack ends that a chunk is handed out to src, and destroys it.
func (c *stored) takeBack(src *source) {
	if out := c.out[src]; out != nil {
		delete(c.out, src)
		clear(out.Entries)
		clear(out.Parts)
		*out = event.Chunk{}
	}
}

// Open returns an empty queue. Of cfg it heeds the limits.
func Open(cfg buffer.Config, o buffer.Options) (*Queue, error) {
	q := &Queue{
		now: o.Now, changed: make(chan struct{}), sources: map[name]*source{}, requeued: map[uint64]bool{},
		clusterOf: map[string]int64{},
		limits:    cfg.Limits(o.OutputLimits, o.ClusterLimits, o.ClusterWhenFull),
	}
	if q.now == nil {
		q.now = time.Now
	}
	q.dead.SetLimits(cfg.DeadLetters)
	return q, nil
}

// wake wakes all who wait. q.mu is held.
func (q *Queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// NewBatch implements buffer.Queue.
func (q *Queue) NewBatch(uint64) buffer.Batch { return &batch{q: q} }

// Settle implements buffer.Queue.
func (*Queue) Settle(uint64, int, bool) {}

// Gone implements buffer.Queue.
func (*Queue) Gone(uint64) {}

// MaxChunk implements buffer.Queue.
func (*Queue) MaxChunk() int { return math.MaxInt32 }

// ID implements buffer.Queue.
func (*Queue) ID() [16]byte { return [16]byte{1} }

// Capabilities implements buffer.Queue.
func (*Queue) Capabilities() buffer.Capabilities { return buffer.Capabilities{ReturnsInOrder: true} }

// DeadLetters implements buffer.Queue.
func (q *Queue) DeadLetters() deadletter.Store { return &q.dead }

// Beats implements buffer.Queue.
func (*Queue) Beats() []heartbeat.Beat { return nil }

// Ready implements buffer.Queue.
func (q *Queue) Ready() error {
	if full := q.Stats().Full; full != "" {
		return fmt.Errorf("%w: %s", buffer.ErrFull, full)
	}
	return nil
}

// SetLimits implements buffer.Queue.
func (q *Queue) SetLimits(to buffer.Limits) {
	q.dead.SetLimits(to.DeadLetters)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limits = to
	q.wake()
}

// Close implements buffer.Queue.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.wake()
	}
	return nil
}

// append stores a chunk for the sources. q.mu is held.
func (q *Queue) append(c event.Chunk, kind func(*partition) *buffer.Count, names ...name) {
	q.seq++
	c.Seq = q.seq
	if c.Received.IsZero() {
		c.Received = q.now()
	}
	for i := range c.Parts {
		if c.Parts[i].Key == ([16]byte{}) {
			c.Parts[i].Key = event.PartKeyOfSeq(q.ID(), c.Seq, i)
		}
	}
	s := &stored{chunk: c, wanted: map[*source]bool{}, out: map[*source]*event.Chunk{}, again: map[*source]bool{}}
	for _, n := range names {
		src := q.source(n)
		s.wanted[src] = true
		p := src.partition(c.Cluster)
		add(&p.appended, s.count())
		if kind != nil {
			add(kind(p), s.count())
		}
		src.enlist(p)
	}
	if len(names) > 0 {
		q.stored = append(q.stored, s)
		q.clusterOf[c.Cluster] += s.size()
	}
	q.wake()
}

// forget ends that src wants s, and counts it. q.mu is held.
func (q *Queue) forget(s *stored, src *source, fate *buffer.Count) {
	add(fate, s.count())
	delete(s.wanted, src)
	s.takeBack(src)
	if len(s.wanted) == 0 {
		i, _ := slices.BinarySearchFunc(q.stored, s.chunk.Seq, func(
			o *stored, seq uint64,
		) int {
			return int(int64(o.chunk.Seq) - int64(seq))
		})
		q.stored = slices.Delete(q.stored, i, i+1)
		q.clusterOf[s.chunk.Cluster] -= s.size()
	}
	q.wake()
}

func add(to *buffer.Count, n buffer.Count) {
	to.Chunks, to.Events, to.Bytes = to.Chunks+n.Chunks, to.Events+n.Events, to.Bytes+n.Bytes
}

// Purge implements buffer.Queue.
func (q *Queue) Purge(output string) buffer.Count { return q.purge(name{output: output}) }

// PurgeWaiting implements buffer.Queue.
func (q *Queue) PurgeWaiting(output, target string) buffer.Count {
	return q.purge(name{output, target})
}

func (q *Queue) purge(n name) (gone buffer.Count) {
	q.mu.Lock()
	defer q.mu.Unlock()
	src := q.source(n)
	for _, s := range slices.Clone(q.stored) {
		if s.wanted[src] && s.out[src] == nil {
			add(&gone, s.count())
			q.forget(s, src, &src.partition(s.chunk.Cluster).purged)
		}
	}
	return gone
}

// Requeue implements buffer.Queue.
func (q *Queue) Requeue(ctx context.Context, items []buffer.RequeueItem) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	items = slices.DeleteFunc(slices.Clone(items), func(it buffer.RequeueItem) bool { return q.requeued[it.ID] })
	for i := range items {
		it := &items[i]
		if why, _ := q.full(it.Cluster, it.Outputs, int64(len(it.Entries))); why != "" {
			return fmt.Errorf("%w: %s", buffer.ErrFull, why)
		}
	}
	if q.closed || ctx.Err() != nil {
		return buffer.ErrClosed
	}
	for i := range items {
		it := &items[i]
		q.requeued[it.ID] = true
		q.append(event.Chunk{
			Cluster: it.Cluster, Tag: it.Tag, Events: it.Part.Events, Entries: slices.Clone(it.Entries),
			Parts: []event.Part{it.Part}, Returned: !it.Routed,
		}, func(p *partition) *buffer.Count { return &p.returned }, namesOf(it.Outputs)...)
	}
	return nil
}

func namesOf(outputs []string) (all []name) {
	for _, o := range outputs {
		all = append(all, name{output: o})
	}
	return all
}

// ForgetRequeued implements buffer.Queue.
func (q *Queue) ForgetRequeued(ids []uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range ids {
		delete(q.requeued, id)
	}
	return nil
}

// full returns why there is no room for n bytes, and what may be dropped to make some. q.mu is held.
func (q *Queue) full(cluster string, outputs []string, n int64) (why string, whose func(*stored) bool) {
	used := int64(0)
	for _, bytes := range q.clusterOf {
		used += bytes
	}
	if q.limits.MaxSize > 0 && used > 0 && used+n > q.limits.MaxSize {
		return fmt.Sprintf("%d bytes are used, buffer.max_size is %d", used, q.limits.MaxSize), func(
			*stored,
		) bool {
			return true
		}
	}
	if limit, used := q.limits.Clusters[cluster], q.clusterOf[cluster]; limit > 0 && used > 0 && used+n > limit {
		return fmt.Sprintf("cluster %s's max_queue_size is %d", cluster, limit), func(
			s *stored,
		) bool {
			return s.chunk.Cluster == cluster
		}
	}
	for _, o := range outputs {
		src := q.source(name{output: o})
		if limit, used := q.limits.Outputs[o], src.pending().Bytes; limit > 0 && used > 0 && used+n > limit {
			return fmt.Sprintf("output %s's max_queue_size is %d", o, limit), func(
				s *stored,
			) bool {
				return s.wanted[src]
			}
		}
	}
	return "", nil
}

// drop drops the oldest chunk that nobody has been handed and whose chooses; false: there is none. q.mu is held.
func (q *Queue) drop(whose func(*stored) bool) bool {
	for _, s := range q.stored {
		if whose(s) && len(s.out) == 0 {
			for src := range s.wanted {
				q.forget(s, src, &src.partition(s.chunk.Cluster).dropped)
			}
			return true
		}
	}
	return false
}

// Stats implements buffer.Queue.
func (q *Queue) Stats() buffer.Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	st := buffer.Stats{
		Duplicates: map[string]buffer.Duplicates{}, Dead: q.dead.Stats(), MaxBytes: q.limits.MaxSize,
		Batches: q.batches, Commits: q.batches, Waiting: q.waiting,
	}
	if q.waiting > 0 {
		st.Full = q.whyFull
	}
	st.WaitingBytes, _ = q.aside()
	st.MaxWaiting = q.waitingLimit()
	for cluster, bytes := range q.clusterOf {
		st.Bytes += bytes
		st.Clusters = append(st.Clusters, buffer.ClusterUse{
			Cluster: cluster, Bytes: bytes, Limit: q.limits.Clusters[cluster],
		})
	}
	slices.SortFunc(st.Clusters, func(a, b buffer.ClusterUse) int { return strings.Compare(a.Cluster, b.Cluster) })
	for _, src := range q.sources {
		for cluster, p := range src.partitions {
			w := buffer.Wait{
				Output: src.name.output, Target: src.name.target, Cluster: cluster, Configured: src.asked,
				Appended: p.appended,
				Returned: p.returned, Rest: p.rest, Moved: p.moved, Done: p.done, Dropped: p.dropped, Purged: p.purged,
			}
			for _, s := range q.stored {
				if s.wanted[src] && s.chunk.Cluster == cluster {
					add(&w.Pending, s.count())
					if w.Oldest.IsZero() {
						w.Oldest = s.chunk.Received
					}
				}
			}
			st.Waits = append(st.Waits, w)
		}
	}
	slices.SortFunc(st.Waits, func(a, b buffer.Wait) int {
		return strings.Compare(a.Output+"\x00"+a.Target+"\x00"+a.Cluster, b.Output+"\x00"+b.Target+"\x00"+b.Cluster)
	})
	return st
}

// source returns what waits under the name. q.mu is held.
func (q *Queue) source(n name) *source {
	src := q.sources[n]
	if src == nil {
		src = &source{q: q, name: n, partitions: map[string]*partition{}, ring: fair.NewRing[*partition](quantum)}
		q.sources[n] = src
	}
	return src
}

// Source implements buffer.Queue.
func (q *Queue) Source(output string) buffer.Source { return q.Waiting(output, "") }

// Waiting implements buffer.Queue.
func (q *Queue) Waiting(output, target string) buffer.Source {
	q.mu.Lock()
	defer q.mu.Unlock()
	src := q.source(name{output, target})
	src.asked = true
	return src
}

var _ buffer.Queue = (*Queue)(nil)
