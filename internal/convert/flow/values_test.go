package flow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// TestMap: keys stay in the order in which they came, with their last values.
func TestMap(t *testing.T) {
	var m flow.Map
	m = m.With("a", 1).With("b", 2).With("a", 3)
	m = m.In("c", "d", 4).In("c", "e", 5)
	m = m.Add("f", 6).Add("f", 7).Add("f", 8)
	if got := fmt.Sprint(m.Get("a"), m.Get("b"), m.Get("f"), m.Get("none")); got != "3 2 [6 7 8] <nil>" {
		t.Error(got)
	}
	if inner, _ := m.Get("c").(flow.Map); len(inner) != 2 || inner[1].Value != 5 {
		t.Error(inner)
	}
	less := m.Without("a", "c", "none")
	if len(less) != 2 || less[0].Key != "b" || len(m) != 4 {
		t.Error(less, m)
	}
}

// TestLiterals: texts stand for themselves in the new configuration, whatever is in them.
func TestLiterals(t *testing.T) {
	plain := func(dst, value []byte) []byte { return append(dst, value...) }
	for _, text := range []string{
		"", "plain", "{a}", "100%", "%Y", "{{x}}", "a}b", `"quoted"`, `back\slash`, "tab\tline\n", "ü", "$x", "a${b",
	} {
		// Placeholders are read behind variables: of ${ one $ is left.
		template, err := event.ParseTemplate(strings.ReplaceAll(flow.LiteralTemplate(text), "$${", "${"))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := string(template.Append(nil, &event.Event{}, plain)); got != text {
			t.Errorf("%q became %q", text, got)
		}
		if v, err := expr.Eval(flow.Quote(text), nil); err != nil || v != text {
			t.Errorf("%q became %v %v as an expression", text, v, err)
		}
	}
	for text, want := range map[string]string{
		`"${env:A}" + record.b`:              `"${env:A}" + record.b`,
		`"${file:/a}"`:                       `"${file:/a}"`,
		`replacePattern(tag, "x", "${1}-y")`: `replacePattern(tag, "x", "$${1}-y")`,
		`"$1"`:                               `"$1"`,
	} {
		if got := flow.Expression(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if got := flow.Literal("a${b}c"); got != "a$${b}c" {
		t.Error(got)
	}
}

// TestTagName: names of filters are made of what is plain in a pattern.
func TestTagName(t *testing.T) {
	for pattern, want := range map[string]string{
		"kube.**": "kube", "kube.var.log.containers.**": "kube-var-log", "**": "", "*": "", "*.app": "app",
		"app*": "app", "{a,b}.c": "c", `a\.b`: "b", "a b.c": "a-b-c", "a.-.b": "a-b",
		strings.Repeat("x", 100): strings.Repeat("x", 50),
	} {
		if got := flow.TagName(pattern); got != want {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

// TestOutputText: a look at what is among an output's texts.
func TestOutputText(t *testing.T) {
	o := &flow.Output{Settings: flow.Map{{Key: "a", Value: "x-%Y"}, {Key: "b", Value: 1}, {Key: "c", Value: "y"}}}
	if got := o.Text(); got != "x-%Y\ny\n" {
		t.Errorf("%q", got)
	}
}

// TestExpandBounds: braces that would become very many patterns stay, and take what they took.
func TestExpandBounds(t *testing.T) {
	got := flow.Expand(strings.Repeat("{a,b,c,d}", 6))
	if len(got) > 64 || !takes(t, got, "abcdab") || takes(t, got, "abcdax") {
		t.Errorf("%q", got)
	}
	if got := flow.Expand("{a,b}{c,d}"); !slices.Equal(got, []string{"ac", "ad", "bc", "bd"}) {
		t.Errorf("%q", got)
	}
}

// TestEntrances: events that come in under new tags are routed by these; inputs that differ are a mistake.
func TestEntrances(t *testing.T) {
	at := syntax.Place{File: "x", Line: 7}
	for _, tc := range []struct {
		name  string
		enter func(f *flow.Flow)
		ways  int
		want  []string
		wrong string
	}{
		{"none", func(*flow.Flow) {}, 1, []string{"in.a.** > x", "** > y"}, ""},
		{
			"a prefix", func(f *flow.Flow) { f.Prefix(at, "i", "in.") }, 1,
			[]string{"** modify expr > x +", "** modify expr > y"},
			"",
		},
		{
			"one tag for all", func(f *flow.Flow) { f.Tagged(at, "i", "in.a.b") }, 1, []string{"** modify > x"}, "",
		},
		{
			"the same of all inputs", func(f *flow.Flow) { f.Prefix(at, "i", "p."); f.Prefix(at, "j", "p.") }, 2,
			[]string{"** modify > y"},
			"",
		},
		{
			"others", func(f *flow.Flow) { f.Prefix(at, "i", "p."); f.Prefix(at, "j", "q.") }, 2,
			[]string{"in.a.** > x", "** > y"},
			"x:7: j: its events get other tags",
		},
		{
			"one of two", func(f *flow.Flow) { f.Prefix(at, "i", "p.") }, 2,
			[]string{"in.a.** > x", "** > y"},
			"x:7: i: its events get other tags",
		},
	} {
		f := &flow.Flow{Ways: tc.ways, Pipes: map[string]*flow.Pipe{"": {Stages: []flow.Stage{
			match("in.a.**", "x"), match("**", "y"),
		}}}}
		tc.enter(f)
		routes, wrong := f.Routes()
		said := ""
		if len(wrong) > 0 {
			said = wrong[0].Error()
		}
		if got := shown(routes); !slices.Equal(got, tc.want) || !strings.HasPrefix(said, tc.wrong) ||
			(tc.wrong == "") != (said == "") {
			t.Errorf("%s: %q %s, want %q %s", tc.name, got, said, tc.want, tc.wrong)
		}
	}
}

// TestTouched: whether routes can tell what a rule takes hangs on what the steps before have touched.
func TestTouched(t *testing.T) {
	set := func(key, name string) flow.Map {
		return flow.Map{{Key: key, Value: flow.Map{{Key: name, Value: "x"}}}}
	}
	for _, tc := range []struct {
		name string
		step flow.Step
		// known is that the rule is a condition of the route, on the event as it came.
		known bool
	}{
		{"grep", flow.Step{Kind: "grep", Body: set("include", "level")}, true},
		{"throttle", flow.Step{Kind: "throttle"}, true},
		{"expr of another field", flow.Step{Kind: "expr", Body: set("set", "other")}, true},
		{"expr of the field", flow.Step{Kind: "expr", Body: set("set", "level")}, false},
		{"expr of a field within", flow.Step{Kind: "expr", Body: set("set", "level.a")}, false},
		{"modify of another field", flow.Step{Kind: "modify", Body: set("set", "other")}, true},
		{"modify of the field", flow.Step{Kind: "modify", Body: set("set_if_missing", "level")}, false},
		{"rename to the field", flow.Step{Kind: "modify", Body: flow.Map{{
			Key: "rename", Value: flow.Map{{Key: "a", Value: "level"}},
		}}}, false},
		{"rename from the field", flow.Step{Kind: "modify", Body: set("rename", "level")}, false},
		{"remove", flow.Step{Kind: "modify", Body: flow.Map{{Key: "remove", Value: []any{"level"}}}}, false},
		{"remove another", flow.Step{Kind: "modify", Body: flow.Map{{Key: "remove", Value: []any{"other"}}}}, true},
		{"remove by a star", flow.Step{Kind: "modify", Body: flow.Map{{Key: "remove", Value: []any{"l*"}}}}, false},
		{"keep", flow.Step{Kind: "modify", Body: flow.Map{{Key: "keep", Value: []any{"a"}}}}, false},
		{"a tag", flow.Step{Kind: "modify", Body: flow.Map{{Key: "tag", Value: "x"}}}, true},
		{"parse", flow.Step{Kind: "parse", Body: flow.Map{{Key: "field", Value: "log"}}}, false},
		{"parse into a map", flow.Step{Kind: "parse", Body: flow.Map{
			{Key: "field", Value: "log"}, {Key: "into", Value: "parsed"},
		}}, true},
		{"parse into the field", flow.Step{Kind: "parse", Body: flow.Map{
			{Key: "field", Value: "log"}, {Key: "into", Value: "level"},
		}}, false},
		{"multiline", flow.Step{Kind: "multiline"}, false},
	} {
		f := &flow.Flow{Pipes: map[string]*flow.Pipe{"": {Stages: []flow.Stage{
			{Filter: &flow.Filter{Tags: flow.Every(), Steps: []flow.Step{tc.step}}},
			retag("a.**", "", "b"), match("b", "x"),
		}}}}
		routes, _ := f.Routes()
		if known := len(routes[0].When) > 0; known != tc.known {
			t.Errorf("%s: known %v, want %v: %q", tc.name, known, tc.known, shown(routes))
		}
	}
}

// TestTooMany: what would become very many routes is a mistake, and has an end.
func TestTooMany(t *testing.T) {
	f := &flow.Flow{Pipes: map[string]*flow.Pipe{}}
	for i := range 12 {
		next := fmt.Sprintf("@%d", i+1)
		label := fmt.Sprintf("@%d", i)
		if i == 0 {
			label = ""
		}
		var stages []flow.Stage
		for j := range 4 {
			stages = append(stages, match(fmt.Sprintf("*.%d.**", j), next, next, "o"))
		}
		f.Pipes[label] = &flow.Pipe{Stages: stages}
	}
	f.Pipes["@12"] = &flow.Pipe{Stages: []flow.Stage{match("**", "end")}}
	if _, wrong := f.Routes(); len(wrong) == 0 {
		t.Error("nothing is wrong with very many routes")
	}
}
