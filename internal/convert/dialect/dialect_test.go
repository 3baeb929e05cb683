package dialect_test

import (
	"regexp"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
)

func TestPattern(t *testing.T) {
	for old, want := range map[string]string{
		`/^a$/`:                      `^a$`,
		`/a/i`:                       `(?i)a`,
		`/a.b/m`:                     `(?s)a.b`,
		`^a$`:                        `^a$`,
		`/a\/b/`:                     `a/b`,
		`/\h+\H/`:                    `[0-9a-fA-F]+[^0-9a-fA-F]`,
		`[\h-]`:                      `[0-9a-fA-F-]`,
		`(?<time>[^\]]*)\Z`:          `(?<time>[^\]]*)$`,
		`(?'a'x)`:                    `(?<a>x)`,
		`(?>a|b)c`:                   `(?:a|b)c`,
		`a++b*+`:                     `a+b*`,
		`a{,3}`:                      `a{0,3}`,
		`(?m)a.b`:                    `(?s)a.b`,
		`(?#note)a`:                  `a`,
		"/a b # c\n c/x":             `abc`,
		`\p{Alpha}[\p{Digit}_]\p{L}`: `[[:alpha:]][[:digit:]_]\p{L}`,
		`[[:alnum:]_.]+`:             `[[:alnum:]_.]+`,
		`[^]]`:                       `[^\]]`,
		`[a[b]`:                      `[a\[b]`,
		`\R\e\u00e9`:                 `(?:\r\n|\n|\r)\x1b\x{00e9}`,
		`/path`:                      `/path`,
		`(?=a)`:                      ``,
		`(?<!a)b`:                    ``,
		`(a)\1`:                      ``,
		`[a-z&&[^b]]`:                ``,
		`a(`:                         ``,
	} {
		got, err := dialect.Pattern(old)
		if (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%s: %s %v, want %s", old, got, err, want)
		}
	}
}

func TestNegative(t *testing.T) {
	for old, want := range map[string]string{
		`/^(?!a|b)/`: `^(?:a|b)`, `^(?!.*health).*$`: `^(?:.*health)`, `/^(?!a)/i`: `/^(?:a)/i`,
		`^(?!(a)(b)).+`: `^(?:(a)(b))`,
		`^(?!a)b`:       ``, `(?!a)`: ``, `^a`: ``, `^(?!a`: ``,
	} {
		got, ok := dialect.Negative(old)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %s %v, want %s", old, got, ok, want)
		}
	}
}

// FuzzPattern: what comes out compiles.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{`/a/im`, `[\h&&x]`, `(?'a'`, `\`, `[`, `\p{`, `a{,`, `(?#`, `/ /x`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = dialect.Negative(text)
		out, err := dialect.Pattern(text)
		if err != nil {
			return
		}
		if _, err := regexp.Compile(out); err != nil {
			t.Fatalf("%q becomes %q: %v", text, out, err)
		}
	})
}
