package modify

import (
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// prune removes what the paths lead to or, with keep, all else.
func (s *step) prune(ev *filter.Event, paths [][]string, keep bool) {
	n := 0
	s.scratch = s.scratch[:0]
	for name, value := range ev.Fields() {
		var kept bool
		if s.scratch, kept = appendMember(s.scratch, name, value, paths, keep); kept {
			n++
		}
	}
	s.text = append(filter.AppendMapHeader(s.text[:0], n), s.scratch...)
	ev.Replace(s.text)
}

// appendMember appends a member of a map, or what stays of it; kept is false where nothing does.
func appendMember(dst, name, value []byte, paths [][]string, keep bool) (out []byte, kept bool) {
	var within [][]string
	for _, p := range paths {
		switch {
		case !matches(p[0], name):
		case len(p) > 1:
			within = append(within, p[1:])
		case keep:
			return append(filter.AppendString(dst, name), value...), true
		default:
			return dst, false
		}
	}
	if len(within) == 0 {
		if keep {
			return dst, false
		}
		return append(filter.AppendString(dst, name), value...), true
	}
	if event.TypeOf(value[0]) != event.TypeMap {
		// A path through what is no map leads nowhere.
		if keep {
			return dst, false
		}
		return append(filter.AppendString(dst, name), value...), true
	}
	var body []byte
	left := 0
	for key, inner := range filter.Members(value) {
		if body, kept = appendMember(body, key, inner, within, keep); kept {
			left++
		}
	}
	if keep && left == 0 {
		return dst, false
	}
	dst = filter.AppendMapHeader(filter.AppendString(dst, name), left)
	return append(dst, body...), true
}
