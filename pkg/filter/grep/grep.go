package grep

import (
	"fmt"
	"maps"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// rule is an expression on a field.
type rule struct {
	path  []string
	regex *matcher
}

type step struct {
	include, includeAny, exclude, excludeAll []rule
	// text is that of a value that is neither str nor bin.
	text []byte
}

// New returns the step that c describes. A field is matched as event.AppendText has it, without one
// last line end; one that is missing or nil is the empty text.
func New(c Config) (filter.Step, error) {
	s := &step{}
	into := []*[]rule{&s.include, &s.includeAny, &s.exclude, &s.excludeAll}
	for i, n := range c.all() {
		for _, field := range slices.Sorted(maps.Keys(n.rules)) {
			path, err := filter.ParsePath(field)
			if err != nil {
				return nil, fmt.Errorf("grep: %s: %w", n.key, err)
			}
			for _, text := range n.rules[field] {
				m, err := newMatcher(text)
				if err != nil {
					return nil, fmt.Errorf("grep: %s: %s: %w", n.key, field, err)
				}
				*into[i] = append(*into[i], rule{path, m})
			}
		}
	}
	return s, nil
}

// Apply drops ev where the rules say so. It never fails.
func (s *step) Apply(ev *filter.Event) (filter.Verdict, error) {
	if !s.all(s.include, ev) || s.any(s.exclude, ev) ||
		len(s.includeAny) > 0 && !s.any(s.includeAny, ev) ||
		len(s.excludeAll) > 0 && s.all(s.excludeAll, ev) {
		return filter.Drop, nil
	}
	return filter.Keep, nil
}

func (s *step) all(rules []rule, ev *filter.Event) bool {
	for i := range rules {
		if !s.match(&rules[i], ev) {
			return false
		}
	}
	return true
}

func (s *step) any(rules []rule, ev *filter.Event) bool {
	for i := range rules {
		if s.match(&rules[i], ev) {
			return true
		}
	}
	return false
}

func (s *step) match(r *rule, ev *filter.Event) bool {
	value, _ := ev.Get(r.path...)
	if text, _, err := event.ReadBytes(value); err == nil {
		// A regular expression takes each byte that is not UTF-8 for U+FFFD by itself.
		return r.regex.match(filter.TrimLineEnd(text))
	}
	s.text = event.AppendText(s.text[:0], value)
	return r.regex.match(s.text)
}
