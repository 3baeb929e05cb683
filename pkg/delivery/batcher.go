package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// batch is events to be sent together. refs has their chunks in the events' order; events of one that
// come one after another share an entry.
type batch struct {
	events []event.Event
	refs   []*chunkRef
	bytes  int
	// memory has what filters changed.
	memory arena
}

// keepEvents is how many events a batch may have room for, however few it held.
const keepEvents = 4096

// reset empties b; the chunks' memory may be the source's again. Its own it keeps for the next batch,
// unless it has become far too large.
func (b *batch) reset() {
	if cap(b.events) > 4*max(len(b.events), keepEvents) {
		b.events, b.refs = nil, nil
	}
	clear(b.events)
	clear(b.refs)
	b.events, b.refs, b.bytes = b.events[:0], b.refs[:0], 0
	b.memory.reset()
}

// pauseClock is the rules' time. It stands still while the feeder can't go on, so that an outage of
// the destination does not tear apart what would have been joined.
type pauseClock struct {
	lag time.Duration
	// beat is that of the feeder's goroutine.
	beat heartbeat.Loop
}

func (c *pauseClock) now() time.Time { return time.Now().Add(-c.lag) }

// pause stops the clock while wait runs.
func (c *pauseClock) pause(wait func()) {
	since := time.Now()
	c.beat.Rest()
	wait()
	c.beat.Turn()
	c.lag += time.Since(since)
}

// batcher cuts events into batches and hands these on, full or after batch.max_wait. One goroutine uses it.
type batcher struct {
	set     *outputs.Common
	control *pacing.Control
	clock   *pauseClock
	// free and those that are in use are all that there are.
	free  chan *batch
	ready chan<- *batch

	// b is the current one; nil: none was begun.
	b *batch
	// due ends when b has waited long enough.
	due     context.Context
	stopDue context.CancelFunc
	// ref is the chunk's, of the last events of b.
	ref *chunkRef
	// owed is how many references to them ref does not know of yet.
	owed int
}

// fits reports whether the current batch has room for all of c; true also where it is empty, so that what no batch can
// hold is cut.
func (b *batcher) fits(c *event.Chunk) bool {
	if b.b == nil || len(b.b.events) == 0 {
		return true
	}
	bytes := b.b.bytes + len(c.Entries) + c.Events*entryOverhead
	return bytes <= int(b.set.Batch.MaxBytes) && len(b.b.events)+c.Events <= b.set.Batch.MaxEvents
}

// room makes room for size more bytes in the current batch, or begins the next. It returns false when
// the loop must end before.
func (b *batcher) room(size int) bool {
	if b.b != nil && len(b.b.events) > 0 && b.b.bytes+size > int(b.set.Batch.MaxBytes) {
		b.flush()
	}
	return b.b != nil || b.begin()
}

// put puts ev, of the chunk of ref, into a batch as it is. It returns false when the loop must end before.
func (b *batcher) put(ref *chunkRef, ev *event.Event) bool {
	size := sizeOfEvent(ev)
	if !b.room(size) {
		return false
	}
	b.b.events = append(b.b.events, *ev)
	b.add(ref, false, size)
	return true
}

// slot implements emitter.
func (b *batcher) slot(size int) (*event.Event, *arena) {
	if !b.room(size) {
		return nil, nil
	}
	n := len(b.b.events)
	b.b.events = slices.Grow(b.b.events, 1)[:n+1]
	return &b.b.events[n], &b.b.memory
}

// add implements emitter. It hands the batch on when it is full. ref knows of an event that was not referred once
// share, or flush, was called.
func (b *batcher) add(ref *chunkRef, referred bool, size int) {
	switch {
	case referred:
		b.share()
		b.b.refs = append(b.b.refs, ref)
	case b.ref != ref:
		b.share()
		b.ref, b.owed = ref, 1
	default:
		b.owed++
	}
	b.b.bytes += size
	if len(b.b.events) >= b.set.Batch.MaxEvents || b.b.bytes >= int(b.set.Batch.MaxBytes) {
		b.flush()
	}
}

// share tells the chunk of the last events of their references.
func (b *batcher) share() {
	if b.owed > 0 {
		b.ref.acquire(b.owed, 0)
		b.b.refs = append(b.b.refs, b.ref)
	}
	b.ref, b.owed = nil, 0
}

// begin starts a batch when there is room for one more. It returns false when the loop must end first.
func (b *batcher) begin() bool {
	b.clock.pause(func() {
		select {
		case b.b = <-b.free:
		case <-b.control.Force.Done():
		}
	})
	if b.b == nil {
		return false
	}
	b.due, b.stopDue = context.WithTimeout(b.control.Drain, b.set.Batch.MaxWait)
	return true
}

// flush hands the current batch, if any, to a worker.
func (b *batcher) flush() {
	if b.b == nil {
		return
	}
	b.share()
	full := b.b
	b.b = nil
	b.stopDue()
	// Workers take batches until ready is closed, and end soon after a force does.
	b.clock.pause(func() { b.ready <- full })
}

// shrink gives back the memory of batches that are not in use.
func (b *batcher) shrink() {
	for range len(b.free) {
		// Nobody else takes from it.
		unused := <-b.free
		unused.events, unused.memory = nil, arena{}
		b.free <- unused
	}
}

const (
	blockSize = 256 << 10
	// Larger pieces have memory of their own, which is not kept.
	ownBlock = blockSize / 8
)

// arena is memory for many pieces that are given back together.
type arena struct {
	blocks [][]byte
	// at is the block that is being filled.
	at int
}

// copy returns a copy of b.
func (a *arena) copy(b []byte) []byte {
	if len(b) > ownBlock {
		return slices.Clone(b)
	}
	if a.at < len(a.blocks) && len(a.blocks[a.at])+len(b) > blockSize {
		a.at++
	}
	if a.at == len(a.blocks) {
		a.blocks = append(a.blocks, make([]byte, 0, blockSize))
	}
	from := len(a.blocks[a.at])
	block := append(a.blocks[a.at], b...)
	a.blocks[a.at] = block
	return block[from:len(block):len(block)]
}

// reset gives all copies back.
func (a *arena) reset() {
	for i := range a.blocks {
		a.blocks[i] = a.blocks[i][:0]
	}
	a.at = 0
}
