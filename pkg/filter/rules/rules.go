// Package rules brings events from the queue to an output: by the routes that lead there, with their conditions, and
// through the routes' steps.
package rules

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Reasons that a Sink is told for events that are dropped, and for dead letters.
const (
	// ReasonWhen: other outputs' routes took it.
	ReasonWhen = "when"
	// ReasonUnrouted: no route took it.
	ReasonUnrouted = "unrouted"
	// ReasonFilter is a step dropped it, or found it dead.
	ReasonFilter = "filter"
)

// Route is a route of the configuration as an output sees it.
type Route struct {
	// Name is for the figures.
	Name  string
	Match func(cluster, tag string) bool
	// When may be nil: always.
	When *filter.Condition
	// Steps may be empty where the output is not among Outputs.
	Steps    []filter.Stage
	Outputs  []string
	Continue bool
}

// Sink takes what Rules make of events. Every origin that Process was given comes out once, sooner
// or later, by one of its methods. An event is the caller's until the method returns; what is kept
// must be copied.
type Sink interface {
	// Emit is given events for the output. One without Origins was made by a step.
	Emit(e *filter.Event)
	// Dropped is given what goes nowhere, and why: one of the reasons.
	Dropped(origin any, reason string)
	// Dead is given what becomes a dead letter; e.Detail says more where reason is ReasonFilter.
	Dead(e *filter.Event, reason string)
}

// Rules say what becomes of the events that wait for one output: whether a route brings them there,
// and what its steps make of them. One goroutine uses Rules at a time, but for Stats.
type Rules struct {
	output       string
	routes       []*route
	joining      []*stage
	dropUnrouted bool
	plans        map[origin]*plan
	last         *plan
	lastOrigin   origin

	onError func(s *filter.Stage, err error)
	// watcher is nil where nobody looks.
	watcher Watcher

	// now is that of the call that is under way.
	now time.Time
	out Sink
}

type route struct {
	Route
	// here says that it leads to the output.
	here bool
	// asked is that of When.
	asked figures
	// condition is When, for OnError.
	condition filter.Stage
	stages    []*stage
}

type origin struct{ cluster, tag string }

// plan is what the routes say of a cluster's tag.
type plan struct {
	routes []*route
	plain  bool
	// accounts is for events that no route takes.
	accounts bool
}

// maxPlans is for how many clusters' tags plans are remembered.
const maxPlans = 4096

type stage struct {
	filter.Stage
	next []*stage
	// emit gives an event to next.
	emit func(*filter.Event)

	figures
}

// figures are what Stats tells.
type figures struct {
	in, out, dropped, errors atomic.Uint64
	// nanos is that of the sampled calls.
	nanos atomic.Int64
}

// New returns the rules of the output of that name. The routes are all of the configuration's,
// in order; their Steps, which no other Rules may use, are those of the routes to the output.
// Events that no route takes, because of their conditions, are dead letters unless dropUnrouted.
func New(output string, routes []Route, dropUnrouted bool) *Rules {
	r := &Rules{output: output, dropUnrouted: dropUnrouted, plans: map[origin]*plan{}}
	for _, given := range routes {
		rt := &route{
			Route: given, here: slices.Contains(given.Outputs, output),
			condition: filter.Stage{Filter: given.Name, Kind: KindWhen},
		}
		for _, s := range given.Steps {
			rt.stages = append(rt.stages, &stage{Stage: s})
		}
		for i, s := range rt.stages {
			s.next = rt.stages[i+1:]
			if s.Joiner != nil {
				s.emit = func(e *filter.Event) {
					if e.Detail != "" {
						s.dropped.Add(1)
						r.released(s, e, filter.Dead)
						r.out.Dead(e, ReasonFilter)
						return
					}
					s.out.Add(1)
					r.released(s, e, filter.Keep)
					r.run(s.next, e)
				}
				r.joining = append(r.joining, s)
			}
		}
		r.routes = append(r.routes, rt)
	}
	return r
}

// OnError has failed called with each error of a stage, or of a route's condition, which is of the kind
// KindWhen and has the route's name for a filter's. The error has no values of the record. It must be called
// once, and before Process.
func (r *Rules) OnError(failed func(s *filter.Stage, err error)) { r.onError = failed }

// failed counts an error of s.
func (r *Rules) failed(f *figures, s *filter.Stage, err error) {
	f.errors.Add(1)
	if r.onError != nil {
		r.onError(s, err)
	}
}

// Plain says that every event of that cluster and tag goes to the output as it is.
func (r *Rules) Plain(cluster, tag string) bool { return r.plan(cluster, tag).plain }

func (r *Rules) plan(cluster, tag string) *plan {
	o := origin{cluster, tag}
	if r.last != nil && r.lastOrigin == o {
		return r.last
	}
	p := r.plans[o]
	if p == nil {
		if len(r.plans) >= maxPlans {
			clear(r.plans)
		}
		p = r.makePlan(cluster, tag)
		r.plans[o] = p
	}
	r.last, r.lastOrigin = p, o
	return p
}

