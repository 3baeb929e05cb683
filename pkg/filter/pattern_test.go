package filter

import (
	"regexp"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

func TestCheckPattern(t *testing.T) {
	for text, want := range map[string]string{
		`^ERROR`:           "",
		`done$`:            "",
		`^/healthcheck`:    "",
		`a/b/c`:            "",
		`/`:                "",
		`//`:               "",
		`\n?$`:             "",
		`a\nb`:             "",
		`(?s)a.b`:          "",
		`(?i)a`:            "",
		`\(?m`:             "",
		`a&&b`:             "",
		`^(?<a>\w+) (.*)$`: "",

		`/^(?<level>\w+) (?<message>.*)$/`: `stands in slashes, which would be part of it (write "^(?<level>\\w+) ` +
			`(?<message>.*)$")`,
		`/^\/orders/`:    `in slashes`,
		`/healthcheck$/`: `in slashes`,
		`/^a$/i`:         `(write "(?i)^a$")`,
		`/^a.b\z/mi`:     `(write "(?is)^a.b\\z")`,
		`/(?=x)/`:        `in slashes`,
		`/error/`:        `warning: the slashes around the expression are part of what it matches`,
		`/error/i`:       `warning: the slashes`,

		`\h+`:             `write [0-9a-fA-F]`,
		`[\h]+`:           `write [0-9a-fA-F]`,
		`\H`:              `write [^0-9a-fA-F]`,
		`a\Z`:             `write $ for \Z`,
		`\R`:              `write (?:\r\n|\n|\r)`,
		`\e[31m`:          `write \x1b`,
		`\u00e9`:          `write \x{00e9}`,
		`(a)\1`:           `no references`,
		`(?<a>.)\k<a>`:    `no references`,
		`a(?=b)`:          `no look-around`,
		`a(?!b)`:          `no look-around`,
		`(?<=a)b`:         `no look-around`,
		`(?<!a)b`:         `no look-around`,
		`(?>a)b`:          `leave (?> ) out`,
		`a++`:             `leave the second sign`,
		`a*+b`:            `leave the second sign`,
		`(?x) a`:          `leave out the flag x`,
		`(?#x)a`:          `leave the comment out`,
		`(`:               `missing closing )`,
		`(?m)^a`:          `warning: (?m) has ^ and $ match at every line`,
		`a(?im:b)`:        `warning: (?m)`,
		`[a-z&&[^aeiou]]`: `warning: && in a class`,
		`done\n$`:         `warning: it can't match at the end`,
		`\r?\n\z`:         `warning: it can't match at the end`,
		`[\r\n]+$`:        `warning: it can't match at the end`,
		`(?<a>.*\n)`:      `warning: it can't match at the end`,
		`a\n{1,2}$`:       `warning: it can't match at the end`,
		`(?:a\n|b\r\n)$`:  `warning: it can't match at the end`,
	} {
		var r setting.Report
		CheckPattern(&r, "key", text)
		var told []string
		for _, p := range r.Problems {
			if p.Warning {
				p.Reason = "warning: " + p.Reason
			}
			told = append(told, p.Reason)
		}
		got := strings.Join(told, " ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// FuzzCheckPattern holds that whatever compiles as Go has it is only doubted, but for anchors in slashes, and
// that what does not compile is an error.
func FuzzCheckPattern(f *testing.F) {
	for _, seed := range []string{`/^a$/im`, `a++\h(?=b)`, `(?m)^a\n$`, `[a&&b]`, `(?:a\n|b){2}\z`, "\\", "/", "(?"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r setting.Report
		CheckPattern(&r, "key", text)
		failed := false
		for _, p := range r.Problems {
			failed = failed || !p.Warning
		}
		_, err := regexp.Compile(text)
		inner, _, slashes := inSlashes(text)
		if failed != (err != nil || slashes && anchored(inner)) {
			t.Errorf("%q: %+v, compiled: %v", text, r.Problems, err)
		}
	})
}
