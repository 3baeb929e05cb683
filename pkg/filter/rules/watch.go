package rules

import (
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Watcher is told what becomes of single events, while somebody looks. It is used by the goroutine that uses the Rules.
type Watcher interface {
	// Watching reports whether anybody looks, at anything. It is asked for each event.
	Watching() bool
	// Taken is told which route took e, which no step has changed yet.
	Taken(route string, e *filter.Event)
	// Follows reports whether Saw is to be told of e, which a route took before.
	Follows(e *filter.Event) bool
	// Saw is told what a stage made of an event that it follows, as Trace's function is, but for Seen's Before, Time
	// and Tag. Of one that a stage has held back it is told once more as it comes out of the stage.
	Saw(s Seen)
}

// Watch has w told what becomes of events. It must be called once, and before Process.
func (r *Rules) Watch(w Watcher) { r.watcher = w }

// taken tells that the route took e.
func (r *Rules) taken(rt *route, e *filter.Event) {
	if r.watcher != nil && r.watcher.Watching() {
		r.watcher.Taken(rt.Name, e)
	}
}

// follows reports whether anybody is told of e.
func (r *Rules) follows(e *filter.Event) bool {
	return r.watcher != nil && r.watcher.Watching() && r.watcher.Follows(e)
}

// released tells that e comes out of a stage that joins.
func (r *Rules) released(s *stage, e *filter.Event, verdict filter.Verdict) {
	if r.follows(e) {
		r.watcher.Saw(Seen{Stage: &s.Stage, Event: e, Verdict: verdict})
	}
}
