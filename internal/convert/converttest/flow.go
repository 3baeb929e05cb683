package converttest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
)

// Flow writes what a whole configuration does: where events come in, what an agent reads, and each pipe with its
// filters and matches.
func Flow(old *flow.Old) string {
	var b strings.Builder
	for _, l := range old.Listeners {
		b.WriteString(wrap("listener " + show(l.Settings)))
		for _, c := range l.Clusters {
			b.WriteString(wrap("  cluster " + show(c)))
		}
	}
	for _, s := range old.Sources {
		b.WriteString(strings.TrimSpace("source "+s.Title+" "+s.Label) + "\n")
		for _, more := range s.More {
			b.WriteString("  with " + strings.Join(strings.Fields(more), " ") + "\n")
		}
	}
	for _, s := range old.Samples {
		b.WriteString("sample " + s.Tag + " " + strings.Join(s.Lines, " ") + "\n")
	}
	if old.Status {
		b.WriteString("status\n")
	}
	for _, label := range slices.Sorted(maps.Keys(old.Flow.Pipes)) {
		start := ""
		if label == old.Flow.Start {
			start = " (start)"
		}
		fmt.Fprintf(&b, "pipe %q%s\n", label, start)
		for _, s := range old.Flow.Pipes[label].Stages {
			b.WriteString(stage(s))
		}
	}
	return b.String()
}

func stage(s flow.Stage) string {
	if f := s.Filter; f != nil {
		why := ""
		if f.AgentOnly != "" {
			why = " stays with the agent: " + f.AgentOnly
		}
		return wrap("filter "+tags(f.Tags)+why) + indent(Steps(f.Steps))
	}
	var b strings.Builder
	b.WriteString(wrap("match " + cmp.Or(tags(s.Match.Tags), "nothing")))
	for _, t := range s.Match.Targets {
		b.WriteString(indent(target(t)))
	}
	return b.String()
}

func target(t flow.Target) string {
	switch {
	case t.Output != nil:
		return "output " + t.Output.Name + " of type " + t.Output.Type + "\n"
	case t.Null:
		return "nowhere\n"
	case t.Retag == nil:
		return fmt.Sprintf("label %q\n", t.Label)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "new tags, to %q\n", t.Retag.Label)
	for _, rule := range t.Retag.Rules {
		head := "rule"
		if rule.When != "" {
			head += " when " + rule.When
		}
		if rule.Keep {
			head += ", and on"
		}
		if rule.Label != nil {
			head += fmt.Sprintf(", to %q", *rule.Label)
		}
		b.WriteString(indent(wrap(head+": "+tags(rule.Tags)) + indent(Steps(rule.Set))))
	}
	return b.String()
}

func tags(t flow.Tags) string {
	text := strings.Join(t.Patterns, " ")
	if t.Regex != "" {
		text += " /" + t.Regex + "/"
	}
	return text
}

// indent moves lines to the right.
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}
