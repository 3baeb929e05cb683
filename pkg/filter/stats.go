package filter

import "time"

// sampling is the share of calls whose time is taken: one in so many.
const sampling = 64

// StageStats is what a stage has done so far.
type StageStats struct {
	Route   string
	Filter  string // the name of the list that it is in
	Index   int    // in that list
	Kind    string
	In      uint64  // events given to it: not those for which its condition is false
	Out     uint64  // events that went on to the next stage
	Dropped uint64  // events that it dropped or made dead letters
	Errors  uint64  // events that it, or its condition, failed on
	Seconds float64 // time spent in it, reckoned from one call in 64
}

// Stats returns the figures of all stages. It may be called at any time, by any goroutine.
func (r *Rules) Stats() []StageStats {
	var all []StageStats
	for _, rt := range r.routes {
		for _, s := range rt.stages {
			st := StageStats{
				Route: rt.Name, Filter: s.Filter, Index: s.Index, Kind: s.Kind,
				Dropped: s.dropped.Load(), Errors: s.errors.Load(),
				Seconds: (time.Duration(s.nanos.Load()) * sampling).Seconds(),
			}
			st.In = s.in.Load()
			if st.Out = s.out.Load(); s.Joiner == nil {
				st.Out = st.In - min(st.In, st.Dropped)
			}
			all = append(all, st)
		}
	}
	return all
}
