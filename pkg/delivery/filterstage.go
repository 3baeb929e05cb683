package delivery

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
)

const (
	// maxHeldBack is what the rules hold back, by cost; above it they give out everything.
	maxHeldBack = 32 << 20
	// flushGap is between calls of Flush for what is due.
	flushGap = 20 * time.Millisecond
	// maxLetters is how many are stored together.
	maxLetters = 1000
)

// emitter takes the events that are to be sent. See batcher.
type emitter interface {
	// slot returns where an event of size bytes goes, and the memory for bytes of its own. After nil the loop must end.
	slot(size int) (*event.Event, *arena)
	// add takes in the event that was put there. It is of the chunk of ref, and has its reference where it is referred.
	add(ref *chunkRef, referred bool, size int)
	// flush sends what there is.
	flush()
}

// filterStage takes events through the rules. What these hold back is copied, so that its chunk's memory is free; a
// chunk is not Done before its last event that was held back is settled. It is the rules' filter.Sink. One goroutine
// uses it.
type filterStage struct {
	// name is that of the output.
	name  string
	rules *rules.Rules
	// tap is nil where nobody looks.
	tap   Tap
	clock *pauseClock
	out   emitter
	dead  *deadLetterSink

	// ref is the chunk that is walked.
	ref *chunkRef
	ev  filter.Event
	// cur is the origin of the event that the rules are given.
	cur *origin
	// flushed is when Flush was called last.
	flushed time.Time
	// heldBack is the cost of what the rules hold back.
	heldBack int
	// dropped counts what the rules dropped of ref.
	dropped outcome.Counts
	// count is how many dropped counts.
	count   int
	letters []DeadLetter
	// deadOrigins are the origins of letters.
	deadOrigins []*origin
	// ended says that the loop must end: nothing comes into a batch any more.
	ended bool
}

// applies reports whether the rules have anything to do with the chunk's events.
func (f *filterStage) applies(c *event.Chunk) bool { return !f.rules.Plain(c.Cluster, c.Tag) }

// until returns when something that the rules hold back is due; zero: nothing.
func (f *filterStage) until() time.Time {
	due := f.rules.Due()
	if due.IsZero() {
		f.clock.lag = 0
		return due
	}
	due = due.Add(f.clock.lag)
	if earliest := f.flushed.Add(flushGap); due.Before(earliest) {
		return earliest
	}
	return due
}

// release puts into batches what the rules hold back and is due, or everything.
func (f *filterStage) release(everything bool) {
	f.rules.Flush(f.clock.now(), everything, f)
	f.addLetters()
	f.flushed = time.Now()
}

// walk takes the events of it, which are ref's, through the rules. It returns how many there were, and false when the
// loop must end before.
func (f *filterStage) walk(ref *chunkRef, it *event.Iterator) (seen int, ok bool) {
	f.ref = ref
	now := f.clock.now()
	if f.tap != nil && f.tap.Watching() {
		f.tap.Look(ref.chunk)
	}
	for ; !f.ended && it.Next(&f.cur.ev); seen++ {
		f.cur.ref, f.cur.track = ref, nil
		f.ev.Reset(&f.cur.ev, f.cur)
		f.rules.Process(&f.ev, now, f)
		if !f.cur.over {
			f.keep(f.cur)
		}
		if f.cur.kept {
			f.cur = new(origin)
		}
		f.cur.over = false
		if len(f.letters) >= maxLetters {
			f.addLetters()
		}
		if f.heldBack > maxHeldBack {
			f.release(true)
		}
	}
	f.addLetters()
	ref.passed(&f.dropped, f.count)
	f.ref, f.count = nil, 0
	clear(f.dropped.Dropped)
	return seen, !f.ended
}

// keep notes that the rules hold o's event back, or that it is settled only later.
func (f *filterStage) keep(o *origin) {
	if o.kept {
		return
	}
	o.keep()
	o.ref.acquire(1, 1)
	f.heldBack += costOfOrigin(o)
}

// finish keeps o's event, for which the rules have decided.
func (f *filterStage) finish(o *origin) {
	f.keep(o)
	o.over = true
	f.heldBack -= costOfOrigin(o)
}

// Emit implements filter.Sink.
func (f *filterStage) Emit(e *filter.Event) {
	switch {
	case len(e.Origins) == 0:
		f.emitMade(e)
	case len(e.Origins) == 1 && e.Origins[0] == any(f.cur) && !f.cur.kept:
		f.cur.over = true
		f.put(e, &f.cur.ev, nil)
	default:
		f.emitLate(e)
	}
}

