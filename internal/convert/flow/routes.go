package flow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// maxDepth is how many labels and rewritten tags may follow one another; more is a circle.
const maxDepth = 12

// maxRoutes bounds what copies of copies become.
const maxRoutes = 1000

// entry is a route to be, in the order of routes.
type entry struct {
	way     way
	outputs []*Output
	at      syntax.Place
	title   string
	// more says that the search goes on behind it.
	more bool
}

// planner makes routes of a flow.
type planner struct {
	flow  *Flow
	start string
	wrong []*syntax.Error
	count int
}

// Routes says what the flow does as routes. What can't be said so is among the errors.
func (f *Flow) Routes() ([]*Route, []*syntax.Error) {
	p := &planner{flow: f, start: f.Start}
	w, bad := f.entered(f.Ways, way{match: []string{"**"}, tags: Every()})
	if bad != nil {
		p.wrong = append(p.wrong, bad)
	}
	// Routes to nowhere behind which the search goes on do nothing.
	entries := slices.DeleteFunc(p.pipe(f.Start, syntax.Place{}, w),
		func(e entry) bool { return e.more && len(e.outputs) == 0 })
	apartOutputs(entries)
	var routes []*Route
	for i, e := range entries {
		// A route whose events no later one could take need not say that the search goes on.
		more := e.more && slices.ContainsFunc(entries[i+1:], func(later entry) bool {
			return relate(Tags{Patterns: e.way.match}, Tags{Patterns: later.way.match}) != apart
		})
		routes = append(routes, &Route{
			At: e.at, Title: e.title, Match: e.way.match, When: e.way.when,
			Steps: e.way.steps, Outputs: e.outputs, Continue: more,
		})
	}
	return merge(withoutLastDrops(routes)), p.wrong
}

// withoutLastDrops leaves out routes at the end that drop what no route would take anyway.
func withoutLastDrops(routes []*Route) []*Route {
	for len(routes) > 1 && len(routes[len(routes)-1].Outputs) == 0 && routes[len(routes)-1].Title == "" {
		routes = routes[:len(routes)-1]
		routes[len(routes)-1].Continue = false
	}
	return routes
}

// merge makes one route of neighbours that differ in their outputs alone.
func merge(routes []*Route) (merged []*Route) {
	for _, r := range routes {
		if n := len(merged); n > 0 {
			last := merged[n-1]
			if last.Continue && len(last.Outputs) > 0 && len(r.Outputs) > 0 && slices.Equal(last.Match, r.Match) &&
				slices.Equal(last.When, r.When) && slices.Equal(last.Steps, r.Steps) {
				for _, o := range r.Outputs {
					if !slices.Contains(last.Outputs, o) {
						last.Outputs = append(last.Outputs, o)
					}
				}
				last.Continue = r.Continue
				continue
			}
		}
		merged = append(merged, r)
	}
	return merged
}

func (p *planner) fail(at syntax.Place, hint, format string, args ...any) {
	p.wrong = append(p.wrong, &syntax.Error{At: at, Reason: fmt.Sprintf(format, args...), Hint: hint})
}

// pipe returns the entries of events that enter the pipe of a label.
func (p *planner) pipe(label string, at syntax.Place, w way) []entry {
	pipe := p.flow.Pipes[label]
	switch {
	case pipe == nil:
		p.fail(at, "write <label "+label+">, or convert the file that has it in the same run", "no label is named %s",
			label)
		return nil
	case w.depth > maxDepth:
		p.fail(at, "take one of the ways back out", "events go round in a circle, by labels or rewritten tags")
		return nil
	}
	w.depth++
	if pipe.All {
		return p.all(pipe, w)
	}
	return p.first(pipe.Stages, w)
}

// first walks through stages of which the first match takes the events.
func (p *planner) first(stages []Stage, w way) (entries []entry) {
	for _, s := range stages {
		if p.count > maxRoutes {
			p.fail(syntax.Place{}, "", "it would become more than %d routes", maxRoutes)
			return nil
		}
		if s.Filter != nil {
			w = w.through(s.Filter)
			continue
		}
		if slices.Contains(w.skip, s.Match) || w.again(s.Match) {
			continue
		}
		in, others, some, closed := w.enter(s.Match.Tags, s.Match.At)
		if !some {
			continue
		}
		in.open = in.open || w.open
		group := p.targets(s.Match, in)
		if !in.open {
			group = p.close(group, in, s.Match)
		}
		entries = append(entries, group...)
		if closed {
			return entries
		}
		w = others
	}
	return entries
}

// close sees to it that the events of a match reach no route behind its own.
func (p *planner) close(group []entry, w way, m *Match) []entry {
	if n := len(group); n > 0 {
		last := &group[n-1]
		if slices.Equal(last.way.match, w.match) && slices.Equal(last.way.when, w.when) {
			last.more = false
			return group
		}
	}
	return append(group, entry{way: w, at: m.At})
}

