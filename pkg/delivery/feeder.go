package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// refill is the wait after the source failed.
	refill = time.Second
	// restAfter is how long no chunk comes before memory is given back.
	restAfter = 10 * time.Second
)

// feeder takes chunks from the source and has their events cut into batches, through the rules where there are any.
// One goroutine uses it.
type feeder struct {
	// name is that of the output.
	name   string
	source Source
	// whole is as outputs.WholeChunker has it.
	whole   bool
	control *pacing.Control
	clock   *pauseClock
	// stage is nil where there are no rules.
	stage   *filterStage
	batcher *batcher
	dead    *deadLetterSink
	rec     *stats.Recorder
	aside   partSettler
	// chunks counts those taken so far.
	chunks uint64
}

// run goes on until drain ends. A chunk that it has begun then is finished, so that it need not be
// delivered twice, unless force ends too.
func (f *feeder) run() {
	defer f.clock.beat.Rest()
	for {
		if f.overdue() {
			f.stage.release(false)
		}
		c, err := f.next()
		switch {
		case err == nil:
			f.chunk(c)
		case f.control.Drain.Err() != nil:
			if f.stage != nil {
				f.stage.release(true)
			}
			f.batcher.flush()
			return
		case f.overdue():
			// It is sent above, then.
		case f.batcher.b != nil:
			// The batch has waited long enough, or the source failed: below, then.
			f.batcher.flush()
		case errors.Is(err, context.DeadlineExceeded):
			// Almost overdue.
		default:
			f.rec.SourceFailed(err, refill)
			f.clock.beat.Rest()
			pacing.Wait(f.control.Drain, refill)
		}
	}
}

// until returns when something that the rules hold back is due; zero: nothing.
func (f *feeder) until() time.Time {
	if f.stage == nil {
		return time.Time{}
	}
	return f.stage.until()
}

func (f *feeder) overdue() bool {
	until := f.until()
	return !until.IsZero() && !time.Now().Before(until)
}

// next waits for a chunk, while a batch waits only until that is due, and while the rules hold events
// back only until these are.
func (f *feeder) next() (*event.Chunk, error) {
	ctx := f.control.Drain
	if f.batcher.b != nil {
		ctx = f.batcher.due
	} else {
		f.clock.pause(func() { f.control.Unpaused(ctx) })
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if until := f.until(); !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	if f.batcher.b == nil {
		busy, cancel := context.WithTimeout(ctx, restAfter)
		defer cancel()
		if c, err := f.take(busy); err == nil || busy.Err() == nil || ctx.Err() != nil {
			return c, err
		}
		f.batcher.shrink()
	}
	return f.take(ctx)
}

// take waits for a chunk. The queue tells of the disk that this may wait for.
func (f *feeder) take(ctx context.Context) (*event.Chunk, error) {
	defer f.clock.beat.Turn()
	f.clock.beat.Rest()
	return f.source.Next(ctx)
}

// chunk puts the events of c into batches.
func (f *feeder) chunk(c *event.Chunk) {
	filtered := f.stage != nil && !c.Filtered && f.stage.applies(c)
	f.chunks++
	ref := &chunkRef{
		source: f.source, counter: f.rec, parts: f.aside, chunk: c, number: f.chunks, refs: 1, filtered: filtered,
	}
	if f.whole && !f.batcher.fits(c) {
		f.batcher.flush()
	}
	it := c.Iterator()
	walk := f.walk
	if ref.filtered {
		walk = f.stage.walk
	}
	seen, ok := walk(ref, &it)
	f.batcher.share()
	switch {
	case !ok:
		ref.walked(outcome.Returned(), 0)
	case seen < c.Events:
		f.damaged(ref, seen, it.Err())
	default:
		ref.walked(outcome.Delivered(), 0)
	}
}

// walk puts the events of it, which are ref's, into batches as they are. It returns how many there
// were, and false when the loop must end before.
func (f *feeder) walk(ref *chunkRef, it *event.Iterator) (seen int, ok bool) {
	var ev event.Event
	for ; it.Next(&ev); seen++ {
		if !f.batcher.put(ref, &ev) {
			return seen, false
		}
	}
	return seen, true
}

// damaged makes a dead letter of what of the chunk of ref can't be read: all after the first seen events.
func (f *feeder) damaged(ref *chunkRef, seen int, err error) {
	c := ref.chunk
	detail := "the chunk holds fewer events than were stored"
	if err != nil {
		detail = err.Error()
	}
	n := c.Events - seen
	f.rec.Log.Error().Str("cluster", c.Cluster).Str("tag", c.Tag).Uint64("chunk", c.Seq).Int("events", n).
		Str("error", detail).Msg("a stored chunk is damaged: what can't be read goes to the dead letters")
	// What can be read does not wait for the dead letters.
	f.batcher.flush()
	letter := DeadLetter{
		Chunk: c, Raw: after(c, seen), Events: n, Output: f.name, Reason: ReasonDamaged, Detail: detail,
	}
	added := false
	f.clock.pause(func() { added = f.dead.add([]DeadLetter{letter}) })
	if !added {
		ref.walked(outcome.Returned(), 0)
		return
	}
	ref.walked(outcome.Dead(ReasonDamaged), n)
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
