package route

import (
	"strings"
	"testing"
)

// node is a piece of a pattern for the reference matcher: text, a wildcard, an assertion or a choice.
type node struct {
	kind byte // 'c' literal, '*' no dots, 'a' anything, 'e' end of a part, 's' start of a part, '{' choice
	c    byte
	alts [][]node
}

// refParse reads a sequence up to an unescaped end of its brace, and returns what is left.
func refParse(s string, depth int) (seq []node, rest string, ok bool) {
	dot := func() {
		seq = append(seq, node{kind: 'c', c: '.'})
	}
	pending := false
	for s != "" {
		switch {
		case strings.HasPrefix(s, "**"):
			if pending {
				seq, pending = append(seq, node{kind: 'e'}), false
			}
			s = s[2:]
			if strings.HasPrefix(s, ".") {
				seq, s = append(seq, node{kind: 's'}), s[1:]
			} else {
				seq = append(seq, node{kind: 'a'})
			}
			continue
		case pending:
			dot()
			pending = false
		}
		c := s[0]
		s = s[1:]
		switch {
		case c == '\\':
			if s == "" {
				return nil, "", false
			}
			seq, s = append(seq, node{kind: 'c', c: s[0]}), s[1:]
		case c == '.':
			pending = true
		case c == '*':
			seq = append(seq, node{kind: '*'})
		case c == '{':
			n := node{kind: '{'}
			for {
				alt, rest, ok := refParse(s, depth+1)
				if !ok || rest == "" {
					return nil, "", false
				}
				n.alts, s = append(n.alts, alt), rest[1:]
				if rest[0] == '}' {
					break
				}
			}
			seq = append(seq, n)
		case c == '}' && depth == 0:
			return nil, "", false
		case (c == '}' || c == ',') && depth > 0:
			return seq, string(c) + s, true
		default:
			seq = append(seq, node{kind: 'c', c: c})
		}
	}
	return seq, "", true
}

// refMatch tries every way; then goes on behind the sequence. steps bounds it.
func refMatch(seq []node, text string, pos int, steps *int, then func(pos int) bool) bool {
	if *steps--; *steps < 0 {
		return false
	}
	if len(seq) == 0 {
		return then(pos)
	}
	on := func(pos int) bool { return refMatch(seq[1:], text, pos, steps, then) }
	switch n := seq[0]; n.kind {
	case 'c':
		return pos < len(text) && text[pos] == n.c && on(pos+1)
	case 'e':
		return (pos == len(text) || text[pos] == '.') && on(pos)
	case 's':
		if pos == 0 && on(0) {
			return true
		}
		for ; pos < len(text); pos++ {
			if text[pos] == '.' && on(pos+1) {
				return true
			}
		}
		return false
	case '{':
		for _, alt := range n.alts {
			if refMatch(alt, text, pos, steps, on) {
				return true
			}
		}
		return false
	default:
		for ; ; pos++ {
			if on(pos) {
				return true
			}
			if pos == len(text) || n.kind == '*' && text[pos] == '.' {
				return false
			}
		}
	}
}

// FuzzPattern: no pattern or tag panics, and the compiled form agrees with the reference.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"a.**", "a.b"},
		{"**.a", "b.a"},
		{"a.**.c", "a.b.c"},
		{"a.{b,c.d}.*", "a.c.d.e"},
		{"{a.**,b}c", "a.c"},
		{`a\*b`, "a*b"},
		{"{,a}{**.,*}x", "a.x"},
		{"a.", "a"},
		{"web-*", "web-1"},
		{"{a", "a"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, tag string) {
		p, err := Compile(pattern)
		if err == nil {
			p.Match(tag)
		}
		if len(pattern) > 40 || len(tag) > 40 || strings.HasPrefix(pattern, "/") || len(strings.Fields(pattern)) != 1 ||
			strings.Fields(pattern)[0] != pattern {
			return
		}
		seq, rest, ok := refParse(pattern, 0)
		if ok = ok && rest == ""; ok != (err == nil) {
			t.Fatalf("%q: %v, but the reference says %v", pattern, err, ok)
		}
		steps := 200_000
		if !ok {
			return
		}
		want := refMatch(seq, tag, 0, &steps, func(pos int) bool { return pos == len(tag) })
		if got := p.Match(tag); steps >= 0 && got != want {
			t.Fatalf("%q matches %q: %v, but the reference says %v", pattern, tag, got, want)
		}
	})
}
