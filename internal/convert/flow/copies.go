package flow

import "slices"

// apartOutputs gives an output that several routes may bring the same event to copies of its own for each: an output
// takes an event from the first route alone, and a later one may be the one whose steps don't drop it.
func apartOutputs(entries []entry) {
	copies := map[*Output]int{}
	for j := range entries {
		for k, o := range entries[j].outputs {
			if !slices.ContainsFunc(entries[:j], func(earlier entry) bool { return earlier.shares(entries[j], o) }) {
				continue
			}
			copies[o]++
			second := *o
			second.Copy = copies[o] + 1
			second.Original = o
			entries[j].outputs = slices.Clone(entries[j].outputs)
			entries[j].outputs[k] = &second
		}
	}
}

// shares reports whether an event may be brought to the output o by e and by the later one too, and e does not end the
// search.
func (e entry) shares(later entry, o *Output) bool {
	if !e.more || !slices.Contains(e.outputs, o) || relate(Tags{Patterns: e.way.match},
		Tags{Patterns: later.way.match}) == apart {
		return false
	}
	// What one condition takes the other leaves.
	for _, x := range e.way.when {
		if slices.Contains(later.way.when, "not ("+x+")") {
			return false
		}
	}
	return true
}
