package delivery

import (
	"slices"
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/rests"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// partSettler settles a chunk of which some events wait aside, and then finishes its reference.
type partSettler interface {
	settle(ref *chunkRef)
}

// counter is told what became of the events of a chunk that is done.
type counter interface {
	Settled(cluster string, c *outcome.Counts)
}

// chunkRef counts the references to a chunk that the loop has. They are the feeder's own, while it walks the chunk, one
// for each event in a batch, and one for each that the rules hold back; with the last one gone, the chunk goes back to
// the source: Done, or returned where an event of it was.
//
// Events that are sent again apart from their batch have a chunkRef of their own, a branch, which stands for their
// references to the chunk's. A made chunkRef is of an event that a filter made: the source knows nothing of its chunk,
// and nothing is counted. Safe for concurrent use.
type chunkRef struct {
	source  Source
	counter counter
	// parts is nil where nothing may wait aside.
	parts partSettler
	chunk *event.Chunk
	// number is ascending in the order in which chunks are walked.
	number uint64
	// filtered says that the rules had its events.
	filtered bool
	made     bool

	// trunk is the chunk's own, of a branch.
	trunk *chunkRef
	// size is how many references a branch stands for.
	size int
	// freed is called with the last reference of a branch.
	freed func()

	mu   sync.Mutex
	refs int
	// kept is how many of refs do not need the memory of the entries.
	kept int
	// shed says that the source has the memory of the entries back.
	shed bool
	// returned says that an event of it was.
	returned bool
	// dropped counts events that the rules dropped while the chunk was walked.
	dropped int
	counts  outcome.Counts
	// rests is what waits aside; nil: nothing does.
	rests *rests.Rests
	// after are to be called once the rests are stored, or are not.
	after []func(bool)
	// origins are those of events that are not in the entries as they were stored, by position.
	origins map[int][]*origin
}

// origin marks a stored event that the rules have, or had. While its chunk is walked it is the only one of its event
// and refers to the entries. Kept, it has a reference to the chunk of its own, which does not need the entries.
type origin struct {
	ref *chunkRef
	// ev is as it was stored.
	ev   event.Event
	kept bool
	// over says that the rules are done with it.
	over bool
	// track is nil where nobody looks.
	track Track
}

// keep copies the event out of the entries.
func (o *origin) keep() {
	ev := &o.ev
	ev.Record, ev.Metadata, ev.Group = slices.Clone(ev.Record), slices.Clone(ev.Metadata), slices.Clone(ev.Group)
	o.kept = true
}

// settle gives up the reference of a kept event, of which out became.
func (o *origin) settle(out outcome.Outcome) { o.ref.settle(out, 1, 1, 0) }

// acquire adds n references, kept of which do not need the entries.
func (r *chunkRef) acquire(n, kept int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refs += n
	r.kept += kept
}

// settle gives up n references, kept of which do not need the entries, to as many events, of which out became. size is
// the events' bytes.
func (r *chunkRef) settle(out outcome.Outcome, n, kept, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Count(out, n, size)
	r.returned = r.returned || out.IsReturned()
	r.drop(n, kept)
}

// passed notes what the rules dropped of the chunk's events while it was walked.
func (r *chunkRef) passed(c *outcome.Counts, dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Add(c)
	r.dropped += dropped
}

// walked gives up the feeder's own reference. Of the chunk's events n were not found; they became out.
func (r *chunkRef) walked(out outcome.Outcome, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Count(out, n, 0)
	r.returned = r.returned || out.IsReturned()
	r.drop(1, 0)
}

// drop takes off references and, with the last of them, ends the chunk. r.mu is held.
func (r *chunkRef) drop(n, kept int) {
	r.refs -= n
	if r.trunk == nil {
		r.kept -= kept
	}
	switch {
	case r.refs > 0:
		r.shedIfKept()
	case r.trunk != nil:
		r.freed()
		r.trunk.join(r)
	case r.made:
	case r.rests != nil && !r.returned:
		r.parts.settle(r)
	case r.returned:
		r.giveBack()
	default:
		r.counter.Settled(r.chunk.Cluster, &r.counts)
		r.source.Done(r.chunk)
	}
}

// giveBack returns the chunk. r.mu is held.
func (r *chunkRef) giveBack() {
	r.source.Return(r.chunk)
	r.tell(false)
}

// tell calls who waits for the rests. r.mu is held.
func (r *chunkRef) tell(stored bool) {
	for _, f := range r.after {
		f(stored)
	}
	r.after = nil
}

// settledInPart ends a chunk, of the cluster, that the source has settled but for the rests.
func (r *chunkRef) settledInPart(cluster string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counter.Settled(cluster, &r.counts)
	r.tell(true)
}

// abandon returns a chunk that could not be settled in part.
func (r *chunkRef) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.giveBack()
}

