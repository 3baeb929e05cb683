package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	refill    = time.Second      // the wait after the source failed
	restAfter = 10 * time.Second // without a chunk, memory is given back
)

// batch is events to be sent together. held has their chunks in the events' order; events of one that
// come one after another share an entry.
type batch struct {
	events []event.Event
	held   []*held
	bytes  int
	memory arena // of what filters changed
}

// keepEvents is how many events a batch may have room for, however few it held.
const keepEvents = 4096

// reset empties b; the chunks' memory may be the source's again. Its own it keeps for the next batch,
// unless it has become far too large.
func (b *batch) reset() {
	if cap(b.events) > 4*max(len(b.events), keepEvents) {
		b.events, b.held = nil, nil
	}
	clear(b.events)
	clear(b.held)
	b.events, b.held, b.bytes = b.events[:0], b.held[:0], 0
	b.memory.reset()
}

// filler cuts the chunks of the source into batches.
type filler struct {
	*Loop
	soft, hard context.Context
	free       chan *batch
	ready      chan<- *batch

	b       *batch
	due     context.Context // ends when b has waited long enough
	stopDue context.CancelFunc
	h       *held // the chunk that is walked
	in      int   // events of h at the end of b that h does not know of yet
	sieve
}

// fill runs until soft ends. A chunk that it has begun then is finished, so that it need not be
// delivered twice, unless hard ends too.
func (l *Loop) fill(soft, hard context.Context, free chan *batch, ready chan<- *batch) {
	f := &filler{Loop: l, soft: soft, hard: hard, free: free, ready: ready}
	f.cur = new(origin)
	defer f.beat.Rest()
	for {
		if f.overdue() {
			f.release(false)
		}
		c, err := f.next()
		switch {
		case err == nil:
			f.chunk(c)
		case soft.Err() != nil:
			f.release(true)
			f.flush()
			return
		case f.overdue(): // above, then
		case f.b != nil: // the batch has waited long enough, or the source failed: below, then
			f.flush()
		case errors.Is(err, context.DeadlineExceeded): // almost overdue
		default:
			l.sourceFailed(err)
			f.beat.Rest()
			wait(soft, refill)
		}
	}
}