// targets returns the entries of what a match does.
func (p *planner) targets(m *Match, w way) (entries []entry) {
	var plain []*Output
	var rest []Target
	for _, t := range m.Targets {
		switch {
		case t.Output != nil && len(t.Output.Steps) == 0:
			plain = append(plain, t.Output)
		// Nowhere is nothing where it is one of several.
		case t.Null && len(m.Targets) > 1:
		default:
			rest = append(rest, t)
		}
	}
	if len(plain) > 0 {
		entries = append(entries, entry{
			way: w, outputs: plain, at: m.At, title: m.Title,
			more: w.open || len(rest) > 0,
		})
		p.count++
	}
	for i, t := range rest {
		one := w
		one.open = w.open || i < len(rest)-1
		for _, e := range p.target(m, t, one) {
			e.more = e.more || one.open
			entries = append(entries, e)
		}
	}
	return entries
}

func (p *planner) target(m *Match, t Target, w way) []entry {
	p.count++
	switch {
	case t.Null:
		return []entry{{way: w, at: m.At, title: m.Title, more: w.open}}
	case t.Output != nil:
		return []entry{{
			way:     w.step(t.Output.At, t.Output.Title, "for-"+t.Output.Name, t.Output.Steps...),
			outputs: []*Output{t.Output}, at: m.At, title: m.Title, more: w.open,
		}}
	case t.Retag != nil:
		return p.retag(m, t.Retag, w)
	}
	return p.pipe(t.Label, m.At, w)
}

// retag sends events back under new tags.
func (p *planner) retag(m *Match, r *Retag, w way) (entries []entry) {
	if slices.Contains(w.retagged, m) {
		p.fail(m.At, "write tags that it does not match itself",
			"events go round in a circle: it takes what it rewrites")
		return nil
	}
	w.retagged = append(w.retagged[:len(w.retagged):len(w.retagged)], m)
	for _, rule := range r.Rules {
		taken, left, known := w.byRule(m, rule)
		if r.Once {
			taken.skip = append(taken.skip[:len(taken.skip):len(taken.skip)], m)
		}
		label := r.Label
		if rule.Label != nil {
			label = *rule.Label
		}
		group := p.pipe(label, rule.At, taken)
		if known && !w.open {
			group = p.close(group, taken, m)
			// The order of routes says it.
			left.when = w.when
		}
		for _, e := range group {
			e.more = e.more || !known
			entries = append(entries, e)
		}
		w = left
	}
	return entries
}

// all walks through a pipe of Fluent Bit's: filters in their order, rewritten tags from the beginning again, and then
// every output whose tags fit.
func (p *planner) all(pipe *Pipe, w way) (entries []entry) {
	if p.count > maxRoutes {
		p.fail(syntax.Place{}, "", "it would become more than %d routes", maxRoutes)
		return nil
	}
	w.open = true
	for i, s := range pipe.Stages {
		if s.Match == nil || slices.Contains(w.skip, s.Match) {
			continue
		}
		in, _, some, _ := w.enter(s.Match.Tags, s.Match.At)
		if !some {
			continue
		}
		if len(s.Match.Targets) == 1 && s.Match.Targets[0].Retag != nil {
			entries = append(entries, p.again(pipe, i, s.Match, in)...)
			continue
		}
		entries = append(entries, p.targets(s.Match, p.filters(pipe, in, len(pipe.Stages)))...)
	}
	return entries
}

// again sends what a rewrite_tag takes through the pipe from its beginning.
func (p *planner) again(pipe *Pipe, at int, m *Match, w way) (entries []entry) {
	w = p.filters(pipe, w, at)
	for _, rule := range m.Targets[0].Retag.Rules {
		taken, left, _ := w.byRule(m, rule)
		// What a rewrite_tag sent out itself it leaves alone.
		taken.skip = append(taken.skip[:len(taken.skip):len(taken.skip)], m)
		for _, e := range p.pipe("", rule.At, taken) {
			e.more = true
			entries = append(entries, e)
		}
		w = left
	}
	return entries
}

// filters adds the filters before a stage; of what a rewrite_tag took, and does not keep, nothing is left.
func (p *planner) filters(pipe *Pipe, w way, before int) way {
	for _, s := range pipe.Stages[:before] {
		if s.Filter != nil {
			w = w.through(s.Filter)
			continue
		}
		if len(s.Match.Targets) != 1 || s.Match.Targets[0].Retag == nil || slices.Contains(w.skip, s.Match) {
			continue
		}
		rel := relate(w.tags, s.Match.Tags)
		if rel == apart {
			continue
		}
		// What earlier rules have taken, and left where it is: the first that takes an event decides.
		var kept []string
		for _, rule := range s.Match.Targets[0].Retag.Rules {
			if rule.Keep {
				kept = append(kept, "("+rule.When+")")
				continue
			}
			if rel == inside && !w.rewritten && rule.When != "" && !slices.ContainsFunc(w.steps,
				func(u Use) bool { return u.touches(rule.Field) }) {
				when := "not (" + rule.When + ")"
				if kept != nil {
					when += " or " + strings.Join(kept, " or ")
				}
				w.when = append(w.when[:len(w.when):len(w.when)], when)
				continue
			}
			leave := slices.Clone(rule.Leave)
			for i := range leave {
				if kept == nil {
					break
				}
				when := "not (" + strings.Join(kept, " or ") + ")"
				if leave[i].When != "" {
					when = "(" + leave[i].When + ") and " + when
				}
				leave[i].When = Expression(when)
			}
			w = w.through(&Filter{
				At: rule.At, Title: "taken by " + s.Match.Title, Name: "not-to-" + rule.Tags.name(), Tags: s.Match.Tags,
				Steps: leave,
			})
		}
	}
	return w
}
