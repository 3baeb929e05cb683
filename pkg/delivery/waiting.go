package delivery

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// fullFor is how long events of a target that may not have more waiting become dead letters before one is tried to be
// stored again.
const fullFor = 5 * time.Second

const (
	// maxWaiting is how many targets of an output wait by themselves; what goes to more of them waits together.
	maxWaiting = 1000
	// otherTargets is the name that these have. A target may be called so, too.
	otherTargets = "(others)"
)

// waitingTarget is what is known of a target that events wait for. Guarded by waitingTargets.mu, but for source.
type waitingTarget struct {
	stats.WaitingTarget
	source Source
	// busy says that somebody tries it.
	busy    bool
	fullTil time.Time
}

// waitingTargets knows which targets events wait for, and when each is tried next. Safe for concurrent use.
type waitingTargets struct {
	// name is that of the output.
	name  string
	aside Aside
	set   *outputs.Common
	wake  chan struct{} // has one where the next time has changed

	// some says that there are some.
	some atomic.Bool

	mu  sync.Mutex
	all map[string]*waitingTarget
}

func newWaitingTargets(name string, a Aside, set *outputs.Common) *waitingTargets {
	t := &waitingTargets{name: name, aside: a, set: set, wake: make(chan struct{}, 1), all: map[string]*waitingTarget{}}
	if a != nil {
		for _, target := range a.Targets() {
			t.arrived(target)
		}
	}
	return t
}

// enabled reports whether anything may wait aside.
func (t *waitingTargets) enabled() bool { return t.aside != nil }

// of returns what is known of the target, from now on. t.mu is held.
func (t *waitingTargets) of(target string) (one *waitingTarget, isNew bool) {
	if one := t.all[target]; one != nil {
		return one, false
	}
	one = &waitingTarget{source: t.aside.Waiting(target)}
	one.Target, one.Since = target, time.Now()
	t.all[target] = one
	t.some.Store(true)
	return one, true
}

// place returns the name under which events for the target wait: its own, unless too many wait already. t.mu is held.
func (t *waitingTargets) place(target string) string {
	if t.all[target] == nil && len(t.all) >= maxWaiting {
		return otherTargets
	}
	return target
}

// arrived notes that something waits for the target; it is tried soon.
func (t *waitingTargets) arrived(target string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, isNew := t.of(target)
	if one.Full = false; isNew {
		one.Next = time.Now()
		t.poke()
	}
}

// refused notes that the target has refused an event for its state, so that it is tried again only after a while. It
// reports whether that is new, and under which name its events wait.
func (t *waitingTargets) refused(f *outputs.Failure) (place string, isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	place = t.place(f.Target)
	one, isNew := t.of(place)
	one.Status, one.Kind, one.Detail, one.Remedy = f.Status, f.Kind, f.Detail, f.Remedy
	if one.Partial = f.Partial && (isNew || one.Partial); isNew {
		one.Next = time.Now().Add(pacing.Backoff(t.set.Retry, 1, outputs.ReasonTarget, 0))
		t.poke()
	}
	return place, isNew
}

// full notes that no more may wait for the target.
func (t *waitingTargets) full(target string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, isNew := t.of(target)
	if one.Full, one.fullTil = true, time.Now().Add(fullFor); isNew {
		one.Next = time.Now()
		t.poke()
	}
}

// holds reports whether events of the target are to wait without being sent, and whether no more of them may wait.
func (t *waitingTargets) holds(target []byte) (wait, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.all[string(target)]
	wait = one != nil && !one.Partial
	return wait, wait && time.Now().Before(one.fullTil)
}

// isFull reports whether no more events may wait for the target.
func (t *waitingTargets) isFull(target string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.all[target]
	return one != nil && time.Now().Before(one.fullTil)
}

// letter returns a dead letter of ev, which may not wait for the target.
func (t *waitingTargets) letter(ev *event.Event, target string) DeadLetter {
	l := DeadLetter{Event: ev, Chunk: ev.Chunk, Events: 1, Output: t.name, Reason: ReasonTargetWaits}
	t.mu.Lock()
	defer t.mu.Unlock()
	if one := t.all[target]; one != nil {
		l.Status = one.Status
		l.Detail = cmp.Or(one.Detail, one.Kind)
	}
	return l
}

