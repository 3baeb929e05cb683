package dialect_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
)

// TestMatches holds that what comes out matches what Ruby's expression does, and nothing else.
func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		old     string
		yes, no []string
	}{
		{`/^error$/`, []string{"error"}, []string{"an error", "errors"}},
		{`/error/i`, []string{"ERROR", "an Error"}, []string{"err"}},
		{`/a.c/m`, []string{"abc", "a\nc"}, []string{"ac"}},
		{`/a.c/`, []string{"abc"}, []string{"a\nc"}},
		{`/a b # blank/x`, []string{"ab"}, []string{"a b"}},
		{`/^\/healthz?/`, []string{"/health", "/healthz"}, []string{"x/health"}},
		{`^/a/b$`, []string{"/a/b"}, []string{"a/b"}},
		{`/a/b/`, []string{"a/b"}, []string{"ab"}},
		{`\A\d+\z`, []string{"123"}, []string{"a1", "1a"}},
		{`\h{4}`, []string{"beef", "BEEF"}, []string{"beeg"}},
		{`^\H+$`, []string{"xyz"}, []string{"xa"}},
		{`[\h.]+$`, []string{"a.f"}, []string{"x "}},
		{`[^\h]`, []string{"g"}, []string{"abc"}},
		{`(?<a>x)(?<b>y)?`, []string{"x", "xy"}, []string{"y"}},
		{`(?'n'\d+) ms`, []string{"5 ms"}, []string{"ms"}},
		{`(?>a+)b`, []string{"aab"}, []string{"aa"}},
		{`a++b`, []string{"aab"}, []string{"b"}},
		{`a?+b`, []string{"ab", "b"}, []string{"a"}},
		{`^a{,2}$`, []string{"", "a", "aa"}, []string{"aaa"}},
		{`^a{2}$`, []string{"aa"}, []string{"a"}},
		{`(?i)abc`, []string{"ABC"}, []string{"abd"}},
		{`(?mi)A.b`, []string{"a\nB"}, []string{"ab"}},
		{`(?i:a)b`, []string{"Ab"}, []string{"aB"}},
		{`(?m:a.b)`, []string{"a\nb"}, []string{"ab"}},
		{`(?im:A.b)`, []string{"a\nb"}, []string{"ab"}},
		{`(?#comment)x`, []string{"x"}, []string{"y"}},
		{`^[[:alpha:]]+$`, []string{"abc"}, []string{"a1"}},
		{`^[^[:space:]]+$`, []string{"abc"}, []string{"a b"}},
		{`^\p{Alnum}+$`, []string{"a1"}, []string{"a-"}},
		{`^\P{Digit}+$`, []string{"ab"}, []string{"a1"}},
		{`^[\p{Upper}_]+$`, []string{"A_B"}, []string{"ab"}},
		{`^[]a]+$`, nil, nil},
		{`^[^]]+$`, []string{"abc"}, []string{"a]"}},
		{`[a[b]+`, []string{"[", "b"}, []string{"c"}},
		{`^[a\]b]+$`, []string{"a]b"}, []string{"c"}},
		{`^[\-\w]+$`, []string{"a-b"}, []string{"a b"}},
		{`\Rx`, []string{"\r\nx", "\nx"}, []string{"x"}},
		{`\e\[31m`, []string{"\x1b[31m"}, []string{"[31m"}},
		{`caf\u00e9`, []string{"café"}, []string{"cafe"}},
		{`a\/b\@c\#d\ e\_f`, []string{"a/b@c#d e_f"}, []string{"ab"}},
		{`\.\*\+\?\(\)\[\]\{\}\|\^\$\\`, []string{`.*+?()[]{}|^$\`}, []string{"a"}},
		{`\t\n\r\f\v`, []string{"\t\n\r\f\v"}, []string{"t"}},
		{`\bword\b`, []string{"a word."}, []string{"words"}},
		{`x\Z`, []string{"x"}, []string{"xy"}},
		{`(a|b)(?:c|d)`, []string{"ac", "bd"}, []string{"ab"}},
		{`\X`, []string{"a"}, []string{""}},
	} {
		out, err := dialect.Pattern(tc.old)
		if err != nil {
			if tc.yes != nil {
				t.Errorf("%s: %v", tc.old, err)
			}
			continue
		}
		re := regexp.MustCompile(out)
		for _, text := range tc.yes {
			if !re.MatchString(text) {
				t.Errorf("%s became %s, which does not match %q", tc.old, out, text)
			}
		}
		for _, text := range tc.no {
			if re.MatchString(text) {
				t.Errorf("%s became %s, which matches %q", tc.old, out, text)
			}
		}
	}
}

// TestRefused: what RE2 has nothing for is refused, with words that say what it is.
func TestRefused(t *testing.T) {
	for old, want := range map[string]string{
		`a(?=b)`:       "look-around",
		`a(?!b)`:       "look-around",
		`(?<=a)b`:      "look-around",
		`(?<!a)b`:      "look-around",
		`(a)\1`:        "references to groups",
		`(?<a>x)\k<a>`: "references to groups",
		`\g<a>`:        "references to groups",
		`\Ga`:          `\G has no like`,
		`a\Kb`:         `\K has no like`,
		`[a-z&&[^b]]`:  "intersection",
		`(?x)a b`:      "(?x) has no like",
		`(?#open`:      "a comment without its end",
		`(?'open`:      "a group's name without its end",
		`(?<open`:      "a group's name without its end",
		`\p{open`:      "without {…}",
		`\px`:          "without {…}",
		`a\`:           "ends in a backslash",
		`[a`:           "[ without ]",
		`[[:alpha`:     "[: without :]",
		`(a`:           "no like in RE2",
		`a)`:           "no like in RE2",
		`*a`:           "no like in RE2",
		`(?<a-b>x)`:    "no like in RE2",
		`\p{Hangul_x}`: "no like in RE2",
		`a{1001}`:      "no like in RE2",
	} {
		out, err := dialect.Pattern(old)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s %v, want %s", old, out, err, want)
		}
	}
}

// TestWithout: what such an expression matches is a text in which the inner one is nowhere.
func TestWithout(t *testing.T) {
	for old, want := range map[string]string{
		`^((?!a).)*$`:        `a`,
		`/^((?!a|b).)*$/`:    `a|b`,
		`^(?:(?!health).)*$`: `health`,
		`^((?!a).)+$`:        `a`,
		`^((?!a).)*`:         `a`,
		`^((?!(a)b).)*$`:     `(a)b`,
		`^((?!\)).)*$`:       `\)`,
		`^((?!a).)*b$`:       ``,
		`((?!a).)*$`:         ``,
		`^((?!a)x(b).)*$`:    ``,
		`^a$`:                ``,
		``:                   ``,
	} {
		if got, ok := dialect.Without(old); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v, want %q", old, got, ok, want)
		}
	}
}

// TestNegativeMatches: what Negative finds matches exactly what the expression itself would not.
func TestNegativeMatches(t *testing.T) {
	for _, tc := range []struct {
		old        string
		takes, not string
	}{
		{`^(?!debug)`, "info", "debug x"},
		{`/^(?!debug|trace)/`, "info", "trace"},
		{`/^(?!DEBUG)/i`, "info", "debug"},
		{`^(?!.*health).*$`, "GET /", "GET /health"},
		{`^((?!health).)*$`, "GET /", "GET /health"},
		{`^(?!(a|b)c)`, "ab", "bc"},
		{`^(?!a\)b)`, "ab", "a)b"},
	} {
		inner, ok := dialect.Negative(tc.old)
		if !ok {
			t.Errorf("%s is not found", tc.old)
			continue
		}
		out, err := dialect.Pattern(inner)
		if err != nil {
			t.Errorf("%s: %v", inner, err)
			continue
		}
		re := regexp.MustCompile(out)
		if re.MatchString(tc.takes) || !re.MatchString(tc.not) {
			t.Errorf("%s became the opposite of %s", tc.old, out)
		}
	}
}
