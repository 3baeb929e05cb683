package snapshot

// Step is one step of a filter on the way to an output. Its figures begin anew when a reload changes routes or filters.
type Step struct {
	Route  string `json:"route"`
	Filter string `json:"filter"`
	// Index is in the filter, from 0.
	Index int    `json:"index"`
	Kind  string `json:"kind"`
	// In counts events given to it.
	In uint64 `json:"in"`
	// Out counts events that went on.
	Out     uint64 `json:"out"`
	Dropped uint64 `json:"dropped"`
	// Errors counts events that it, or its condition, failed on.
	Errors  uint64  `json:"errors"`
	Seconds float64 `json:"seconds"`
}
