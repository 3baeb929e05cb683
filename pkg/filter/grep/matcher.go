package grep

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// maxTexts is how many texts an expression may stand for to be searched for as such.
const maxTexts = 16

// matcher is a regular expression. One that is no more than some texts, such as ^/(health|ready),
// is searched for as such; of others, what each match begins with or has in it is looked for first.
type matcher struct {
	// texts are those of which one must be there.
	texts [][]byte
	// start and end say that they are at the start, at the end of what is matched.
	start, end bool
	// regex is to match then; nil: nothing more is asked.
	regex *regexp.Regexp
}

func newMatcher(text string) (*matcher, error) {
	regex, err := filter.CompilePattern(text)
	if err != nil {
		return nil, fmt.Errorf("compile regular expression: %w", err)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("compile regular expression: %w", err)
	}
	m := &matcher{}
	parts := []*syntax.Regexp{tree.Simplify()}
	if parts[0].Op == syntax.OpConcat {
		parts = parts[0].Sub
	}
	if n := len(parts); n > 0 && parts[0].Op == syntax.OpBeginText {
		m.start, parts = true, parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		m.end, parts = true, parts[:n-1]
	}
	texts := product(parts)
	if texts == nil {
		m.regex, m.end = regex, false
		texts = needed(parts, m.start)
	}
	for _, t := range texts {
		m.texts = append(m.texts, []byte(t))
	}
	return m, nil
}

// needed returns texts of which one is in all that the parts match; at its start, if start is set.
func needed(parts []*syntax.Regexp, start bool) []string {
	best := []string{""}
	for i := range parts {
		texts := textsOf(parts[i])
		if start {
			if texts = product(parts[:i+1]); texts == nil {
				break
			}
		}
		if shortest(texts) > shortest(best) {
			best = texts
		}
	}
	return best
}

func shortest(texts []string) (n int) {
	for i, t := range texts {
		if i == 0 || len(t) < n {
			n = len(t)
		}
	}
	return n
}

// textsOf returns the texts that r stands for, where these are few, or nil.
func textsOf(r *syntax.Regexp) (texts []string) {
	switch r.Op {
	case syntax.OpEmptyMatch:
		return []string{""}
	case syntax.OpLiteral:
		// The replacement character matches every byte that is not UTF-8.
		if r.Flags&syntax.FoldCase == 0 && !slices.Contains(r.Rune, utf8.RuneError) {
			return []string{string(r.Rune)}
		}
	case syntax.OpCharClass:
		for i := 0; i < len(r.Rune); i += 2 {
			for c := r.Rune[i]; c <= r.Rune[i+1]; c++ {
				if texts = append(texts, string(c)); len(texts) > maxTexts || c == utf8.RuneError {
					return nil
				}
			}
		}
	case syntax.OpCapture:
		return textsOf(r.Sub[0])
	case syntax.OpQuest:
		if texts = textsOf(r.Sub[0]); texts != nil {
			return append(texts, "")
		}
	case syntax.OpConcat:
		return product(r.Sub)
	case syntax.OpAlternate:
		for _, sub := range r.Sub {
			more := textsOf(sub)
			if texts = append(texts, more...); more == nil || len(texts) > maxTexts {
				return nil
			}
		}
	default:
	}
	return texts
}

// product returns the texts that the parts stand for one after the other.
func product(parts []*syntax.Regexp) []string {
	texts := []string{""}
	for _, p := range parts {
		var all []string
		for _, end := range textsOf(p) {
			for _, t := range texts {
				all = append(all, t+end)
			}
		}
		if texts = all; len(texts) == 0 || len(texts) > maxTexts {
			return nil
		}
	}
	return texts
}

// match reports whether the expression matches text.
func (m *matcher) match(text []byte) bool {
	for _, t := range m.texts {
		if m.has(text, t) {
			return m.regex == nil || m.regex.Match(text)
		}
	}
	return false
}

func (m *matcher) has(text, t []byte) bool {
	switch {
	case m.start && m.end:
		return bytes.Equal(text, t)
	case m.start:
		return bytes.HasPrefix(text, t)
	case m.end:
		return bytes.HasSuffix(text, t)
	}
	return bytes.Contains(text, t)
}
