package grep

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// patterns writes regular expressions by chance, as people do, and such as only machines do.
type patterns struct{ *rand.Rand }

func (p patterns) of(depth int) string {
	if depth == 0 || p.IntN(3) == 0 {
		return []string{
			"a", "b", "ab", "health", "/", "é", "서울", `\.`, ".", `\d`, `\w`, "[ab]", "[a-c]", "[^a]", "", "(?i)A",
			`\b`,
			"\ufffd",
			"[a-z]", `\s`, "[é가]", `\xe9`, "(?s).",
		}[p.IntN(23)]
	}
	inner := p.of(depth - 1)
	switch p.IntN(9) {
	case 0:
		return "(" + inner + ")"
	case 1:
		return "(?:" + inner + "|" + p.of(depth-1) + ")"
	case 2:
		return "(?:" + inner + ")?"
	case 3:
		return "(?:" + inner + ")*"
	case 4:
		return "(?:" + inner + "){1,2}"
	case 5:
		return "(?:" + inner + ")+"
	default:
		return inner + p.of(depth-1)
	}
}

// whole is an expression with anchors at its ends, or not.
func (p patterns) whole() string {
	start := []string{"", "", "^", `\A`, "(?m)^", "(^|x)"}[p.IntN(6)]
	end := []string{"", "", "$", `\z`, "(?m)$", "(x|$)"}[p.IntN(6)]
	return start + p.of(3) + end
}

func (p patterns) text() string {
	pieces := []string{
		"a", "b", "c", "ab", "health", "/", "é", "서울", ".", "1", "A", " ", "\n", "\xe9", "\xc3", "\ufffd", "x",
		"\r\n",
	}
	var b strings.Builder
	for range p.IntN(6) {
		b.WriteString(pieces[p.IntN(len(pieces))])
	}
	return b.String()
}

// However an expression is searched for, it matches what the regular expression matches.
func TestMatcher_Model(t *testing.T) {
	plain := 0
	for i := range uint64(3000) {
		p := patterns{rand.New(rand.NewPCG(1, i))}
		pattern := p.whole()
		re, err := regexp.Compile(pattern)
		if err != nil {
			t.Fatalf("%q: %v", pattern, err)
		}
		m, err := newMatcher(pattern)
		if err != nil {
			t.Fatalf("%q: %v", pattern, err)
		}
		if m.regex == nil {
			plain++
		}
		for range 30 {
			text := p.text()
			if got, want := m.match([]byte(text)), re.MatchString(text); got != want {
				t.Fatalf("%q on %q: %v, want %v (%+v)", pattern, text, got, want, m)
			}
		}
	}
	if plain < 100 {
		t.Errorf("only %d expressions were searched for as texts", plain)
	}
}

// What an expression is searched for by: its texts, and the expression itself where these do not say all.
func TestMatcher_Texts(t *testing.T) {
	for _, tc := range []struct {
		pattern    string
		texts      []string
		start, end bool
		regex      bool
	}{
		{"health", []string{"health"}, false, false, false},
		{"^/health", []string{"/health"}, true, false, false},
		{"^/(health|ready)$", []string{"/health", "/ready"}, true, true, false},
		{"\\.map$", []string{".map"}, false, true, false},
		{"^$", []string{""}, true, true, false},
		{"", []string{""}, false, false, false},
		{"colou?r", []string{"colour", "color"}, false, false, false},
		{"[ab]c", []string{"ac", "bc"}, false, false, false},
		{"GET /api/v[0-9]+/items", []string{"GET /api/v"}, false, false, true},
		{"^GET .* 500$", []string{"GET "}, true, false, true},
		{"error.*timeout", []string{"timeout"}, false, false, true},
		{".*", []string{""}, false, false, true},
		{"(?i)error", []string{""}, false, false, true},
		{"\ufffd", []string{""}, false, false, true},
		{"[^a]", []string{""}, false, false, true},
		{`\d`, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, false, false, false},
	} {
		m, err := newMatcher(tc.pattern)
		if err != nil {
			t.Errorf("%q: %v", tc.pattern, err)
			continue
		}
		var texts []string
		for _, text := range m.texts {
			texts = append(texts, string(text))
		}
		if strings.Join(texts, "|") != strings.Join(tc.texts, "|") || m.start != tc.start || m.end != tc.end ||
			(m.regex != nil) != tc.regex {
			t.Errorf("%q: %q, start %v, end %v, expression %v", tc.pattern, texts, m.start, m.end, m.regex)
		}
	}
}
