package flow

import (
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// Tags says which tags: those that one of Patterns matches, in the aggregator's syntax, or, where it is set, those that
// Regex matches.
type Tags struct {
	Patterns []string
	Regex    string
}

// Every is all tags.
func Every() Tags { return Tags{Patterns: []string{"**"}} }

// maxAlternatives bounds what the braces of a pattern become.
const maxAlternatives = 64

// Expand writes a pattern with braces as several without.
func Expand(pattern string) []string {
	open := strings.IndexByte(pattern, '{')
	if open < 0 || strings.Contains(pattern, `\`) {
		return []string{pattern}
	}
	depth, from := 0, open+1
	var inner []string
	for i := open; i < len(pattern); i++ {
		switch pattern[i] {
		case '{':
			depth++
		case ',':
			if depth == 1 {
				inner = append(inner, pattern[from:i])
				from = i + 1
			}
		case '}':
			if depth--; depth > 0 {
				continue
			}
			var all []string
			for _, alt := range append(inner, pattern[from:i]) {
				all = append(all, Expand(pattern[:open]+alt+pattern[i+1:])...)
				if len(all) > maxAlternatives {
					return []string{pattern}
				}
			}
			return all
		}
	}
	return []string{pattern}
}

// relation is how two sets of tags lie to each other.
type relation uint8

const (
	apart relation = iota
	// inside is that all of the first are in the second.
	inside
	// overlap is that some may be.
	overlap
)

// relate says how a lies to b. Where it can't tell, they overlap.
func relate(a, b Tags) relation {
	if slices.Contains(b.Patterns, "**") && b.Regex == "" {
		return inside
	}
	if a.Regex != "" || b.Regex != "" {
		if a.Regex == b.Regex && slices.Equal(a.Patterns, b.Patterns) {
			return inside
		}
		return overlap
	}
	all, none := true, true
	for _, x := range expandAll(a.Patterns) {
		in, out := false, true
		for _, y := range expandAll(b.Patterns) {
			switch relatePatterns(x, y) {
			case inside:
				in, out = true, false
			case overlap:
				out = false
			case apart:
			}
		}
		all, none = all && in, none && out
	}
	switch {
	case none:
		return apart
	case all:
		return inside
	}
	return overlap
}

func expandAll(patterns []string) (all []string) {
	for _, p := range patterns {
		all = append(all, Expand(p)...)
	}
	return all
}

func relatePatterns(a, b string) relation {
	switch {
	case a == b || b == "**":
		return inside
	case literalTag(a):
		if matches(b, a) {
			return inside
		}
		return apart
	case literalTag(b):
		if matches(a, b) {
			return overlap
		}
		return apart
	}
	pa, pb := prefix(a), prefix(b)
	if !strings.HasPrefix(pa, pb) && !strings.HasPrefix(pb, pa) {
		// a.** also matches a.
		if trimmed, ok := strings.CutSuffix(a, ".**"); ok && literalTag(trimmed) && matches(b, trimmed) {
			return overlap
		}
		if trimmed, ok := strings.CutSuffix(b, ".**"); ok && literalTag(trimmed) && matches(a, trimmed) {
			return overlap
		}
		return apart
	}
	if base, ok := strings.CutSuffix(b, ".**"); ok && literalTag(base) && strings.HasPrefix(pa, base+".") {
		return inside
	}
	if base, ok := strings.CutSuffix(b, "**"); ok && literalTag(base) && strings.HasPrefix(pa,
		base) && base != "" && !strings.HasSuffix(base, ".") {
		return inside
	}
	return overlap
}

func literalTag(p string) bool { return !strings.ContainsAny(p, `*{\`) && p != "" }

// prefix is what all tags that p matches begin with, but for the one without the last dot.
func prefix(p string) string {
	if i := strings.IndexAny(p, `*{\`); i >= 0 {
		return p[:i]
	}
	return p
}

func matches(pattern, tag string) bool {
	p, err := route.Compile(pattern)
	return err == nil && p.Match(tag)
}

// narrow returns the patterns for tags of both a and b, and whether they say it all: where ok is false the result is
// a's, and a condition has to say the rest.
func narrow(a []string, b Tags) (both []string, ok bool) {
	if b.Regex != "" {
		return a, false
	}
	for _, x := range a {
		if relate(Tags{Patterns: []string{x}}, b) == inside {
			both = append(both, x)
			continue
		}
		for _, y := range b.Patterns {
			one, other := Tags{Patterns: []string{x}}, Tags{Patterns: []string{y}}
			switch {
			case relate(other, one) == inside:
				both = append(both, y)
			case relate(one, other) == apart:
			default:
				return a, false
			}
		}
	}
	var unique []string
	for _, p := range both {
		if !slices.Contains(unique, p) {
			unique = append(unique, p)
		}
	}
	return unique, true
}

// Condition writes as an expression that the tag is one of t.
func (t Tags) Condition() string {
	if t.Regex != "" {
		return "tag matches " + quote(t.Regex)
	}
	var all []string
	for _, p := range t.Patterns {
		all = append(all, patternRegex(p))
	}
	if len(all) == 1 {
		return "tag matches " + quote("^"+all[0]+"$")
	}
	return "tag matches " + quote("^(?:"+strings.Join(all, "|")+")$")
}

// quote writes a text as an expression's, with as few backslashes as it takes.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(text) + `"`
}

// Quote writes a text as an expression has it.
func Quote(text string) string { return quote(text) }

// patternRegex writes a pattern as a regular expression.
func patternRegex(p string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(p); i++ {
		rest := p[i:]
		switch c := p[i]; {
		case rest == ".**":
			b.WriteString(`(?:\..*)?`)
			return b.String()
		case strings.HasPrefix(rest, "**."):
			b.WriteString(`(?:.*\.)?`)
			i += 2
		case strings.HasPrefix(rest, "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString(`[^.]*`)
		case c == '{':
			b.WriteString("(?:")
			depth++
		case c == '}':
			b.WriteString(")")
			depth--
		case c == ',' && depth > 0:
			b.WriteString("|")
		case c == '\\' && i+1 < len(p):
			i++
			b.WriteString(regexp.QuoteMeta(p[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String()
}

// name is a name for what is done with these tags.
func (t Tags) name() string {
	if len(t.Patterns) > 0 {
		if name := TagName(t.Patterns[0]); name != "" {
			return name
		}
	}
	return "other"
}

// TagName makes a name of the plain parts of a pattern.
func TagName(pattern string) string {
	var parts []string
	for part := range strings.SplitSeq(pattern, ".") {
		part = strings.Trim(part, "*")
		if part == "" || strings.ContainsAny(part, `*{}\,`) {
			continue
		}
		part = strings.Map(func(r rune) rune {
			if r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return '-'
		}, part)
		if part = strings.Trim(part, "-"); part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) > 3 {
		parts = parts[:3]
	}
	name := strings.Join(parts, "-")
	return name[:min(len(name), 50)]
}
