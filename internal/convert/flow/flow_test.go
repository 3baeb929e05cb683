package flow_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

func tags(patterns ...string) flow.Tags { return flow.Tags{Patterns: patterns} }

func filterOf(name string, patterns ...string) flow.Stage {
	return flow.Stage{Filter: &flow.Filter{Name: name, Tags: tags(patterns...), Steps: []flow.Step{{Kind: name}}}}
}

func to(names ...string) (all []flow.Target) {
	for _, n := range names {
		switch n[0] {
		case '@':
			all = append(all, flow.Target{Label: n})
		case '-':
			all = append(all, flow.Target{Null: true})
		default:
			all = append(all, flow.Target{Output: &flow.Output{Name: n}})
		}
	}
	return all
}

func match(pattern string, targets ...string) flow.Stage {
	return flow.Stage{Match: &flow.Match{Title: "m", Tags: tags(pattern), Targets: to(targets...)}}
}

// shown writes routes as lines: match [when] filters > outputs, and + where the search goes on.
func shown(routes []*flow.Route) (lines []string) {
	for _, r := range routes {
		line := strings.Join(r.Match, ",")
		if len(r.When) > 0 {
			line += " [" + strings.Join(r.When, " and ") + "]"
		}
		for _, u := range r.Steps {
			mark := ""
			if u.When != "" {
				mark = "?"
			}
			line = strings.Join([]string{line, " ", u.Filter.Steps[0].Kind, mark}, "")
		}
		line += " >"
		for _, o := range r.Outputs {
			line = strings.Join([]string{line, o.Name}, " ")
		}
		if r.Continue {
			line += " +"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestRoutes(t *testing.T) {
	for _, tc := range []struct {
		name  string
		pipes map[string]*flow.Pipe
		want  []string
	}{
		{
			"filters before a match alone",
			map[string]*flow.Pipe{"": {Stages: []flow.Stage{filterOf("f", "a.**"), match("a.**", "x"), filterOf("g",
				"**"), match("**", "y")}}},
			[]string{"a.** f > x", "** g > y"},
		},
		{
			"a filter for some of the tags",
			map[string]*flow.Pipe{"": {Stages: []flow.Stage{
				filterOf("f", "a.b.**"), filterOf("g", "c.**"),
				match("a.**", "x"),
			}}},
			[]string{"a.** f? > x"},
		},
		{
			"copy",
			map[string]*flow.Pipe{"": {Stages: []flow.Stage{match("a.**", "x", "y")}}},
			[]string{"a.** > x y"},
		},
		{
			"copy to a label that does not take all",
			map[string]*flow.Pipe{
				"":   {Stages: []flow.Stage{match("a.**", "x", "@L"), match("**", "z")}},
				"@L": {Stages: []flow.Stage{filterOf("f", "**"), match("a.b.**", "y")}},
			},
			[]string{"a.** > x +", "a.b.** f > y", "a.** >", "** > z"},
		},
		{
			"labels one after the other in a copy",
			map[string]*flow.Pipe{
				"":   {Stages: []flow.Stage{match("**", "@L", "@M")}},
				"@L": {Stages: []flow.Stage{match("a.**", "x"), match("**", "y")}},
				"@M": {Stages: []flow.Stage{match("**", "z")}},
			},
			[]string{"a.** > x +", `** [not (tag matches "^a(?:\\..*)?$")] > y +`, "** > z"},
		},
		{
			"nowhere",
			map[string]*flow.Pipe{"": {Stages: []flow.Stage{match("a.**", "-"), match("**", "x")}}},
			[]string{"a.** >", "** > x"},
		},
		{
			"every output that fits",
			map[string]*flow.Pipe{"": {All: true, Stages: []flow.Stage{
				match("a.**", "x"), filterOf("f", "**"),
				match("**", "y"), match("b.**", "z"),
			}}},
			[]string{"a.** f > x +", "** f > y +", "b.** f > z"},
		},
		{
			"the same tags",
			map[string]*flow.Pipe{"": {All: true, Stages: []flow.Stage{match("**", "x"), match("**", "y")}}},
			[]string{"** > x y"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			routes, wrong := (&flow.Flow{Pipes: tc.pipes}).Routes()
			if len(wrong) > 0 {
				t.Fatal(wrong)
			}
			if got := shown(routes); !slices.Equal(got, tc.want) {
				t.Errorf("%q\nwant %q", got, tc.want)
			}
		})
	}
}

func retag(pattern, label string, like ...string) flow.Stage {
	rules := make([]flow.Rule, len(like))
	for i, l := range like {
		rules[i] = flow.Rule{
			Take: []flow.Step{{Kind: fmt.Sprintf("take%d", i)}}, Leave: []flow.Step{{Kind: fmt.Sprintf("leave%d",
				i)}}, Set: []flow.Step{{Kind: "tag"}}, Tags: tags(l),
			When: fmt.Sprintf("w%d", i), Field: "level",
		}
	}
	return flow.Stage{Match: &flow.Match{
		Title: "r", Tags: tags(pattern),
		Targets: []flow.Target{{Retag: &flow.Retag{Label: label, Rules: rules}}},
	}}
}

func TestRetag(t *testing.T) {
	f := &flow.Flow{Pipes: map[string]*flow.Pipe{"": {Stages: []flow.Stage{filterOf("f", "b.**"), retag("a.**", "",
		"b.x", "c.**"), match("b.**", "x"), match("c.d.**", "y"), match("**", "z")}}}}
	routes, wrong := f.Routes()
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	// Conditions on events as they came are the routes'. The filter of b.** is for no tag that is left at the end.
	want := []string{
		"a.** [w0] tag f > x", "a.** [w1] tag expr > y +", "a.** [w1] tag expr > z", "a.** >",
		"b.** f > x", "c.d.** > y", "** > z",
	}
	if got := shown(routes); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	// A step that may change the field that a rule looks at makes it a matter of steps, and z has to be two outputs.
	touched := &flow.Flow{Pipes: map[string]*flow.Pipe{"": {Stages: []flow.Stage{
		{Filter: &flow.Filter{Tags: flow.Every(), Steps: []flow.Step{{Kind: "parse", Body: flow.Map{{
			Key:   "field",
			Value: "log",
		}}}}}},
		retag("a.**", "", "b.x", "c.x"), match("**", "z"),
	}}}}
	routes, wrong = touched.Routes()
	want = []string{"a.** parse take0 parse > z +", "a.** parse leave0 take1 parse > z", "** parse > z"}
	if got := shown(routes); len(wrong) > 0 || !slices.Equal(got, want) {
		t.Errorf("%q %v\nwant %q", got, wrong, want)
	}
	if routes[0].Outputs[0] == routes[1].Outputs[0] || routes[1].Outputs[0].Original != routes[0].Outputs[0] {
		t.Error("an output takes an event from one route alone: the second route needs a copy")
	}
	circle := &flow.Flow{Pipes: map[string]*flow.Pipe{"": {Stages: []flow.Stage{retag("a.**", "", "a.**")}}}}
	if _, wrong := circle.Routes(); len(wrong) == 0 {
		t.Error("a circle is no mistake")
	}
	if _, wrong := (&flow.Flow{Pipes: map[string]*flow.Pipe{"": {Stages: []flow.Stage{match("**",
		"@none")}}}}).Routes(); len(wrong) != 1 {
		t.Error("a label that is not there is no mistake")
	}
}

// TestCondition: as a condition, patterns match the tags that they match as patterns.
func TestCondition(t *testing.T) {
	all := []string{"", "a", "a.b", "a.b.c", "b", "ab", "a.c", "b.a", "x.y"}
	for _, patterns := range [][]string{
		{"a.**"},
		{"a.*"},
		{"**.a"},
		{"a**"},
		{"{a,b}.**"},
		{"a", "x.*"},
		{"**"},
		{`a\.b`},
	} {
		code := tags(patterns...).Condition()
		text, ok := strings.CutPrefix(code, `tag matches "`)
		re, err := regexp.Compile(strings.ReplaceAll(strings.TrimSuffix(text, `"`), `\\`, `\`))
		if !ok || err != nil {
			t.Fatal(code, err)
		}
		for _, tag := range all {
			want := false
			for _, text := range patterns {
				p, err := route.Compile(text)
				if err != nil {
					t.Fatal(err)
				}
				want = want || p.Match(tag)
			}
			if got := re.MatchString(tag); got != want {
				t.Errorf("%s takes %q: %v, as a pattern %v", code, tag, got, want)
			}
		}
	}
}

func TestExpand(t *testing.T) {
	for pattern, want := range map[string][]string{
		"a.{b,c}.d": {"a.b.d", "a.c.d"}, "{a,{b,c}}": {"a", "b", "c"},
		"a": {"a"}, "{a": {"{a"}, `a\{b,c}`: {`a\{b,c}`},
	} {
		if got := flow.Expand(pattern); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}