// count counts n events of which out became, whose references are given up already.
func (r *chunkRef) count(out outcome.Outcome, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Count(out, n, 0)
}

// setAside has ev, of which part makes the id, wait for the target. then is called once that is stored, or is not.
func (r *chunkRef) setAside(target string, ev *event.Event, part event.Part, then func(stored bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rests == nil {
		r.rests = new(rests.Rests)
	}
	r.rests.Add(target, ev, part)
	if then != nil {
		r.after = append(r.after, then)
	}
}

// shedIfKept gives the entries' memory back once nobody needs it. r.mu is held.
func (r *chunkRef) shedIfKept() {
	if r.refs == r.kept && !r.shed && !r.made {
		r.shed = true
		r.source.ReleaseEntries(r.chunk)
	}
}

// branch moves n references to a branch, for events whose bytes were copied. kept of them did not need the entries
// before. freed is called when the last of them is settled, before the chunk is.
func (r *chunkRef) branch(n, kept int, freed func()) *chunkRef {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept += n - kept
	r.shedIfKept()
	return &chunkRef{
		source: r.source, counter: r.counter, parts: r.parts, chunk: r.chunk, filtered: r.filtered, made: r.made,
		trunk: r, size: n, freed: freed, refs: n,
	}
}

// join ends a branch.
func (r *chunkRef) join(b *chunkRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Add(&b.counts)
	r.returned = r.returned || b.returned
	r.drop(b.size, b.size)
}

// untouched reports whether the n references are all that there are, and no event was delivered or became a dead letter
// before.
func (r *chunkRef) untouched(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trunk == nil && !r.made && r.refs == n && r.kept == 0 && n+r.dropped == r.chunk.Events
}

// begun reports whether an event of the chunk was delivered or became a dead letter.
func (r *chunkRef) begun() bool {
	r.mu.Lock()
	begun := r.counts.Delivered > 0 || len(r.counts.Dead) > 0 || r.rests != nil
	r.mu.Unlock()
	return begun || r.trunk != nil && r.trunk.begun()
}

// own returns the chunk's own chunkRef.
func (r *chunkRef) own() *chunkRef {
	if r.trunk != nil {
		return r.trunk
	}
	return r
}

// note has the event at pos stand for the origins.
func (r *chunkRef) note(pos int, origins []*origin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.origins == nil {
		r.origins = map[int][]*origin{}
	}
	r.origins[pos] = origins
}

// hasOrigins reports whether any event has some.
func (r *chunkRef) hasOrigins() bool {
	if !r.filtered {
		return false
	}
	r = r.own()
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.origins) > 0
}

// takeOrigins returns the origins of the event at pos for the last time, nil where it has none.
func (r *chunkRef) takeOrigins(pos int) []*origin {
	r = r.own()
	r.mu.Lock()
	defer r.mu.Unlock()
	origins := r.origins[pos]
	delete(r.origins, pos)
	return origins
}

// originsOf returns the origins of the event at pos, nil where it has none.
func (r *chunkRef) originsOf(pos int) []*origin {
	r = r.own()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.origins[pos]
}
