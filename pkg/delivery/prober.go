package delivery

import (
	"context"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/waiting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	// probeEvents is how many a target is tried with at most.
	probeEvents = 100
	// probesOnce is how many targets that are tried, or sent what waits for them, at once.
	probesOnce = 4
)

// prober sends what waits aside once its target takes events again: it tries with a few of the events, and when these
// are taken, all follow, in order.
type prober struct {
	sender  *sender
	targets *waiting.Targets[Source]
	control *pacing.Control
	counter counter
	spawn   func(func())
}

// run goes on until drain ends.
func (p *prober) run() {
	slots := make(chan struct{}, probesOnce)
	drain := p.control.Drain
	for {
		select {
		case slots <- struct{}{}:
		case <-drain.Done():
			return
		}
		one := p.next(drain)
		if one == nil {
			return
		}
		p.spawn(func() {
			p.send(one)
			<-slots
		})
	}
}

// next waits until a target is due; nil: ctx has ended.
func (p *prober) next(ctx context.Context) *waiting.Target[Source] {
	for ctx.Err() == nil {
		one, pause := p.targets.Due()
		if one != nil {
			return one
		}
		if pause <= 0 {
			pause = time.Hour
		}
		pacing.WaitFor(ctx, pause, p.targets.Changed())
	}
	return nil
}

// send tries the target, and sends it what waits for as long as it takes that.
func (p *prober) send(one *waiting.Target[Source]) {
	defer p.targets.Done(one)
	probe := true
	for p.control.Drain.Err() == nil && one.Source.Pending().Chunks > 0 {
		refs := p.take(one, probe)
		if len(refs) == 0 {
			return
		}
		if refs = p.expire(refs); len(refs) == 0 {
			continue
		}
		if !p.sendChunks(one, refs, probe) {
			return
		}
		probe = false
	}
}

// expire makes dead letters of what has waited for retry.max_age, and returns the other chunks.
func (p *prober) expire(refs []*chunkRef) (young []*chunkRef) {
	age := p.sender.set.Retry.MaxAge
	for _, ref := range refs {
		if age <= 0 || time.Since(ref.chunk.Received) < age {
			young = append(young, ref)
			continue
		}
		var letters []DeadLetter
		it, ev := ref.chunk.Iterator(), event.Event{}
		for it.Next(&ev) {
			f := outputs.Failure{Reason: outputs.ReasonTarget}
			letters = append(letters, p.sender.letter(&ev, &f, ReasonMaxAge, 0))
		}
		p.sender.dead.refuse(letters, []*chunkRef{ref})
	}
	return young
}

// take takes chunks that fill a batch, or one where it is a probe.
func (p *prober) take(one *waiting.Target[Source], probe bool) (refs []*chunkRef) {
	bytes, events := 0, 0
	set := &p.sender.set.Batch
	for len(refs) == 0 || !probe && one.Source.Pending().Chunks > int64(len(refs)) &&
		bytes < int(set.MaxBytes) && events < set.MaxEvents {
		c, err := one.Source.Next(p.control.Drain)
		if err != nil {
			break
		}
		ref := &chunkRef{source: one.Source, counter: p.counter, parts: p.sender.aside, chunk: c, refs: c.Events}
		bytes, events = bytes+len(c.Entries), events+c.Events
		refs = append(refs, ref)
	}
	return refs
}

// sendChunks sends the chunks' events. It returns false where the target refuses any, or the loop ends.
func (p *prober) sendChunks(one *waiting.Target[Source], refs []*chunkRef, probe bool) bool {
	var all []event.Event
	for _, ref := range refs {
		it, ev, n := ref.chunk.Iterator(), event.Event{}, 0
		for ; it.Next(&ev); n++ {
			all = append(all, ev)
		}
		if n < ref.chunk.Events {
			// The checksum was right, so this was never stored.
			c, lost := ref.chunk, ref.chunk.Events-n
			letter := DeadLetter{
				Chunk: c, Raw: c.Entries, Events: lost, Output: p.sender.name,
				Reason: ReasonDamaged, Detail: "what waited can't be read",
			}
			out := outcome.Dead(ReasonDamaged)
			if !p.sender.dead.add([]DeadLetter{letter}) {
				out = outcome.Returned()
			}
			ref.settle(out, lost, 0, 0)
		}
	}
	for len(all) > 0 {
		n := p.cut(all, probe)
		w := &work{events: all[:n:n], refs: refs, pooled: true, target: one}
		all, probe = all[n:], false
		p.sender.deliver(w)
		if w.turnedAway > 0 || p.control.Drain.Err() != nil {
			p.sender.giveBack(all, refs, one)
			return false
		}
		p.targets.Flows(one)
	}
	return true
}

// cut returns how many of the events are sent together.
func (p *prober) cut(events []event.Event, probe bool) int {
	most, bytes := min(len(events), p.sender.set.Batch.MaxEvents), 0
	if probe {
		most = min(most, probeEvents)
	}
	for i := range most {
		if bytes += sizeOfEvent(&events[i]); bytes > int(p.sender.set.Batch.MaxBytes) && i > 0 {
			return i
		}
	}
	return most
}
