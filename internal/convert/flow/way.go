package flow

import (
	"slices"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// way is how events got where they are in a pipe.
type way struct {
	// match is the tags that they came with.
	match []string
	// when is what is true of the events as they came.
	when []string
	// tags is what their tag may be now; rewritten says that it is another than the one they came with.
	tags      Tags
	rewritten bool
	// gone is patterns whose tags have left on another way.
	gone  []string
	steps []Use
	// since is how many of the steps came before the tag was rewritten last.
	since int
	// open says that a route for these events does not end the search for others: that it has to say itself what it
	// does not take.
	open bool
	skip []*Match
	// retagged is the matches that have given these events another tag.
	retagged []*Match
	depth    int
}

// again reports whether a match that has given these events their tag might take them again. Its rules would say the
// same of them for ever: what goes anywhere else does not come here.
func (w way) again(m *Match) bool {
	return slices.Contains(w.retagged, m) && relate(w.tags, m.Tags) == overlap
}

// through adds a filter to the way, with a condition where only some of the tags are its.
func (w way) through(f *Filter) way {
	if len(f.Steps) == 0 {
		return w
	}
	if !w.rewritten && f.Tags.Regex == "" && relate(f.Tags, Tags{Patterns: w.gone}) == inside {
		return w
	}
	use := Use{Filter: f}
	switch relate(w.tags, f.Tags) {
	case apart:
		return w
	case overlap:
		use.When = f.Tags.Condition()
	case inside:
	}
	w.steps = append(w.steps[:len(w.steps):len(w.steps)], use)
	return w
}

// refit looks again at which filters are for the tags, now that less of them are left.
func (w *way) refit() {
	var fit []Use
	for i, use := range w.steps {
		if i >= w.since && use.When != "" {
			switch relate(w.tags, use.Filter.Tags) {
			case apart:
				continue
			case inside:
				use.When = ""
			case overlap:
			}
			if use.Filter.Tags.Regex == "" && len(w.gone) > 0 && relate(use.Filter.Tags,
				Tags{Patterns: w.gone}) == inside {
				continue
			}
		}
		fit = append(fit, use)
	}
	w.steps = fit
}

// step adds steps that the flow itself needs.
func (w way) step(at syntax.Place, title, name string, steps ...Step) way {
	if len(steps) > 0 {
		w.steps = append(w.steps[:len(w.steps):len(w.steps)], Use{Filter: &Filter{
			At: at, Title: title, Name: name,
			Tags: Every(), Steps: steps,
		}})
	}
	return w
}

// enter returns the way of those events whose tag is in tags, and that of the others; some is false where there are
// none of the first. exact says that the others' way needs nothing said where routes follow each other.
func (w way) enter(tags Tags, at syntax.Place) (in, others way, some, closed bool) {
	switch relate(w.tags, tags) {
	case apart:
		return w, w, false, false
	case inside:
		return w, w, true, true
	case overlap:
	}
	in, others = w, w
	if w.rewritten {
		yes, no := tags.Condition(), "not ("+tags.Condition()+")"
		in = in.step(at, "of the new tag", "only-"+tags.name(), Step{Kind: "expr", Body: Map{{
			Key:   "drop",
			Value: Expression(no),
		}}})
		others = others.step(at, "of the new tag", "without-"+tags.name(), Step{Kind: "expr", Body: Map{{
			Key:   "drop",
			Value: Expression(yes),
		}}})
		in.open = true
		return in, others, true, false
	}
	both, ok := narrow(w.match, tags)
	in.match = both
	if !ok {
		in.when = append(in.when[:len(in.when):len(in.when)], tags.Condition())
	}
	in.tags = Tags{Patterns: both}
	if tags.Regex == "" {
		others.gone = append(others.gone[:len(others.gone):len(others.gone)], tags.Patterns...)
		others.refit()
	}
	in.refit()
	if w.open {
		others.when = append(others.when[:len(others.when):len(others.when)], "not ("+tags.Condition()+")")
	}
	return in, others, true, false
}

// byRule returns the way of what a rule takes, under its new tag, and of what it leaves. known says that it is told by
// the events as they came, since no step before has touched the field: then routes can tell. Else steps have to.
func (w way) byRule(m *Match, rule Rule) (taken, left way, known bool) {
	taken, left = w, w
	known = !w.rewritten && !slices.ContainsFunc(w.steps, func(u Use) bool { return u.touches(rule.Field) })
	switch {
	case known && rule.When != "":
		taken.when = append(w.when[:len(w.when):len(w.when)], rule.When)
		left.when = append(w.when[:len(w.when):len(w.when)], "not ("+rule.When+")")
		taken = taken.step(rule.At, m.Title, "to-"+rule.Tags.name(), rule.Set...)
	case known:
		taken = taken.step(rule.At, m.Title, "to-"+rule.Tags.name(), rule.Set...)
	default:
		taken = taken.step(rule.At, m.Title, "to-"+rule.Tags.name(), append(slices.Clone(rule.Take), rule.Set...)...)
		left = left.step(rule.At, "not taken by "+m.Title, "not-to-"+rule.Tags.name(), rule.Leave...)
		taken.open = true
	}
	taken.tags, taken.rewritten, taken.since = rule.Tags, true, len(taken.steps)
	return taken, left, known
}