// due returns a target that is to be tried now, and is the caller's until done; nil: none is, and the next one is after
// the wait, if that is not 0.
func (t *waitingTargets) due() (one *waitingTarget, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var first *waitingTarget
	for _, one := range t.all {
		if !one.busy && (first == nil || one.Next.Before(first.Next)) {
			first = one
		}
	}
	if first == nil {
		return nil, 0
	}
	if wait := first.Next.Sub(now); wait > 0 {
		return nil, wait
	}
	first.busy = true
	return first, 0
}

// flows notes that the target takes events again.
func (t *waitingTargets) flows(one *waitingTarget) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one.Flowing, one.Full, one.Tries, one.fullTil = true, false, 0, time.Time{}
}

// done ends a try. Where nothing waits any more, the target is forgotten; else it is tried again after a while.
func (t *waitingTargets) done(one *waitingTarget) {
	empty := one.source.Pending().Chunks == 0
	t.mu.Lock()
	defer t.mu.Unlock()
	one.busy, one.Flowing = false, false
	if empty {
		delete(t.all, one.Target)
		t.some.Store(len(t.all) > 0)
		return
	}
	one.Tries++
	one.Next = time.Now().Add(pacing.Backoff(t.set.Retry, one.Tries, outputs.ReasonTarget, 0))
	t.poke()
}

// retry has the target tried at once, or all of them where it is "".
func (t *waitingTargets) retry(target string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, one := range t.all {
		if target == "" || name == target {
			one.Next = time.Now()
		}
	}
	t.poke()
}

// poke wakes who waits for the next one that is due.
func (t *waitingTargets) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// list returns all targets that events wait for, ascending.
func (t *waitingTargets) list() []stats.WaitingTarget {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []stats.WaitingTarget
	for _, name := range slices.Sorted(maps.Keys(t.all)) {
		one := t.all[name].WaitingTarget
		if t.all[name].busy {
			one.Next = time.Time{}
		}
		one.Detail = outputs.Whole(one.Detail)
		list = append(list, one)
	}
	return list
}

const (
	probeEvents = 100 // that a target is tried with, at most
	// probesOnce is how many targets that are tried, or sent what waits for them, at once.
	probesOnce = 4
)

// prober sends what waits aside once its target takes events again: it tries with a few of the events, and when these
// are taken, all follow, in order.
type prober struct {
	sender  *sender
	targets *waitingTargets
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
func (p *prober) next(ctx context.Context) *waitingTarget {
	for ctx.Err() == nil {
		one, pause := p.targets.due()
		if one != nil {
			return one
		}
		if pause <= 0 {
			pause = time.Hour
		}
		pacing.WaitFor(ctx, pause, p.targets.wake)
	}
	return nil
}

// send tries the target, and sends it what waits for as long as it takes that.
func (p *prober) send(one *waitingTarget) {
	defer p.targets.done(one)
	probe := true
	for p.control.Drain.Err() == nil && one.source.Pending().Chunks > 0 {
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
func (p *prober) take(one *waitingTarget, probe bool) (refs []*chunkRef) {
	bytes, events := 0, 0
	set := &p.sender.set.Batch
	for len(refs) == 0 || !probe && one.source.Pending().Chunks > int64(len(refs)) &&
		bytes < int(set.MaxBytes) && events < set.MaxEvents {
		c, err := one.source.Next(p.control.Drain)
		if err != nil {
			break
		}
		ref := &chunkRef{source: one.source, counter: p.counter, parts: p.sender.aside, chunk: c, refs: c.Events}
		bytes, events = bytes+len(c.Entries), events+c.Events
		refs = append(refs, ref)
	}
	return refs
}

// sendChunks sends the chunks' events. It returns false where the target refuses any, or the loop ends.
func (p *prober) sendChunks(one *waitingTarget, refs []*chunkRef, probe bool) bool {
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
		p.targets.flows(one)
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
