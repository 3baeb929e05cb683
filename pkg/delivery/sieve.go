package delivery

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

const (
	maxHeldBack = 32 << 20              // what the rules hold back, by cost; above it they give out everything
	flushGap    = 20 * time.Millisecond // between calls of Flush for what is due
	maxLetters  = 1000                  // that are stored together
)

// sieve is the filler's part that takes events through the rules. The filler is their filter.Sink.
type sieve struct {
	ev       filter.Event
	cur      *origin // of the event that the rules are given
	now      time.Time
	lag      time.Duration // of the rules' clock, see clock
	flushed  time.Time     // when Flush was called last
	heldBack int           // cost of what the rules hold back
	dropped  tally         // of h
	count    int           // of dropped
	letters  []Letter
	doomed   []*origin // of letters
	ended    bool      // hard has: nothing comes into a batch any more
}

// clock returns the rules' time. It stands still while the filler can't go on, so that an outage of
// the destination does not tear apart what would have been joined.
func (f *filler) clock() time.Time { return time.Now().Add(-f.lag) }

// stall stops the rules' clock while wait runs.
func (f *filler) stall(wait func()) {
	since := time.Now()
	f.beat.Rest()
	wait()
	f.beat.Turn()
	f.lag += time.Since(since)
}

// until returns when something that the rules hold back is due; zero: nothing.
func (f *filler) until() time.Time {
	if f.rules == nil {
		return time.Time{}
	}
	due := f.rules.Due()
	if due.IsZero() {
		f.lag = 0
		return due
	}
	due = due.Add(f.lag)
	if earliest := f.flushed.Add(flushGap); due.Before(earliest) {
		return earliest
	}
	return due
}

func (f *filler) overdue() bool {
	until := f.until()
	return !until.IsZero() && !time.Now().Before(until)
}

// release puts into batches what the rules hold back and is due, or everything.
func (f *filler) release(everything bool) {
	if f.rules == nil {
		return
	}
	f.rules.Flush(f.clock(), everything, f)
	f.bury()
	f.flushed = time.Now()
}

// sift is walk through the rules.
func (f *filler) sift(it *event.Iterator) (seen int, ok bool) {
	f.now = f.clock()
	for ; !f.ended && it.Next(&f.cur.ev); seen++ {
		f.cur.h = f.h
		f.ev.Reset(&f.cur.ev, f.cur)
		f.rules.Process(&f.ev, f.now, f)
		if !f.cur.over {
			f.keep(f.cur)
		}
		if f.cur.kept {
			f.cur = new(origin)
		}
		f.cur.over = false
		if len(f.letters) >= maxLetters {
			f.bury()
		}
		if f.heldBack > maxHeldBack {
			f.release(true)
		}
	}
	f.bury()
	h := f.h
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.add(&f.dropped)
	h.dropped += f.count
	f.count = 0
	clear(f.dropped.dropped)
	return seen, !f.ended
}

// keep notes that the rules hold o's event back, or that it is settled only later.
func (f *filler) keep(o *origin) {
	if o.kept {
		return
	}
	o.keep()
	o.h.mu.Lock()
	o.h.refs++
	o.h.parked++
	o.h.mu.Unlock()
	f.heldBack += o.cost()
}

// finish keeps o's event, for which the rules have decided.
func (f *filler) finish(o *origin) {
	f.keep(o)
	o.over = true
	f.heldBack -= o.cost()
}

// Emit implements filter.Sink.
func (f *filler) Emit(e *filter.Event) {
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
func (f *filler) emitLate(e *filter.Event) {
	origins := make([]*origin, len(e.Origins))
	for i, mark := range e.Origins {
		o := mark.(*origin) //nolint:forcetypeassert // they are sift's
		f.finish(o)
		origins[i] = o
	}
	first := origins[0]
	first.h.note(first.ev.Pos, origins)
	stored := first.ev
	stored.Joined = joined(origins)
	if !f.put(e, &stored, first.h) {
		for _, o := range first.h.take(first.ev.Pos) {
			o.abandon()
		}
	}
}

// emitMade puts an event into a batch that a step made, about the stored event with its chunk and
// position. It has an id of its own. Delivered or not, it is counted nowhere and no dead letter.
func (f *filler) emitMade(e *filter.Event) {
	chunk := *e.Chunk
	chunk.Entries, chunk.Events = nil, 1
	id := append(e.AppendID([]byte("made of ")), e.Rendered()...)
	chunk.Parts = []event.Part{{Key: event.PartKeyOfChunk(chunk.Cluster, chunk.Tag, string(id)), Events: 1}}
	f.put(e, &event.Event{Chunk: &chunk}, &held{loop: f.Loop, chunk: &chunk, refs: 1, filtered: true, made: true})
}

// put adds e to a batch, as what has become of stored. h is stored's chunk where e has its reference
// already, else nil: it is of the chunk that is walked. It returns false when hard ends before.
func (f *filler) put(e *filter.Event, stored *event.Event, h *held) bool {
	record := e.Rendered()
	size := len(record) + len(e.Metadata) + entryOverhead
	if f.ended || !f.room(size) {
		f.ended = true
		return false
	}
	ev := *stored
	ev.Time, ev.Tag = e.Time, e.Tag
	ev.Record, ev.Metadata, ev.Group = f.copy(record, stored.Record), f.copy(e.Metadata, stored.Metadata), f.copy(e.Group, stored.Group)
	if h == nil {
		f.in++
	} else {
		f.share()
		f.b.held = append(f.b.held, h)
	}
	f.add(&ev, size)
	return true
}

// copy copies b to the memory of the batch, unless it is stored's.
func (f *filler) copy(b, stored []byte) []byte {
	if same(b, stored) {
		return stored
	}
	return f.b.memory.copy(b)
}

// Dropped implements filter.Sink.
func (f *filler) Dropped(mark any, reason string) {
	o := mark.(*origin) //nolint:forcetypeassert // it is sift's
	if !o.kept {
		o.over = true
		f.dropped.drop(reason)
		f.count++
		return
	}
	f.finish(o)
	o.settle(func(t *tally) { t.drop(reason) })
}

// Dead implements filter.Sink. The letters have the events as they were stored, so that those that
// are sent again pass the filters again.
func (f *filler) Dead(e *filter.Event, reason string) {
	for _, mark := range e.Origins {
		o := mark.(*origin) //nolint:forcetypeassert // it is sift's
		f.finish(o)
		f.doomed = append(f.doomed, o)
		l := Letter{Event: &o.ev, Chunk: o.ev.Chunk, Events: 1, Output: f.name, Reason: reason, Detail: e.Detail}
		if reason == filter.ReasonUnrouted {
			l.Output = "" // sent again, it is for the routes to say where it goes
		}
		f.letters = append(f.letters, l)
	}
}

// bury stores the letters.
func (f *filler) bury() {
	if len(f.letters) == 0 {
		return
	}
	f.refused(f.letters, false)
	buried := !f.ended
	if buried && f.dead.Bury(f.hard, f.letters) != nil {
		f.flush() // what can be sent does not wait for the dead letters
		f.stall(func() { buried = (&sender{loop: f.Loop, soft: f.soft, hard: f.hard}).bury(f.letters) })
	}
	for i, o := range f.doomed {
		if reason := f.letters[i].Reason; buried {
			o.settle(func(t *tally) { t.kill(reason, 1) })
		} else {
			o.abandon()
		}
	}
	f.ended = f.ended || !buried
	clear(f.letters)
	clear(f.doomed)
	f.letters, f.doomed = f.letters[:0], f.doomed[:0]
}