// emitLate puts an event into a batch that was held back, or stands for several.
func (f *filterStage) emitLate(e *filter.Event) {
	origins := make([]*origin, len(e.Origins))
	for i, mark := range e.Origins {
		o := mark.(*origin) //nolint:forcetypeassert // they are walk's
		f.finish(o)
		origins[i] = o
		if i > 0 {
			o.ended(&o.ev, JoinedEvent, "", "")
		}
	}
	first := origins[0]
	if first.track != nil {
		first.track.Joins(len(origins))
	}
	first.ref.note(first.ev.Pos, origins)
	stored := first.ev
	stored.Joined = joined(origins)
	if !f.put(e, &stored, first.ref) {
		for _, o := range first.ref.takeOrigins(first.ev.Pos) {
			o.settle(outcome.Returned())
		}
	}
}

// emitMade puts an event into a batch that a step made, about the stored event with its chunk and
// position. It has an id of its own. Delivered or not, it is counted nowhere and no dead letter.
func (f *filterStage) emitMade(e *filter.Event) {
	chunk := *e.Chunk
	chunk.Entries, chunk.Events = nil, 1
	id := append(e.AppendID([]byte("made of ")), e.Rendered()...)
	chunk.Parts = []event.Part{{Key: event.PartKeyOfChunk(chunk.Cluster, chunk.Tag, string(id)), Events: 1}}
	f.put(e, &event.Event{Chunk: &chunk}, &chunkRef{chunk: &chunk, refs: 1, filtered: true, made: true})
}

// put adds e to a batch, as what has become of stored. ref is stored's chunk where e has its reference
// already, else nil: it is of the chunk that is walked. It returns false when the loop must end before.
func (f *filterStage) put(e *filter.Event, stored *event.Event, ref *chunkRef) bool {
	if f.ended {
		return false
	}
	record := e.Rendered()
	size := len(record) + len(e.Metadata) + entryOverhead
	ev, memory := f.out.slot(size)
	if ev == nil {
		f.ended = true
		return false
	}
	*ev = *stored
	ev.Time, ev.Tag = e.Time, e.Tag
	ev.Record = copyChanged(memory, record, stored.Record)
	ev.Metadata = copyChanged(memory, e.Metadata, stored.Metadata)
	ev.Group = copyChanged(memory, e.Group, stored.Group)
	if ref == nil {
		f.out.add(f.ref, false, size)
	} else {
		f.out.add(ref, true, size)
	}
	return true
}

// copyChanged copies b to memory, unless it is stored's.
func copyChanged(memory *arena, b, stored []byte) []byte {
	if same(b, stored) {
		return stored
	}
	return memory.copy(b)
}

// Dropped implements filter.Sink.
func (f *filterStage) Dropped(mark any, reason string) {
	o := mark.(*origin) //nolint:forcetypeassert // it is walk's
	if o.kept {
		o.ended(&o.ev, DroppedEvent, reason, "")
	} else {
		o.endedAs(&f.ev, DroppedEvent, reason)
	}
	if !o.kept {
		o.over = true
		f.dropped.Count(outcome.Dropped(reason), 1, 0)
		f.count++
		return
	}
	f.finish(o)
	o.settle(outcome.Dropped(reason))
}

// Dead implements filter.Sink. The letters have the events as they were stored, so that those that
// are sent again pass the filters again.
func (f *filterStage) Dead(e *filter.Event, reason string) {
	for _, mark := range e.Origins {
		o := mark.(*origin) //nolint:forcetypeassert // it is walk's
		o.endedAs(e, DeadEvent, reason)
		f.finish(o)
		f.deadOrigins = append(f.deadOrigins, o)
		l := DeadLetter{
			Event: &o.ev, Chunk: o.ev.Chunk, Events: 1, Output: f.name, Reason: reason, Detail: e.Detail,
		}
		if reason == rules.ReasonUnrouted {
			// Sent again, it is for the routes to say where it goes.
			l.Output = ""
		}
		f.letters = append(f.letters, l)
	}
}

// addLetters stores the letters.
func (f *filterStage) addLetters() {
	if len(f.letters) == 0 {
		return
	}
	added := !f.ended && f.dead.addFiltered(f.letters, func(add func()) {
		// What can be sent does not wait for the dead letters.
		f.out.flush()
		f.clock.pause(add)
	})
	for i, o := range f.deadOrigins {
		if added {
			o.settle(outcome.Dead(f.letters[i].Reason))
		} else {
			o.settle(outcome.Returned())
		}
	}
	f.ended = f.ended || !added
	clear(f.letters)
	clear(f.deadOrigins)
	f.letters, f.deadOrigins = f.letters[:0], f.deadOrigins[:0]
}
