package snapshot

// Step is one step of a filter on the way to an output. Its figures begin anew when a reload changes routes or filters.
type Step struct {
	Route   string  `json:"route"`
	Filter  string  `json:"filter"`
	Index   int     `json:"index"` // in the filter, from 0
	Kind    string  `json:"kind"`
	In      uint64  `json:"in"`  // events given to it
	Out     uint64  `json:"out"` // events that went on
	Dropped uint64  `json:"dropped"`
	Errors  uint64  `json:"errors"` // events that it, or its condition, failed on
	Seconds float64 `json:"seconds"`
}
