package route

import (
	"testing"
)

// A route is found by its position, with or without its list, or by one of its patterns; what is said otherwise names
// those that there are.
func TestFind(t *testing.T) {
	routes := []Config{
		{Match: []string{"kube.**", "host.**"}},
		{Match: []string{"app"}},
		{Match: []string{"7"}},
		{Match: []string{"app"}},
	}
	const all = "0 (kube.**, host.**), 1 (app), 2 (7), 3 (app)"
	for _, tc := range []struct {
		name string
		want int
		fail string
	}{
		{"0", 0, ""},
		{"routes[0]", 0, ""},
		{"routes[3]", 3, ""},
		{"3]", 3, ""},
		{"kube.**", 0, ""},
		{"host.**", 0, ""},
		// A number is a position, whatever patterns there are.
		{"7", 0, "there is no route 7: the configuration has 4, counted from 0"},
		{"4", 0, "there is no route 4: the configuration has 4, counted from 0"},
		{"-1", 0, "there is no route -1: the configuration has 4, counted from 0"},
		{"routes[4]", 0, "there is no route 4: the configuration has 4, counted from 0"},
		{"routes[]", 0, `no route has the pattern "routes[]"; routes are ` + all},
		{"", 0, `no route has the pattern ""; routes are ` + all},
		{"kube", 0, `no route has the pattern "kube"; routes are ` + all},
		{"app", 0, `2 routes have the pattern "app"; name one by its position: ` + all},
	} {
		got, err := Find(routes, tc.name)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if got != tc.want || said != tc.fail {
			t.Errorf("%q: %d, %q; want %d, %q", tc.name, got, said, tc.want, tc.fail)
		}
	}
	for i := range routes {
		if got, err := Find(routes, Name(i)); got != i || err != nil {
			t.Errorf("%s is found at %d, %v", Name(i), got, err)
		}
	}
}

// A route is certain to take an event to an output only if nothing about the event is asked before.
func TestCertain(t *testing.T) {
	table := mustNew(t,
		Config{Match: []string{"asked.**", "both"}, When: "record.a == 1", Outputs: []string{"es"}},
		Config{Match: []string{"asked.sure"}, Outputs: []string{"es", "archive"}},
		Config{Match: []string{"on", "both"}, Outputs: []string{"archive"}, Continue: true},
		Config{Match: []string{"on"}, Clusters: []string{"seoul"}, Outputs: []string{"es"}},
		Config{Match: []string{"both"}, Outputs: []string{"archive"}},
	)
	for _, tc := range []struct{ name, output, cluster, tag, want string }{
		{"no route", "es", "seoul", "none", ""},
		{"a condition alone", "es", "seoul", "asked.x", ""},
		{"a condition first", "es", "seoul", "asked.sure", ""},
		{"a condition for another output", "archive", "seoul", "asked.sure", "routes[1]"},
		{"the first of several", "archive", "seoul", "on", "routes[2]"},
		{"one behind that goes on", "es", "seoul", "on", "routes[3]"},
		{"another cluster", "es", "tokyo", "on", ""},
		{"the nearest to the output", "archive", "seoul", "both", "routes[2]"},
		{"an unknown output", "kafka", "seoul", "on", ""},
		{"no output", "", "seoul", "on", ""},
	} {
		if got := table.Certain(tc.output, tc.cluster, tc.tag); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// What can't be read of a pattern is told with the byte where it is, also behind others, and with what to write.
func TestPatternErrors(t *testing.T) {
	const (
		open   = `{ without a } (no spaces between braces; write \{ for the character)`
		closed = `} without a { (write \} for the character)`
		empty  = "it is empty (** matches every tag)"
		regex  = `regular expressions are not supported (write \/ for a tag that begins with a slash)`
	)
	for _, tc := range []struct {
		text   string
		column int
		reason string
	}{
		{"", 1, empty},
		{" \t\n", 1, empty},
		{"/a.*/", 1, regex},
		{"a /b/", 3, regex},
		{"a\n\t/b/", 4, regex},
		{"{", 1, open},
		{"a.{b,c", 3, open},
		{"{a,{b,c}", 1, open},
		{"{a,{b,c", 4, open},
		{"{a, b}", 1, open},
		{"한{", 4, open},
		{"}", 1, closed},
		{"a}", 2, closed},
		{"{a}}", 4, closed},
		{"a b}", 4, closed},
		{`a\`, 2, `nothing follows the \`},
		{`\`, 1, `nothing follows the \`},
		{`a b\`, 4, `nothing follows the \`},
		{`{a\}`, 1, open},
	} {
		for what, compile := range map[string]func(string) (Pattern, error){"tag": Compile, "cluster": compileGlob} {
			p, err := compile(tc.text)
			want := &PatternError{Pattern: tc.text, Column: tc.column, Reason: tc.reason}
			if err == nil || err.Error() != want.Error() {
				t.Errorf("%s %q: %v, want %v", what, tc.text, err, want)
			}
			if p.Match("") || p.Match("a") {
				t.Errorf("%s %q: what can't be read matches", what, tc.text)
			}
		}
	}
}

// A cluster's * takes dots too, unlike a tag's; nothing else differs.
func TestGlobs(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		glob, tag     bool
	}{
		{"a*", "a.b", true, false},
		{"a*", "ab", true, true},
		{"*", "a.b.c", true, false},
		{"*.b", "a.a.b", true, false},
		{"a.*.c", "a.b.b.c", true, false},
		{"**", "a.b", true, true},
		{"a.**", "a", true, true},
		{"{a,b}*", "b.1", true, false},
		{`a\*`, "a*", true, true},
		{`a\*`, "ab", false, false},
		{"a", "A", false, false},
		{"a", "a.b", false, false},
	} {
		glob, err := compileGlob(tc.pattern)
		if err != nil {
			t.Fatal(err)
		}
		tag, err := Compile(tc.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if glob.Match(tc.text) != tc.glob || tag.Match(tc.text) != tc.tag {
			t.Errorf("%s of %s: %v as a cluster's, %v as a tag's; want %v, %v", tc.pattern, tc.text,
				glob.Match(tc.text), tag.Match(tc.text), tc.glob, tc.tag)
		}
	}
}
