package modify

import (
	"errors"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// move brings fields under another one.
type move struct {
	// from is a path whose last name may be a glob.
	from  []string
	under []string
	// to may be nil for a glob.
	to []string
}

func newMove(from, under []string) move {
	m := move{from: from, under: under}
	if n := len(from); n > 0 && !isGlob(from[n-1]) {
		m.to = append(slices.Clip(under), from[n-1])
	}
	return m
}

func (m *move) apply(ev *filter.Event) (failed error) {
	if m.to != nil {
		return moveField(ev, m.from, m.to)
	}
	last := len(m.from) - 1
	var names []string
	for name := range ev.Fields(m.from[:last]...) {
		itself := len(m.under) > last && slices.Equal(m.from[:last], m.under[:last]) && string(name) == m.under[last]
		if !itself && matches(m.from[last], name) {
			names = append(names, string(name))
		}
	}
	for _, name := range names {
		failed = errors.Join(failed,
			moveField(ev, append(m.from[:last:last], name), append(slices.Clip(m.under), name)))
	}
	return failed
}
