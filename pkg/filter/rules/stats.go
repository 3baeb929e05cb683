package rules

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// sampling is the share of calls whose time is taken: one in so many.
const sampling = 64

// KindWhen is the kind of the figures of a route's condition: Dropped are the events that it is
// false for, which other routes may take.
const KindWhen = "when"

// Stats is what a stage, or a route's condition, has done so far.
type Stats struct {
	Route string
	// Filter is the name of the list that it is in; empty for a route's condition.
	Filter string
	// Index is in that list.
	Index int
	Kind  string
	// In counts events given to it: not those for which its own condition is false.
	In uint64
	// Out counts events that went on.
	Out uint64
	// Dropped counts events that it dropped or made dead letters.
	Dropped uint64
	// Errors counts events that it, or its own condition, failed on.
	Errors uint64
	// Seconds is the time spent in it, reckoned from one call in 64; not for conditions.
	Seconds float64
}

// Stats returns the figures of the routes to the output and of all their stages. It may be called at
// any time, by any goroutine.
func (r *Rules) Stats() []Stats {
	var all []Stats
	for _, rt := range r.routes {
		if !rt.here {
			continue
		}
		if rt.When != nil {
			all = append(all, rt.asked.stats(rt.Name, &filter.Stage{Kind: KindWhen}))
		}
		for _, s := range rt.stages {
			all = append(all, s.stats(rt.Name, &s.Stage))
		}
	}
	return all
}

func (f *figures) stats(route string, s *filter.Stage) Stats {
	st := Stats{
		Route: route, Filter: s.Filter, Index: s.Index, Kind: s.Kind,
		Dropped: f.dropped.Load(), Errors: f.errors.Load(),
		Seconds: (time.Duration(f.nanos.Load()) * sampling).Seconds(),
	}
	// It is read after Dropped, so that it is not less.
	st.In = f.in.Load()
	if st.Out = f.out.Load(); s.Joiner == nil {
		st.Out = st.In - st.Dropped
	}
	return st
}
