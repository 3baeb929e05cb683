package filter

import (
	"strings"
	"testing"
)

// The line end that agents leave behind a text is no part of what a condition or a function looks at, wherever people
// would not see it; what is kept of the text keeps it, and who writes a line end means it.
func TestLineEnds(t *testing.T) {
	for _, tc := range []struct {
		expression string
		want       string // of a text that ends in \n, in \r\n, and not at all; one for all three where it is the same
	}{
		{`record.v matches "done$"`, `true`},
		{`record.v endsWith "done"`, `true`},
		{`hasSuffix(record.v, "done")`, `true`},
		{`record.v endsWith "one\n"`, `true false false`},
		{`not (record.v endsWith "done")`, `false`},
		{`record.v + "" endsWith "done"`, `true`},
		{`record.m.v endsWith "done"`, `true`},
		{`any([record.v], # endsWith "done")`, `true`},
		{`record.v endsWith record.suffix`, `false false true`},
		{`record.missing endsWith "done"`, `false`},
		{`int(record.n)`, `42`},
		{`float(record.n)`, `42.0`},
		{`date(record.t).Year()`, `2026`},
		{`duration(record.d).Seconds()`, `90.0`},
		{`replacePattern(record.n, "2$", "3") == record.n`, `false`},
		{`len(record.v) > 9`, `true true false`},
	} {
		x, err := NewExpression(tc.expression)
		if err != nil {
			t.Errorf("%s: %v", tc.expression, err)
			continue
		}
		var all []string
		for _, end := range []string{`\n`, `\r\n`, ``} {
			e := newEvent(t, `{"v":"work done`+end+`","n":"42`+end+`","t":"2026-03-01T00:00:00Z`+end+`","d":"90s`+end+
				`","m":{"v":"work done`+end+`"},"suffix":"done"}`)
			value, err := x.Append(nil, e)
			if err != nil {
				t.Errorf("%s with %q: %v", tc.expression, end, err)
				continue
			}
			all = append(all, show(t, value))
		}
		got := strings.Join(all, " ")
		if want := tc.want; got != want && got != want+" "+want+" "+want {
			t.Errorf("%s: %s, want %s", tc.expression, got, want)
		}
	}
}
