package modify

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

func isGlob(name string) bool { return strings.ContainsAny(name, "*?") }

// matches reports whether a name fits a glob, in which nothing but * and ? is special.
func matches(glob string, name []byte) bool {
	at, star, from := 0, -1, 0
	for i := 0; i < len(name); {
		switch {
		case at < len(glob) && glob[at] == '*':
			star, from = at, i
			at++
		case at < len(glob) && (glob[at] == '?' || glob[at] == name[i]):
			at++
			i++
		case star >= 0:
			from++
			at, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(glob[at:], "*") == ""
}

// touches reports whether any field of the record has the first name of a path.
func touches(ev *filter.Event, paths [][]string) bool {
	for name := range ev.Fields() {
		for _, p := range paths {
			if matches(p[0], name) {
				return true
			}
		}
	}
	return false
}
