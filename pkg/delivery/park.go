package delivery

import (
	"maps"
	"slices"
	"sync"
	"unsafe"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// What parked events take in memory besides their bytes, generously.
const (
	eventCost = 128
	partCost  = 32
	chunkCost = 1 << 10
	lotCost   = 16 << 10 // a goroutine
)

// yard is where events wait to be sent again while the workers go on with others. It bounds their
// memory. A cluster with too much in it is held: the source hands out none of its chunks, so that
// what a destination refuses of one cluster stops only that one.
type yard struct {
	source Source
	limit  int // bytes of all, as far as chunks can be given back instead
	most   int // bytes of all: limit and the batches that may be in hand when every cluster is held
	share  int // bytes of a cluster above which it is held; all are held while they take half of limit

	mu    sync.Mutex
	bytes int
	plots map[string]*plot // by cluster; only those that have something parked
}

type plot struct {
	bytes int
	held  bool
}

func newYard(source Source, set *outputs.Common) *yard {
	size := int(set.Batch.MaxBytes)
	batch := size + min(set.Batch.MaxEvents, size/entryOverhead)*eventCost + 2*lotCost
	limit := set.Workers * size
	return &yard{source: source, limit: limit, most: limit + (set.Workers+2)*batch, share: size / 2, plots: map[string]*plot{}}
}

// enter makes room for the cost of each cluster, or returns false where it would be more than limit.
func (y *yard) enter(costs map[string]int, limit int) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	sum := 0
	for _, cost := range costs {
		sum += cost
	}
	if y.bytes+sum > limit {
		return false
	}
	y.bytes += sum
	for cluster, cost := range costs {
		if y.plots[cluster] == nil {
			y.plots[cluster] = new(plot)
		}
		y.plots[cluster].bytes += cost
	}
	y.hold()
	return true
}

// leave gives room back.
func (y *yard) leave(cluster string, cost int) {
	if cost == 0 {
		return // in flight
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.bytes -= cost
	y.plots[cluster].bytes -= cost
	y.hold()
	if y.plots[cluster].bytes == 0 {
		delete(y.plots, cluster)
	}
}

// hold tells the source which clusters to pass over now. y.mu is held.
func (y *yard) hold() {
	for cluster, p := range y.plots {
		want := p.bytes > y.share || p.bytes > 0 && y.bytes > y.limit/2
		switch {
		case want && !p.held:
			y.source.Hold(cluster)
		case !want && p.held:
			y.source.Release(cluster)
		}
		p.held = want
	}
}

// holds says whether the cluster is held.
func (y *yard) holds(cluster string) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	p := y.plots[cluster]
	return p != nil && p.held
}

// held returns the clusters that are held, in order.
func (y *yard) held() []string {
	y.mu.Lock()
	defer y.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(y.plots)) {
		if y.plots[name].held {
			names = append(names, name)
		}
	}
	return names
}

// park has goroutines of the loop carry w on, so that the worker is free for other events. What the
// output only paces waits apart from what failed. When much is parked, chunks of held clusters go
// back to the source, as far as nothing of them is settled; without room for the rest it returns
// false, and the worker itself carries that on.
func (s *sender) park(w *work) bool {
	y := s.loop.yard
	lots := w.lots()
	if !y.enter(costs(lots), y.limit) {
		s.putBack(w)
		if lots = w.lots(); !y.enter(costs(lots), y.most) {
			return false
		}
	}
	for i := range lots {
		lot := lots[i].detach()
		if lot.reason != outputs.ReasonPaced { // counted here, so that nothing seems settled while the goroutine begins
			lot.trying = true
			s.loop.tries(1)
		}
		s.loop.parts.Go(func() {
			l := sender{loop: s.loop, soft: s.soft, hard: s.hard, parked: true}
			l.deliver(lot)
		})
	}
	return true
}

