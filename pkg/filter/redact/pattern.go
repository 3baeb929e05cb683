package redact

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// maxMatches is how many hits of one pattern in one text are hidden one by one; of a text with more
// everything is hidden, so that hits take no more memory than this.
const maxMatches = 10_000

// pattern finds what a regular expression matches.
type pattern struct {
	re *regexp.Regexp
	// literal is what every match has: to look for it costs little.
	literal []byte
}

func newPattern(re *regexp.Regexp) *pattern {
	p := &pattern{re: re}
	if tree, err := syntax.Parse(re.String(), syntax.Perl); err == nil {
		p.literal = []byte(string(literal(tree)))
	}
	return p
}

// literal returns the longest text that is in every match of re, as far as that is easily told.
func literal(re *syntax.Regexp) (longest []rune) {
	switch re.Op {
	case syntax.OpLiteral:
		// Which matches bytes that are no UTF-8.
		if re.Flags&syntax.FoldCase == 0 && !slices.Contains(re.Rune, utf8.RuneError) {
			return re.Rune
		}
	case syntax.OpCapture, syntax.OpPlus:
		return literal(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return literal(re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if l := literal(sub); len(l) > len(longest) {
				longest = l
			}
		}
	default:
	}
	return longest
}

func (p *pattern) find(text []byte, spans []span) []span {
	if !bytes.Contains(text, p.literal) || !p.re.Match(text) {
		return spans
	}
	matches := p.re.FindAllSubmatchIndex(text, maxMatches)
	if len(matches) == maxMatches {
		return append(spans, span{0, len(text)})
	}
	for _, m := range matches {
		if len(m) > 2 {
			// The groups alone.
			m = m[2:]
		}
		for ; len(m) > 0; m = m[2:] {
			if m[0] < m[1] {
				spans = append(spans, span{m[0], m[1]})
			}
		}
	}
	return spans
}
