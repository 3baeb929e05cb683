package grep

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// matcher is a regular expression; one that is no more than a text is searched for as such.
type matcher struct {
	literal    []byte         // the text must contain it
	start, end bool           // at its start, at its end
	regex      *regexp.Regexp // and then match this; nil: nothing more
}

func newMatcher(text string) (*matcher, error) {
	regex, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("compile regular expression: %w", err)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("compile regular expression: %w", err)
	}
	tree = tree.Simplify()
	m := &matcher{regex: regex}
	parts := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		parts = tree.Sub
	}
	if n := len(parts); n > 0 && parts[0].Op == syntax.OpBeginText {
		m.start, parts = true, parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		m.end, parts = true, parts[:n-1]
	}
	if len(parts) == 1 && plain(parts[0]) {
		m.literal, m.regex = []byte(string(parts[0].Rune)), nil
		return m, nil
	}
	// What can't be without the longest of its literals need not be searched with more than that.
	if m.start = m.start && len(parts) > 0 && plain(parts[0]); m.start {
		m.literal = []byte(string(parts[0].Rune))
	}
	m.end = false
	for _, p := range parts {
		if l := string(p.Rune); plain(p) && !m.start && len(l) > len(m.literal) {
			m.literal = []byte(l)
		}
	}
	return m, nil
}

func plain(r *syntax.Regexp) bool {
	return r.Op == syntax.OpLiteral && r.Flags&syntax.FoldCase == 0
}

func (m *matcher) match(text []byte) bool {
	switch {
	case m.start && m.end:
		return bytes.Equal(text, m.literal)
	case m.start:
		if !bytes.HasPrefix(text, m.literal) {
			return false
		}
	case m.end:
		return bytes.HasSuffix(text, m.literal)
	case len(m.literal) > 0 && !bytes.Contains(text, m.literal):
		return false
	}
	return m.regex == nil || m.regex.Match(text)
}
