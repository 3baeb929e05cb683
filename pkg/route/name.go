package route

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Name returns what people call the route at that position.
func Name(position int) string { return fmt.Sprintf("routes[%d]", position) }

// Find returns the position of the route that people call so: by that, 0 or routes[0], or by one of its patterns. The
// error names those that there are.
func Find(routes []Config, name string) (int, error) {
	if i, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "routes["), "]")); err == nil {
		if i < 0 || i >= len(routes) {
			return 0, fmt.Errorf("there is no route %d: the configuration has %d, counted from 0", i, len(routes))
		}
		return i, nil
	}
	found, patterns := []int{}, []string{}
	for i := range routes {
		if slices.Contains(routes[i].Match, name) {
			found = append(found, i)
		}
		patterns = append(patterns, fmt.Sprintf("%d (%s)", i, strings.Join(routes[i].Match, ", ")))
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("no route has the pattern %q; routes are %s", name, strings.Join(patterns, ", "))
	case 1:
		return found[0], nil
	default:
		return 0, fmt.Errorf("%d routes have the pattern %q; name one by its position: %s", len(found), name,
			strings.Join(patterns, ", "))
	}
}