// lots returns w in parts that are sent again apart from each other: what is paced, what failed, and of that what was not
// tried, each by target where the output says so.
func (w *work) lots() []work {
	var lots []work
	number := map[fate]int{} // in lots
	for i := range w.events {
		key := w.why[i]
		if key.reason == outputs.ReasonPaced {
			key = fate{reason: outputs.ReasonPaced, flight: key.flight}
		} else {
			key.reason = ""
		}
		at, known := number[key]
		if !known {
			at = len(lots)
			number[key] = at
			lots = append(lots, w.lot(key))
		}
		lots[at].events = append(lots[at].events, w.events[i])
	}
	if len(lots) == 1 {
		lots[0].events = w.events
	}
	return lots
}

// lot returns w without its events, for those of one kind.
func (w *work) lot(kind fate) work {
	lot := *w
	lot.events, lot.wait, lot.flight = nil, w.backoff, kind.flight
	if kind.reason == outputs.ReasonPaced {
		lot.wait, lot.reason = w.pace, outputs.ReasonPaced
	}
	if kind.untried {
		lot.tries, lot.fails, lot.failed = w.before.tries, w.before.fails, nil
	}
	return lot
}

// putBack gives chunks of held clusters back that nothing is settled of.
func (s *sender) putBack(w *work) {
	c, kept, at := cursor{held: w.chunks}, 0, 0
	for run := range byChunk(w.events) {
		h := c.find(run[0].Chunk)
		if h.untouched(len(run)) && s.loop.yard.holds(h.chunk.Cluster) {
			h.abandon(len(run))
		} else {
			copy(w.why[kept:], w.why[at:at+len(run)])
			kept += copy(w.events[kept:], run)
		}
		at += len(run)
	}
	w.events, w.why = w.events[:kept], w.why[:kept]
}

// costs returns what the lots take in memory, by cluster.
func costs(lots []work) map[string]int {
	all := map[string]int{}
	for i := range lots {
		if lots[i].flight {
			continue
		}
		first, c := lotCost, cursor{held: lots[i].chunks}
		for run := range byChunk(lots[i].events) {
			all[run[0].Chunk.Cluster] += first + cost(run) + costOfOrigins(c.find(run[0].Chunk), run)
			first = 0
		}
	}
	return all
}

// cost returns what a run of events takes in memory once it is detached.
func cost(run []event.Event) int {
	n := chunkCost + partCost*len(run[0].Chunk.Parts)
	for i := range run {
		n += eventCost + sizeOfEvent(&run[i])
		if i == 0 || !same(run[i].Group, run[i-1].Group) {
			n += len(run[i].Group)
		}
	}
	return n
}

// detach returns w with events and chunks that are not the batch's: each chunk's events have a
// memory of their own, which goes with the last of them.
func (w *work) detach() work {
	d := *w
	d.why, d.trying = nil, false
	d.events = slices.Clone(w.events)
	d.chunks = nil
	c, first := cursor{held: w.chunks}, lotCost
	for run := range byChunk(d.events) {
		h := c.find(run[0].Chunk)
		total := first + cost(run) + costOfOrigins(h, run)
		first = 0
		if w.flight {
			total = 0
		}
		kept := h.detach(run)
		own(run)
		d.chunks = append(d.chunks, h.park(len(run), kept, total))
	}
	return d
}

// own copies the bytes of events.
func own(run []event.Event) {
	n := 0
	for i := range run {
		n += len(run[i].Record) + len(run[i].Metadata)
		if i == 0 || !same(run[i].Group, run[i-1].Group) {
			n += len(run[i].Group)
		}
	}
	memory := make([]byte, 0, n)
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		from := len(memory)
		memory = append(memory, b...)
		return memory[from:len(memory):len(memory)]
	}
	var before, group []byte
	for i := range run {
		ev := &run[i]
		ev.Record, ev.Metadata = keep(ev.Record), keep(ev.Metadata)
		if i == 0 || !same(ev.Group, before) {
			before, group = ev.Group, keep(ev.Group)
		}
		ev.Group = group
	}
}

// same says whether a and b are the same bytes at the same place.
func same(a, b []byte) bool {
	return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b) //nolint:gosec // an address to compare, not to follow
}
