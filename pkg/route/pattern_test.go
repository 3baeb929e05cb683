package route

import (
	"errors"
	"strings"
	"testing"
)

func TestPatternMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		yes, no string // tags, with spaces between; "-" is the empty one
	}{
		{"a", "a", "b aa a.b -"},
		{"a.b", "a.b", "aab a a.b.c"},
		{"web-1_x", "web-1_x", "web-1 web-1_xx"},
		{"a+b(c)[d]|^$", "a+b(c)[d]|^$", "aab"},
		{"한글.*", "한글.로그 한글.", "한글 한.글"},

		{"*", "a ab -", "a.b ."},
		{"a*", "a ab abc", "a.b ab.c ba"},
		{"*a", "a ba cba", "ab b.a"},
		{"*a*", "a ba ac bac", "b a.c"},
		{"a.*", "a.b a.c a.", "a ab a.b.c"},
		{"a.*.c", "a.b.c a.c.c a..c", "a.c a.b.b.c"},
		{"web-*.log", "web-.log web-1.log", "web.log web-1.2.log"},
		{"*.*", "a.b .", "a a.b.c"},

		{"**", "a a.b . -", ""},
		{"***", "a a.b -", ""},
		{"****", "a a.b -", ""},
		{"a.**", "a a.b a.b.c a.", "ab abc ab.c ab.d.e b.a"},
		{"a**", "a ab abc a.b ab.c ab.d.e", "b ba b.a -"},
		{"**.a", "a b.a cb.a d.e.a .a", "ba c.ba a.b -"},
		{"**a", "a ba c.ba b.a cb.a d.e.a", "ab a.b -"},
		{"a.**.c", "a.c a.b.c a.b.b.c a..c", "a ac a.cc a.bc ab.c c"},
		{"a**.c", "a.c ab.c a.b.c", "a ac c"},
		{"a.**c", "a.c a.bc a.b.c", "ac a c"},
		{"**.**", "a a.b -", ""},
		{"**.b.**", "b a.b b.c a.b.c", "a ab bc a.bc -"},
		{"**.*", "a a.b -", ""},
		{"*.**", "a a.b -", ""},
		{"**.", "a. a.b. -", "a a.b"},

		{"a.{b,c}", "a.b a.c", "a.d a a.b,c"},
		{"a.{b,c}.**", "a.b a.c a.b.d", "a.d a.cd a"},
		{"a.{b.**,c}", "a.b a.b.c a.c", "a.c.d a.bb"},
		{"a.{b,c.d}.*", "a.b.x a.c.d.x", "a.b a.c.x a.c.d"},
		{"{a,b}", "a b", "ab -"},
		{"{a,b}{c,d}", "ac ad bc bd", "a c ab"},
		{"{a,{b,c{d,e}}}f", "af bf cdf cef", "f cf df"},
		{"a{,.b}", "a a.b", "a. a.b.b"},
		{"{}a", "a", "- b"},
		{"{a.**,b}c", "a.c a.b.c bc a.xc", "ac c"},
		{"a.{**,b}", "a. a.b a.b.c", "a ab"},
		{"{*.log,web-*}", "x.log web-1", "x web"},
		{"x,y", "x,y", "x y"},

		{`a\*`, "a*", "ab a"},
		{`\**`, "* *b", "a"},
		{`a\.**`, "a. a.b", "a ab"},
		{`\{a,b\}`, "{a,b}", "a b"},
		{`{a\,b,c\}}`, "a,b c}", "a b c"},
		{`\\`, `\`, `\\`},
		{`\/a/`, "/a/", "a"},

		{"a.", "a", "a. a.b"},
		{"a..", "a.", "a a.."},
		{"a..b", "a..b", "a.b"},
		{".a", ".a", "a"},

		{"a.b a.c", "a.b a.c", "a.d"},
		{"a.b.** a.c", "a.b a.b.c a.c", "a.d a.cd a.c.d"},
		{" \t a \n b ", "a b", "- ab"},
	} {
		p, err := Compile(tc.pattern)
		if err != nil {
			t.Errorf("Compile(%q): %v", tc.pattern, err)
			continue
		}
		check := func(tags string, want bool) {
			for _, tag := range strings.Fields(tags) {
				if tag == "-" {
					tag = ""
				}
				if p.Match(tag) != want {
					t.Errorf("%q matches %q: %v, want %v", tc.pattern, tag, !want, want)
				}
			}
		}
		check(tc.yes, true)
		check(tc.no, false)
	}
}

func TestPatternMatchesLineBreaks(t *testing.T) {
	for _, pattern := range []string{"**", "a.**", "a.*", "a**"} {
		p, err := Compile(pattern)
		if err != nil || !p.Match("a.b\nc") {
			t.Errorf("%q does not match a tag with a line break (%v)", pattern, err)
		}
	}
	if p, _ := Compile("a"); p.Match("a\n") {
		t.Error(`"a" matches "a\n"`)
	}
}

func TestCompileErrors(t *testing.T) {
	for _, tc := range []struct {
		pattern, reason string
		column          int
	}{
		{"", "empty", 1},
		{" \t", "empty", 1},
		{"a.{b,c", "{ without a }", 3},
		{"a.{b,{c,d}", "{ without a }", 3},
		{"a.{b,{c,d", "{ without a }", 6},
		{"a}", "} without a {", 2},
		{"{a}}", "} without a {", 4},
		{"a {b, c}", "{ without a }", 3},
		{`a.b\`, `nothing follows the \`, 4},
		{"/a.*/", "regular expressions", 1},
		{"a  /b/", "regular expressions", 4},
	} {
		_, err := Compile(tc.pattern)
		var pe *PatternError
		if !errors.As(err, &pe) || pe.Column != tc.column || !strings.Contains(pe.Reason, tc.reason) ||
			pe.Pattern != tc.pattern {
			t.Errorf("Compile(%q): %v, want %q at column %d", tc.pattern, err, tc.reason, tc.column)
		}
	}
}

func TestGlob(t *testing.T) {
	p, err := compileGlob("seoul-* {tokyo,osaka}")
	if err != nil {
		t.Fatal(err)
	}
	for cluster, want := range map[string]bool{
		"seoul-prod": true, "seoul-prod.a": true, "seoul-": true, "seoul": false, "tokyo": true, "osaka": true,
		"osaka-1": false, "": false,
	} {
		if p.Match(cluster) != want {
			t.Errorf("%q: %v, want %v", cluster, !want, want)
		}
	}
}

// A pattern that makes a backtracking matcher take for ever.
func TestHostilePattern(t *testing.T) {
	p, err := Compile(strings.Repeat("**a", 200) + "b")
	if err != nil {
		t.Fatal(err)
	}
	if p.Match(strings.Repeat("a", 10_000)) {
		t.Error("it matches")
	}
	deep, err := Compile(strings.Repeat("{", 100_000) + "a" + strings.Repeat("}", 100_000))
	if err != nil || !deep.Match("a") || deep.Match("b") {
		t.Errorf("100,000 levels of braces: %v", err)
	}
	if (Pattern{}).Match("") {
		t.Error("the zero Pattern matches")
	}
}
