package rules

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Seen is what a stage did with an event: it kept it, dropped it, or holds it back.
type Seen struct {
	Route string
	// Stage may be nil: the route took the event, which has not been changed yet.
	Stage *filter.Stage

	// Event is as it leaves the stage; valid until the call returns.
	Event *filter.Event
	// Before is its record as it came in: a copy, nil for an event that the stage made.
	Before []byte
	// Time is that as it came in.
	Time event.Time
	// Tag is likewise, as it would have been delivered.
	Tag string

	Verdict filter.Verdict
	// Held says that the stage keeps it, to join it with others or until it is due.
	Held bool
	// Skipped says that the stage's condition is not true.
	Skipped bool
	// Late says that only Err is told, of an event that has gone on.
	Late bool
	Err  error
}

// Trace has see called for every event that a route takes and for every stage that it passes, before
// it goes on. It is for people who try out a configuration: each record is copied for it.
// It must be called once, and before Process.
func (r *Rules) Trace(see func(Seen)) {
	for _, rt := range r.routes {
		if !rt.here {
			continue
		}
		for _, s := range rt.stages {
			t := &traced{route: rt.Name, stage: s.Stage, see: see, held: map[any]Seen{}}
			if s.Joiner == nil {
				s.Step = t
			} else {
				s.Joiner = tracedJoiner{t}
			}
			// Traced asks it.
			s.When = nil
		}
		// A stage in front, so that the route's name is told first, and no plan is a plain one.
		door := &stage{Stage: filter.Stage{Step: &traced{route: rt.Name, see: see}}}
		rt.stages = append([]*stage{door}, rt.stages...)
	}
}

// Refusal is a route that an event's cluster and tag match, but not its condition.
type Refusal struct {
	Route string
	// Err is the condition could not be evaluated.
	Err error
}

// Refusals returns the routes that do not take e because of their conditions, up to the last one
// that is asked.
func (r *Rules) Refusals(e *filter.Event) (all []Refusal) {
	for _, rt := range r.plan(e.Chunk.Cluster, e.Chunk.Tag).routes {
		yes, err := true, error(nil)
		if rt.When != nil {
			yes, err = rt.When.True(e)
		}
		switch {
		case !yes:
			all = append(all, Refusal{Route: rt.Name, Err: err})
		case !rt.Continue:
			return all
		}
	}
	return all
}

// traced is a Step that tells what a stage's own does.
type traced struct {
	route string
	stage filter.Stage
	see   func(Seen)
	// held is what the stage's Joiner holds back, by first origin.
	held map[any]Seen
	// mark is the first origin of the event at hand.
	mark any
	// joins says that the event at hand went on within another one.
	joins bool
}

func (t *traced) enter(e *filter.Event) Seen {
	return Seen{
		Route: t.route, Stage: &t.stage, Event: e, Before: append([]byte{}, e.Rendered()...), Time: e.Time,
		Tag: e.DeliveredTag(),
	}
}

// skip reports whether the stage is not for e, having told so.
func (t *traced) skip(s Seen) bool {
	if t.stage.When == nil {
		return false
	}
	yes, err := t.stage.When.True(s.Event)
	if !yes {
		s.Skipped, s.Err = true, err
		t.see(s)
	}
	return !yes
}

// Apply implements Step.
func (t *traced) Apply(e *filter.Event) (filter.Verdict, error) {
	s := t.enter(e)
	if t.stage.Step == nil {
		s.Stage = nil
		t.see(s)
		return filter.Keep, nil
	}
	if t.skip(s) {
		return filter.Keep, nil
	}
	s.Verdict, s.Err = t.stage.Step.Apply(e)
	t.see(s)
	return s.Verdict, s.Err
}

// tracedJoiner is a Joiner that tells what a stage's own does.
type tracedJoiner struct{ *traced }

func (t tracedJoiner) Join(e *filter.Event, now time.Time, emit func(*filter.Event)) error {
	s := t.enter(e)
	if t.skip(s) {
		emit(e)
		return nil
	}
	t.mark, t.joins = nil, false
	if len(e.Origins) > 0 {
		t.mark = e.Origins[0]
	}
	t.held[t.mark] = s
	err := t.stage.Joiner.Join(e, now, t.emitting(emit))
	s.Err = err
	_, waits := t.held[t.mark]
	if s.Held = waits || t.joins; s.Held || err != nil {
		s.Late = !s.Held
		t.see(s)
	}
	return err
}

func (t tracedJoiner) Due() time.Time { return t.stage.Joiner.Due() }

func (t tracedJoiner) Flush(now time.Time, everything bool, emit func(*filter.Event)) {
	t.stage.Joiner.Flush(now, everything, t.emitting(emit))
}

// emitting is emit, with what comes out told.
func (t tracedJoiner) emitting(emit func(*filter.Event)) func(*filter.Event) {
	return func(e *filter.Event) {
		// first may be nil for what a step made.
		var first any
		if len(e.Origins) > 0 {
			first = e.Origins[0]
		}
		s, known := t.held[first]
		if !known {
			s = Seen{Route: t.route, Stage: &t.stage, Time: e.Time}
		}
		delete(t.held, first)
		for _, o := range e.Origins[min(1, len(e.Origins)):] {
			delete(t.held, o)
			t.joins = t.joins || o == t.mark
		}
		if s.Event = e; e.Detail != "" {
			s.Verdict = filter.Dead
		}
		t.see(s)
		emit(e)
	}
}
