// Package waiting knows which targets of an output events wait for, and when each is tried next. Where the events are,
// and who sends them, is others' concern.
package waiting

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Source is where events wait for a target.
type Source interface {
	// Pending returns how much waits.
	Pending() buffer.Count
}

// fullFor is how long events of a target that may not have more waiting become dead letters before one is tried to be
// stored again.
const fullFor = 5 * time.Second

// Most is how many targets of an output wait by themselves; what goes to more of them waits together.
const Most = 1000

// Others is the name that these have. A target may be called so, too.
const Others = "(others)"

// Target is what is known of a target that events wait for. Guarded by Targets.mu, but for Source and its name.
type Target[S Source] struct {
	stats.WaitingTarget
	// Source is where they wait.
	Source S
	// busy says that somebody tries it.
	busy    bool
	fullTil time.Time
}

// Targets knows which targets events wait for, and when each is tried next. Safe for concurrent use.
type Targets[S Source] struct {
	retry *outputs.RetryConfig
	// open returns where events wait for a target; nil: nothing may wait aside.
	open func(target string) S
	// wake has one where the next time has changed.
	wake chan struct{}

	// some says that there are some.
	some atomic.Bool

	mu  sync.Mutex
	all map[string]*Target[S]
}

// New returns Targets that know of those which something waits for already: they are tried soon. open returns where
// events wait for a target; nil: nothing may wait aside.
func New[S Source](retry *outputs.RetryConfig, open func(target string) S, waiting []string) *Targets[S] {
	t := &Targets[S]{retry: retry, open: open, wake: make(chan struct{}, 1), all: map[string]*Target[S]{}}
	for _, target := range waiting {
		t.Arrived(target)
	}
	return t
}

// Enabled reports whether anything may wait aside.
func (t *Targets[S]) Enabled() bool { return t.open != nil }

// Some reports whether events wait for any target. It is asked often.
func (t *Targets[S]) Some() bool { return t.some.Load() }

// Changed has one where the time of the next try has changed.
func (t *Targets[S]) Changed() <-chan struct{} { return t.wake }

// of returns what is known of the target, from now on. t.mu is held.
func (t *Targets[S]) of(target string) (one *Target[S], isNew bool) {
	if one := t.all[target]; one != nil {
		return one, false
	}
	one = &Target[S]{Source: t.open(target)}
	one.Target, one.Since = target, time.Now()
	t.all[target] = one
	t.some.Store(true)
	return one, true
}

// place returns the name under which events for the target wait: its own, unless too many wait already. t.mu is held.
func (t *Targets[S]) place(target string) string {
	if t.all[target] == nil && len(t.all) >= Most {
		return Others
	}
	return target
}

// Arrived notes that something waits for the target; it is tried soon.
func (t *Targets[S]) Arrived(target string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, isNew := t.of(target)
	if one.Full = false; isNew {
		one.Next = time.Now()
		t.poke()
	}
}

// Refused notes that the target has refused an event for its state, so that it is tried again only after a while. It
// reports whether that is new, and under which name its events wait.
func (t *Targets[S]) Refused(f *outputs.Failure) (place string, isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	place = t.place(f.Target)
	one, isNew := t.of(place)
	one.Status, one.Kind, one.Detail, one.Remedy = f.Status, f.Kind, f.Detail, f.Remedy
	if one.Partial = f.Partial && (isNew || one.Partial); isNew {
		one.Next = time.Now().Add(pacing.Backoff(*t.retry, 1, outputs.ReasonTarget, 0))
		t.poke()
	}
	return place, isNew
}

// Full notes that no more may wait for the target.
func (t *Targets[S]) Full(target string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, isNew := t.of(target)
	if one.Full, one.fullTil = true, time.Now().Add(fullFor); isNew {
		one.Next = time.Now()
		t.poke()
	}
}

// Holds reports whether events of the target are to wait without being sent, and whether no more of them may wait.
func (t *Targets[S]) Holds(target []byte) (wait, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.all[string(target)]
	wait = one != nil && !one.Partial
	return wait, wait && time.Now().Before(one.fullTil)
}

// IsFull reports whether no more events may wait for the target.
func (t *Targets[S]) IsFull(target string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.all[target]
	return one != nil && time.Now().Before(one.fullTil)
}

// Why returns what the target has answered last.
func (t *Targets[S]) Why(target string) outputs.Failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one := t.all[target]; one != nil {
		return outputs.Failure{
			Reason: outputs.ReasonTarget, Status: one.Status, Kind: one.Kind, Detail: one.Detail, Remedy: one.Remedy,
		}
	}
	return outputs.Failure{Reason: outputs.ReasonTarget}
}

// Due returns a target that is to be tried now, and is the caller's until Done; nil: none is, and the next one is after
// the wait, if that is not 0.
func (t *Targets[S]) Due() (one *Target[S], wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var first *Target[S]
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

// Flows notes that the target takes events again.
func (t *Targets[S]) Flows(one *Target[S]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one.Flowing, one.Full, one.Tries, one.fullTil = true, false, 0, time.Time{}
}

// Done ends a try. Where nothing waits any more, the target is forgotten; else it is tried again after a while.
func (t *Targets[S]) Done(one *Target[S]) {
	empty := one.Source.Pending().Chunks == 0
	t.mu.Lock()
	defer t.mu.Unlock()
	one.busy, one.Flowing = false, false
	if empty {
		delete(t.all, one.Target)
		t.some.Store(len(t.all) > 0)
		return
	}
	one.Tries++
	one.Next = time.Now().Add(pacing.Backoff(*t.retry, one.Tries, outputs.ReasonTarget, 0))
	t.poke()
}

// Retry has the target tried at once, or all of them where it is "".
func (t *Targets[S]) Retry(target string) {
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
func (t *Targets[S]) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// List returns all targets that events wait for, ascending.
func (t *Targets[S]) List() []stats.WaitingTarget {
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
