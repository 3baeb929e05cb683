package config

import (
	"fmt"
	"strings"
	"testing"
)

// tooMany is said of a file that goes beyond the bounds of its values.
const tooMany = "the file has more than 100000 values, counted with what aliases repeat, or nests deeper than 100"

// What a file may make of memory is bounded: what is at a bound is read, and what is beyond it is refused in one line.
func TestLimits(t *testing.T) {
	nested := func(levels int) string {
		return "routes: " + strings.Repeat("[", levels) + strings.Repeat("]", levels) + "\n"
	}
	for _, tc := range []struct {
		name, text, want string
	}{
		// A list in a list is no route, which is told where it is, so that it was read.
		{"as deep as may be", nested(maxDepth), "a.yaml:1:10: routes[0]: expected a mapping with keys like"},
		{"deeper", nested(maxDepth + 1), fmt.Sprintf("a.yaml:1:%d: ", 9+maxDepth) + tooMany},
	} {
		if got := told(tc.text); !strings.Contains(got, tc.want) {
			t.Errorf("%s: %.300s, want %s", tc.name, got, tc.want)
		}
	}
}

// A hopeless file is told of with so many mistakes and no more.
func TestLimits_Mistakes(t *testing.T) {
	for n, last := range map[int]string{
		maxErrors: "unknown key", maxErrors + 1: "more than 1000 mistakes",
	} {
		var b strings.Builder
		b.WriteString("log:\n")
		for i := range n {
			fmt.Fprintf(&b, "  zz%d: 1\n", i)
		}
		lines := strings.Split(told(b.String()), "\n")
		found := 0
		for _, line := range lines {
			if strings.Contains(line, last) {
				found++
			}
		}
		if want := min(n, maxErrors+1); len(lines) != want || found == 0 {
			t.Errorf("%d mistakes: %d lines, %d of them %q; want %d", n, len(lines), found, last, want)
		}
	}
}

// What variables and files bring in is bounded together, however often one is named.
func TestLimits_Interpolated(t *testing.T) {
	o := world()
	o.ReadFile = func(string) ([]byte, error) { return []byte(strings.Repeat("x", maxInterpolated/4)), nil }
	_, err := Parse("a.yaml", []byte("buffer: {path: '"+strings.Repeat("${file:/a}", 5)+"'}\n"), o)
	want := "a.yaml:1:16: buffer.path: environment variables and files bring in more than 16 MiB"
	if err == nil || err.Error() != want {
		t.Errorf("%.300v, want %s", err, want)
	}
}

// With one section named, mistakes elsewhere are passed over, and those that are in none are not.
func TestOnlyOneSection(t *testing.T) {
	const text = "hostname: 5\nlog: {level: loud}\noutputs: {a: {type: stdout, workers: -1}}\nlogs: {}\n"
	for only, want := range map[string]string{
		"log":      `a.yaml:2:14: log.level: "loud" is not a valid value (one of debug, info, warn, error)`,
		"outputs":  "a.yaml:3:38: outputs.a.workers: -1 is less than 0",
		"hostname": "a.yaml:1:11: hostname: expected a text, got 5 (put it in quotes)",
		"status":   "",
		"buffer":   "",
	} {
		o := world()
		o.Only = only
		c, err := Parse("a.yaml", []byte(text), o)
		if errorText(err) != want || (c == nil) != (want != "") {
			t.Errorf("%s: %v, %v; want %q", only, c != nil, err, want)
		}
		if _, err := Parse("a.yaml", []byte("log: [\n"), o); err == nil {
			t.Errorf("%s: a file that is no YAML was read", only)
		}
	}
}

// A value is found by its path; where a path leads nowhere, the nearest one around it is.
func TestFind(t *testing.T) {
	r := &reader{problems: &problems{}}
	r.options = world()
	root := r.read("a.yaml", []byte("a:\n  b: [x, {c: y}, [z]]\n  d.e: dotted\nf: alone\n"))
	for path, want := range map[string]string{
		"": "1:1", "a": "2:3", "a.b": "2:6", "a.b[0]": "2:7", "a.b[1].c": "2:14", "a.b[2][0]": "2:19", "f": "4:4",
		"f[0]": "4:4", "a.none": "2:3", "a.b[9]": "2:6", "a.b[9].c": "2:6", "a.b[-1]": "2:6", "a.b[x]": "2:6",
		"a.b[0].c": "2:7", "none": "1:1", "f[1]": "4:4", "a.b[1].c.d": "2:14", ".a": "2:3", "a..b": "2:6",
		"a.d.e": "2:3",
	} {
		at := root.find(path)
		if got := fmt.Sprintf("%d:%d", at.line, at.column); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
	var none *node
	if none.find("a.b[0]") != nil || none.get("a") != nil || none.item(0) != nil || none.origins() != nil ||
		none.within() != "" || none.madeUp() || none.shown() != "nothing" || none.where() != (place{}) {
		t.Error("nothing has something in it")
	}
}

// What a setting has is shown in one short line, whatever it is, and what came from elsewhere by where it came from.
func TestShown(t *testing.T) {
	for _, tc := range []struct {
		name string
		n    *node
		want string
	}{
		{"a text", textNode("a\tb"), `"a\tb"`},
		{"an empty text", textNode(""), `""`},
		{"a number", &node{kind: scalar, text: "0x10", tag: "!!int"}, "0x10"},
		{"null", &node{kind: scalar, text: "~", tag: "!!null"}, "nothing"},
		{"a list", &node{kind: list}, "a list"},
		{"a mapping", &node{kind: mapping}, "a mapping"},
		{
			"of a variable", &node{kind: scalar, text: "x", tag: "!!str", refs: []string{"${env:A}"}},
			"the value of ${env:A}",
		},
		{
			"of two", &node{kind: scalar, text: "x", tag: "!!str", refs: []string{"${env:A}", "${file:/b}"}},
			"the value of ${env:A} and ${file:/b}",
		},
	} {
		if got := tc.n.shown(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	if long := textNode(strings.Repeat("한", 100)).shown(); len(long) > 80 || strings.Contains(long, "\ufffd") {
		t.Errorf("a long text is shown as %s", long)
	}
}
