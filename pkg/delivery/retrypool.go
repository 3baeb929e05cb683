package delivery

import (
	"maps"
	"slices"
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// itemCost is what work that is sent again apart takes in memory besides its events, generously: a goroutine.
const itemCost = 16 << 10

// retryPool is where events wait to be sent again while the workers go on with others. It bounds their
// memory. A cluster with too much in it is throttled: the source hands out none of its chunks, so that
// what a destination refuses of one cluster stops only that one. Safe for concurrent use.
type retryPool struct {
	source Source
	// limit counts bytes of all, as far as chunks can be given back instead.
	limit int
	// most counts bytes of all: limit and the batches that may be in hand when every cluster is throttled.
	most int
	// perCluster counts bytes of a cluster above which it is throttled; all are while they take half of limit.
	perCluster int

	mu    sync.Mutex
	bytes int
	// shares are by cluster; only those that have something in the pool.
	shares map[string]*share
}

// share is what a cluster has in the pool.
type share struct {
	bytes     int
	throttled bool
}

func newRetryPool(source Source, set *outputs.Common) *retryPool {
	size := int(set.Batch.MaxBytes)
	batch := size + min(set.Batch.MaxEvents, size/entryOverhead)*eventCost + 2*itemCost
	limit := set.Workers * size
	return &retryPool{
		source: source, limit: limit, most: limit + (set.Workers+2)*batch, perCluster: size / 2,
		shares: map[string]*share{},
	}
}

// take returns the events of w as items that are to be sent again apart from what else the caller delivers, and leaves
// none in w. What the output only paces is apart from what failed. When there is much in the pool, chunks of throttled
// clusters go back to the source, as far as nothing of them is settled; without room for the rest it stays in w, and
// the caller itself carries it on.
func (p *retryPool) take(w *work) []*work {
	items := w.items()
	if !p.reserve(costs(items), p.limit) {
		p.putBack(w)
		if items = w.items(); !p.reserve(costs(items), p.most) {
			return nil
		}
	}
	for _, item := range items {
		p.detach(item)
	}
	w.events = nil
	return items
}

// reserve makes room for the cost of each cluster, or returns false where it would be more than limit.
func (p *retryPool) reserve(costs map[string]int, limit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := 0
	for _, cost := range costs {
		sum += cost
	}
	if p.bytes+sum > limit {
		return false
	}
	p.bytes += sum
	for cluster, cost := range costs {
		if p.shares[cluster] == nil {
			p.shares[cluster] = new(share)
		}
		p.shares[cluster].bytes += cost
	}
	p.throttle()
	return true
}

// release gives room back.
func (p *retryPool) release(cluster string, cost int) {
	if cost == 0 {
		// It is in flight.
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes -= cost
	p.shares[cluster].bytes -= cost
	p.throttle()
	if p.shares[cluster].bytes == 0 {
		delete(p.shares, cluster)
	}
}

// throttle tells the source which clusters to pass over now. p.mu is held.
func (p *retryPool) throttle() {
	for cluster, s := range p.shares {
		want := s.bytes > p.perCluster || s.bytes > 0 && p.bytes > p.limit/2
		switch {
		case want && !s.throttled:
			p.source.Hold(cluster)
		case !want && s.throttled:
			p.source.Release(cluster)
		}
		s.throttled = want
	}
}

// throttles reports whether the cluster is throttled.
func (p *retryPool) throttles(cluster string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shares[cluster]
	return s != nil && s.throttled
}

// throttled returns the clusters that are, in order.
func (p *retryPool) throttled() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(p.shares)) {
		if p.shares[name].throttled {
			names = append(names, name)
		}
	}
	return names
}

// putBack gives chunks of throttled clusters back that nothing is settled of.
func (p *retryPool) putBack(w *work) {
	c, kept, at := cursor{refs: w.refs}, 0, 0
	for run := range byChunk(w.events) {
		ref := c.find(run[0].Chunk)
		if ref.untouched(len(run)) && p.throttles(ref.chunk.Cluster) {
			ref.settle(outcome.Returned(), len(run), 0, 0)
		} else {
			copy(w.last.why[kept:], w.last.why[at:at+len(run)])
			kept += copy(w.events[kept:], run)
		}
		at += len(run)
	}
	w.events, w.last.why = w.events[:kept], w.last.why[:kept]
}

// costs returns what the items take in memory, by cluster.
func costs(items []*work) map[string]int {
	all := map[string]int{}
	for _, item := range items {
		eachCost(item, func(_ *chunkRef, run []event.Event, cost int) {
			if cost > 0 {
				all[run[0].Chunk.Cluster] += cost
			}
		})
	}
	return all
}

// eachCost calls f for the events of each chunk in item, with what they take in memory.
func eachCost(item *work, f func(ref *chunkRef, run []event.Event, cost int)) {
	first, c := itemCost, cursor{refs: item.refs}
	for run := range byChunk(item.events) {
		ref := c.find(run[0].Chunk)
		if item.last.flight {
			f(ref, run, 0)
			continue
		}
		f(ref, run, first+cost(ref, run))
		first = 0
	}
}

// detach gives item references that are not the batch's: each chunk's events have a
// memory of their own, which goes with the last of them.
func (p *retryPool) detach(item *work) {
	var refs []*chunkRef
	eachCost(item, func(ref *chunkRef, run []event.Event, cost int) {
		refs = append(refs, detach(ref, run, func() { p.release(ref.chunk.Cluster, cost) }))
	})
	item.refs = refs
}