func (r *Rules) makePlan(cluster, tag string) *plan {
	p := &plan{plain: true}
	reaches := false
	for _, rt := range r.routes {
		if !rt.Match(cluster, tag) {
			continue
		}
		if len(p.routes) == 0 && len(rt.Outputs) > 0 {
			p.accounts = rt.Outputs[0] == r.output
		}
		p.routes = append(p.routes, rt)
		if rt.When != nil || rt.here && len(rt.stages) > 0 {
			p.plain = false
		}
		reaches = reaches || rt.here
		if rt.When == nil && (!rt.Continue || rt.here) {
			// Nothing goes past it.
			break
		}
	}
	// What was stored for the output before the routes changed goes there still.
	p.plain = p.plain || !reaches
	return p
}

// here returns the first route to the output: for events that somebody sends there.
func (p *plan) here() *route {
	for _, rt := range p.routes {
		if rt.here {
			return rt
		}
	}
	return &route{}
}

// Process finds the route that brings e to the output, if any, and runs its steps. Every origin of
// e is told to out, now or later.
func (r *Rules) Process(e *filter.Event, now time.Time, out Sink) {
	r.now, r.out = now, out
	p := r.plan(e.Chunk.Cluster, e.Chunk.Tag)
	if p.plain {
		out.Emit(e)
		return
	}
	if e.Chunk.Returned {
		rt := p.here()
		r.taken(rt, e)
		r.run(rt.stages, e)
		return
	}
	taken := false
	for _, rt := range p.routes {
		if !r.takes(rt, e) {
			continue
		}
		if rt.here {
			if len(rt.stages) > 1 {
				e.ReadAhead()
			}
			r.taken(rt, e)
			r.run(rt.stages, e)
			return
		}
		taken = true
		if !rt.Continue {
			break
		}
	}
	switch {
	case taken || !p.accounts:
		r.drop(e, ReasonWhen)
	case r.dropUnrouted:
		r.drop(e, ReasonUnrouted)
	default:
		out.Dead(e, ReasonUnrouted)
	}
}

// takes reports whether the route's condition holds for e.
func (r *Rules) takes(rt *route, e *filter.Event) bool {
	if rt.When == nil {
		return true
	}
	rt.asked.in.Add(1)
	yes, err := rt.When.True(e)
	if err != nil {
		r.failed(&rt.asked, &rt.condition, err)
	}
	if !yes {
		rt.asked.dropped.Add(1)
	}
	return yes
}

func (r *Rules) drop(e *filter.Event, reason string) {
	for _, o := range e.Origins {
		r.out.Dropped(o, reason)
	}
}

// run takes e through stages and out.
func (r *Rules) run(stages []*stage, e *filter.Event) {
	watched := r.follows(e)
	for _, s := range stages {
		if s.When != nil {
			yes, err := s.When.True(e)
			if err != nil {
				r.failed(&s.figures, &s.Stage, err)
			}
			if !yes {
				if watched {
					r.watcher.Saw(Seen{Stage: &s.Stage, Event: e, Skipped: true, Err: err})
				}
				continue
			}
		}
		sampled := s.in.Add(1)%sampling == 0
		var start time.Time
		if sampled {
			start = time.Now()
		}
		if s.Joiner != nil {
			if watched {
				r.watcher.Saw(Seen{Stage: &s.Stage, Event: e, Held: true})
			}
			if err := s.Joiner.Join(e, r.now, s.emit); err != nil {
				r.failed(&s.figures, &s.Stage, err)
			}
			if sampled {
				s.nanos.Add(int64(time.Since(start)))
			}
			return
		}
		verdict, err := s.Step.Apply(e)
		if err != nil {
			r.failed(&s.figures, &s.Stage, err)
		}
		if sampled {
			s.nanos.Add(int64(time.Since(start)))
		}
		if watched {
			r.watcher.Saw(Seen{Stage: &s.Stage, Event: e, Verdict: verdict, Err: err})
		}
		switch verdict {
		case filter.Keep:
		case filter.Drop:
			s.dropped.Add(1)
			r.drop(e, ReasonFilter)
			return
		case filter.Dead:
			s.dropped.Add(1)
			r.out.Dead(e, ReasonFilter)
			return
		}
	}
	r.out.Emit(e)
}

// Due returns when Flush must be called at the latest; zero: nothing is held back.
func (r *Rules) Due() (due time.Time) {
	for _, s := range r.joining {
		if d := s.Joiner.Due(); !d.IsZero() && (due.IsZero() || d.Before(due)) {
			due = d
		}
	}
	return due
}

// Flush gives out what steps hold back and is due at now, or everything.
func (r *Rules) Flush(now time.Time, everything bool, out Sink) {
	r.now, r.out = now, out
	// A route's in order: what one gives out the next may hold back.
	for _, s := range r.joining {
		s.Joiner.Flush(now, everything, s.emit)
	}
}
