package delivery

import (
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Tap is shown what becomes of events, while somebody looks. It holds nothing up, and keeps none of what it is given.
// Safe for concurrent use.
type Tap interface {
	// Watching reports whether anybody looks. It is asked often.
	Watching() bool
	// Look is told that the events of c begin their way through the rules.
	Look(c *event.Chunk)
	// Taken is told that a route took e, which no step has changed. It returns what follows e; nil: nobody does.
	Taken(route string, e *filter.Event) Track
	// Answered is told what becomes of events that were sent.
	Answered(events []event.Event, a Answer)
}

// Track follows one event through the steps. One goroutine uses it, until Ended.
type Track interface {
	// Saw is told what a step did: see filter.Watcher.
	Saw(s rules.Seen)
	// Joins is told how many events the event stands for.
	Joins(events int)
	// Ended is told that the event is not sent, and what becomes of it instead. ev is how it is then.
	Ended(ev *event.Event, a Answer)
}

// Result is what becomes of an event.
type Result int

// Results.
const (
	// Delivered is that the destination has it.
	Delivered Result = iota
	// SentAgain is also what will be.
	SentAgain
	// WaitsAside is that it waits for its target.
	WaitsAside
	// DroppedEvent is that a step has dropped it, or on_reject.
	DroppedEvent
	// DeadEvent is that it is a dead letter.
	DeadEvent
	// JoinedEvent is a part of another one.
	JoinedEvent
)

// Answer is what becomes of events, and why.
type Answer struct {
	Result Result
	// Failure is why it was not delivered; Reason may also be one of the reasons of this package.
	Failure outputs.Failure
}

// show tells who looks what becomes of events that were sent.
func (s *sender) show(events []event.Event, result Result, why *outputs.Failure) {
	if s.tap == nil || !s.tap.Watching() {
		return
	}
	a := Answer{Result: result}
	if why != nil {
		a.Failure = *why
	}
	s.tap.Answered(events, a)
}

// showAgain tells that all of them are sent again after se.
func (s *sender) showAgain(events []event.Event, se *outputs.SendError) {
	if s.tap != nil && s.tap.Watching() && len(events) > 0 {
		s.show(events, SentAgain, &allFailed(se, 1)[0])
	}
}

// showAside tells of events that wait without having been sent, with what their target has answered to those before.
func (s *sender) showAside(events []event.Event, target []byte) {
	if s.tap != nil && s.tap.Watching() {
		why := s.waiting.Why(string(target))
		s.show(events, WaitsAside, &why)
	}
}

// showRefused tells of an event that becomes a dead letter, or is dropped in its stead, for that reason.
func (s *sender) showRefused(ev *event.Event, f *outputs.Failure, reason string) {
	if s.tap == nil || !s.tap.Watching() {
		return
	}
	result, why := DeadEvent, *f
	if why.Reason = outputs.Reason(reason); s.set.OnReject == outputs.OnRejectDrop && why.Reason.Final() {
		result = DroppedEvent
	}
	s.show([]event.Event{*ev}, result, &why)
}

// showLetters tells of events that become dead letters without having been sent.
func (s *sender) showLetters(letters []DeadLetter) {
	for i := range letters {
		l := &letters[i]
		s.showRefused(l.Event, &outputs.Failure{Status: l.Status, Detail: l.Detail}, l.Reason)
	}
}

// watcher tells a tap what the rules do. It is the filter stage's.
type watcher struct{ tap Tap }

// Watching implements filter.Watcher.
func (w watcher) Watching() bool { return w.tap.Watching() }

// Taken implements filter.Watcher.
func (w watcher) Taken(route string, e *filter.Event) {
	if o := firstOrigin(e); o != nil {
		o.track = w.tap.Taken(route, e)
	}
}

// Follows implements filter.Watcher.
func (w watcher) Follows(e *filter.Event) bool {
	o := firstOrigin(e)
	return o != nil && o.track != nil
}

// Saw implements filter.Watcher.
func (w watcher) Saw(s rules.Seen) { firstOrigin(s.Event).track.Saw(s) }

// firstOrigin returns the first event that e was, nil for one that a step made.
func firstOrigin(e *filter.Event) *origin {
	if len(e.Origins) == 0 {
		return nil
	}
	return e.Origins[0].(*origin) //nolint:forcetypeassert // they are the filter stage's
}

// ended tells who follows o's event that it is not sent.
func (o *origin) ended(ev *event.Event, result Result, reason, detail string) {
	if o.track == nil {
		return
	}
	o.track.Ended(ev, Answer{result, outputs.Failure{Reason: outputs.Reason(reason), Detail: detail}})
	o.track = nil
}

// endedAs does so, where e is the event as the steps have left it.
func (o *origin) endedAs(e *filter.Event, result Result, reason string) {
	if o.track != nil {
		ev := e.Event
		ev.Record = e.Rendered()
		o.ended(&ev, result, reason, e.Detail)
	}
}
