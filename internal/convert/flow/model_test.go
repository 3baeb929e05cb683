package flow_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// allTags are tags that the patterns of made-up flows tell apart.
func allTags() []string {
	return []string{"a", "b", "a.b", "a.c", "b.a", "a.b.c", "a.b.d", "a.c.d", "b.c.d", "c", "ab", "ab.c"}
}

func takes(t *testing.T, patterns []string, tag string) bool {
	t.Helper()
	return slices.ContainsFunc(patterns, func(text string) bool {
		p, err := route.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		return p.Match(tag)
	})
}

// holds reports whether a condition on the tag is true.
func holds(t *testing.T, condition, tag string) bool {
	t.Helper()
	v, err := expr.Eval(condition, map[string]any{"tag": tag})
	if err != nil {
		t.Fatalf("%s: %v", condition, err)
	}
	return v == true
}

// did is what becomes of an event: for each output that gets it, the filters that it went through.
type did []string

func (d *did) add(output string, filters []string) {
	*d = append(*d, output+" after "+strings.Join(filters, " "))
}

// old is what the old program does with an event of a tag, from a pipe on.
func old(t *testing.T, f *flow.Flow, label, tag string, filters []string, out *did) {
	t.Helper()
	pipe := f.Pipes[label]
	if pipe.All {
		for _, s := range pipe.Stages {
			if s.Filter != nil && takes(t, s.Filter.Tags.Patterns, tag) {
				filters = append(filters[:len(filters):len(filters)], s.Filter.Name)
			}
		}
	}
	for _, s := range pipe.Stages {
		if s.Filter != nil {
			if !pipe.All && takes(t, s.Filter.Tags.Patterns, tag) {
				filters = append(filters[:len(filters):len(filters)], s.Filter.Name)
			}
			continue
		}
		if !takes(t, s.Match.Tags.Patterns, tag) {
			continue
		}
		for _, target := range s.Match.Targets {
			switch {
			case target.Output != nil:
				own := filters
				if target.Output.Steps != nil {
					own = append(filters[:len(filters):len(filters)], target.Output.Steps[0].Kind)
				}
				out.add(target.Output.Name, own)
			case target.Label != "":
				old(t, f, target.Label, tag, filters, out)
			}
		}
		if !pipe.All {
			return
		}
	}
}

// planned is what routes do with an event of a tag.
func planned(t *testing.T, routes []*flow.Route, tag string) (out did) {
	t.Helper()
	had := map[*flow.Output]bool{}
	for _, r := range routes {
		if !takes(t, r.Match, tag) ||
			slices.ContainsFunc(r.When, func(when string) bool { return !holds(t, when, tag) }) {
			continue
		}
		var filters []string
		for _, u := range r.Steps {
			if u.When == "" || holds(t, u.When, tag) {
				filters = append(filters, u.Filter.Steps[0].Kind)
			}
		}
		for _, o := range r.Outputs {
			// An output takes an event from the first route alone.
			if !had[o] {
				out.add(o.Name, filters)
			}
			had[o] = true
		}
		if !r.Continue {
			break
		}
	}
	return out
}

// madeUp makes a flow: every program's order, labels that lead on to others, copies, and what goes nowhere.
func madeUp(r *rand.Rand) *flow.Flow {
	patterns := []string{
		"**", "a.**", "a.*", "b.**", "a.b.**", "*.c", "*.c.*", "a", "a.b", "{a,b}.**", "a**", "*", "a.{b,c}.d", "**.d",
	}
	pick := func() []string {
		all := []string{patterns[r.IntN(len(patterns))]}
		if r.IntN(4) == 0 {
			all = append(all, patterns[r.IntN(len(patterns))])
		}
		return all
	}
	f := &flow.Flow{Pipes: map[string]*flow.Pipe{}}
	labels := []string{"", "@1", "@2"}
	outputs := 0
	for i, label := range labels {
		pipe := &flow.Pipe{All: i == 0 && r.IntN(3) == 0}
		for range 1 + r.IntN(5) {
			if r.IntN(3) == 0 {
				name := fmt.Sprintf("f%d%d", i, len(pipe.Stages))
				pipe.Stages = append(pipe.Stages, filterOf(name, pick()...))
				continue
			}
			m := &flow.Match{Title: "m", Tags: tags(pick()...)}
			for range 1 + r.IntN(3) {
				switch n := r.IntN(8); {
				case n == 0:
					m.Targets = append(m.Targets, flow.Target{Null: true})
				case n < 3 && i+1 < len(labels) && !pipe.All:
					m.Targets = append(m.Targets, flow.Target{Label: labels[i+1+r.IntN(len(labels)-i-1)]})
				default:
					outputs++
					o := &flow.Output{Name: fmt.Sprintf("o%d", outputs)}
					if n == 3 {
						o.Steps = []flow.Step{{Kind: "own"}}
					}
					m.Targets = append(m.Targets, flow.Target{Output: o})
				}
			}
			pipe.Stages = append(pipe.Stages, flow.Stage{Match: m})
		}
		f.Pipes[label] = pipe
	}
	return f
}

// text writes a flow, for who looks into a failure.
func text(f *flow.Flow) string {
	var b strings.Builder
	for _, label := range []string{"", "@1", "@2"} {
		fmt.Fprintf(&b, "pipe %q all %v\n", label, f.Pipes[label].All)
		for _, s := range f.Pipes[label].Stages {
			if s.Filter != nil {
				fmt.Fprintf(&b, "  filter %v %s\n", s.Filter.Tags.Patterns, s.Filter.Name)
				continue
			}
			fmt.Fprintf(&b, "  match %v", s.Match.Tags.Patterns)
			for _, target := range s.Match.Targets {
				switch {
				case target.Output != nil:
					b.WriteString(" " + target.Output.Name)
				case target.Null:
					b.WriteString(" nowhere")
				default:
					b.WriteString(" " + target.Label)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// TestModel holds made-up flows to what the old programs do: every event comes to the same outputs, after the same
// filters, however tags, labels and copies lie to each other.
func TestModel(t *testing.T) {
	for seed := range uint64(2000) {
		f := madeUp(rand.New(rand.NewPCG(seed, 1)))
		routes, wrong := f.Routes()
		if len(wrong) > 0 {
			t.Fatalf("seed %d: %v\n%s", seed, wrong, text(f))
		}
		for _, tag := range allTags() {
			var want did
			old(t, f, f.Start, tag, nil, &want)
			got := planned(t, routes, tag)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: tag %s comes to\n%q\nand not\n%q\nof\n%sby\n%s", seed, tag, got, want, text(f),
					strings.Join(shown(routes), "\n"))
			}
		}
	}
}