// next waits for a chunk, while a batch waits only until that is due, and while the rules hold events
// back only until these are.
func (f *filler) next() (*event.Chunk, error) {
	ctx := f.soft
	if f.b != nil {
		ctx = f.due
	} else {
		f.stall(func() { f.unpaused(ctx) })
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if until := f.until(); !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	if f.b == nil {
		busy, cancel := context.WithTimeout(ctx, restAfter)
		defer cancel()
		if c, err := f.take(busy); err == nil || busy.Err() == nil || ctx.Err() != nil {
			return c, err
		}
		f.shrink()
	}
	return f.take(ctx)
}

// take waits for a chunk. The queue tells of the disk that this may wait for.
func (f *filler) take(ctx context.Context) (*event.Chunk, error) {
	defer f.beat.Turn()
	f.beat.Rest()
	return f.source.Next(ctx)
}

// shrink gives back the memory of batches that are not in use.
func (f *filler) shrink() {
	for range len(f.free) {
		b := <-f.free // only the filler takes from it
		b.events, b.memory = nil, arena{}
		f.free <- b
	}
}

// chunk puts the events of c into batches.
func (f *filler) chunk(c *event.Chunk) {
	h := &held{loop: f.Loop, chunk: c, refs: 1, filtered: f.rules != nil && !f.rules.Plain(c.Cluster, c.Tag)}
	f.h = h
	if f.whole && f.cuts(c) {
		f.flush()
	}
	walk := f.walk
	if h.filtered {
		walk = f.sift
	}
	it := c.Iterator()
	seen, ok := walk(&it)
	f.share()
	f.h = nil
	switch {
	case !ok:
		h.abandon(1)
	case seen < c.Events:
		f.damaged(h, seen, it.Err())
	default:
		h.settle(1, nil)
	}
}

// cuts says whether the current batch may have room for a part of c only, which then would end where other chunks have it end.
func (f *filler) cuts(c *event.Chunk) bool {
	return f.b != nil && len(f.b.events) > 0 &&
		(f.b.bytes+len(c.Entries)+c.Events*entryOverhead > int(f.set.Batch.MaxBytes) || len(f.b.events)+c.Events > f.set.Batch.MaxEvents)
}

// walk puts the events of it, which are h's, into batches as they are. It returns how many there
// were, and false when hard ends before.
func (f *filler) walk(it *event.Iterator) (seen int, ok bool) {
	var ev event.Event
	for ; it.Next(&ev); seen++ {
		size := sizeOfEvent(&ev)
		if !f.room(size) {
			return seen, false
		}
		f.in++
		f.add(&ev, size)
	}
	return seen, true
}

// room makes room for size more bytes in the current batch, or begins the next. It returns false when
// hard ends before.
func (f *filler) room(size int) bool {
	if f.b != nil && len(f.b.events) > 0 && f.b.bytes+size > int(f.set.Batch.MaxBytes) {
		f.flush()
	}
	return f.b != nil || f.begin()
}

// add adds ev to the current batch, and hands that on when it is full.
func (f *filler) add(ev *event.Event, size int) {
	f.b.events = append(f.b.events, *ev)
	f.b.bytes += size
	if len(f.b.events) >= f.set.Batch.MaxEvents || f.b.bytes >= int(f.set.Batch.MaxBytes) {
		f.flush()
	}
}

// share notes the events of h at the end of the current batch.
func (f *filler) share() {
	if f.in == 0 {
		return
	}
	f.h.mu.Lock()
	f.h.refs += f.in
	f.h.mu.Unlock()
	f.b.held = append(f.b.held, f.h)
	f.in = 0
}

// begin starts a batch when there is room for one more. It returns false when hard ends first.
func (f *filler) begin() bool {
	f.stall(func() {
		select {
		case f.b = <-f.free:
		case <-f.hard.Done():
		}
	})
	if f.b == nil {
		return false
	}
	f.due, f.stopDue = context.WithTimeout(f.soft, f.set.Batch.MaxWait)
	return true
}

// flush hands the current batch, if any, to a worker.
func (f *filler) flush() {
	if f.b == nil {
		return
	}
	f.share()
	b := f.b
	f.b = nil
	f.stopDue()
	f.stall(func() { f.ready <- b }) // workers take batches until ready is closed, and end soon after hard does
}

// damaged makes a dead letter of what of h's chunk can't be read: all after the first seen events.
func (f *filler) damaged(h *held, seen int, err error) {
	c := h.chunk
	detail := "the chunk holds fewer events than were stored"
	if err != nil {
		detail = err.Error()
	}
	n := c.Events - seen
	f.log.Error().Str("cluster", c.Cluster).Str("tag", c.Tag).Uint64("chunk", c.Seq).Int("events", n).Str("error", detail).
		Msg("a stored chunk is damaged: what can't be read goes to the dead letters")
	f.flush() // what can be read does not wait for the dead letters
	s := sender{loop: f.Loop, soft: f.soft, hard: f.hard}
	letter := Letter{Chunk: c, Raw: after(c, seen), Events: n, Output: f.name, Reason: ReasonDamaged, Detail: detail}
	buried := false
	f.stall(func() { buried = s.bury([]Letter{letter}) })
	if !buried {
		h.abandon(1)
		return
	}
	h.settle(1, func(t *tally) { t.kill(ReasonDamaged, n) })
}

// after returns the entries of c behind the first n events.
func after(c *event.Chunk, n int) []byte {
	rest := c.Entries
	for n > 0 {
		var e event.Entry
		next, err := event.ReadEntry(rest, &e)
		if err != nil {
			break
		}
		if e.Kind == event.KindEvent {
			n--
		}
		rest = next
	}
	return rest
}
