package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	filters "github.com/seed-afc6a195/aggregator/pkg/filter/all"
)

// FilterStep is one step of a filter: in the file exactly one key, its kind, with the settings, and perhaps when.
type FilterStep struct {
	Kind string
	// Settings is that of that kind; nil where none was given.
	Settings filter.Config
	// When is an expression: the step is only for events for which it is true; "" always is.
	When string

	// given is the kinds that the file has, in their order there.
	given []string
}

const whenHelp = "an expression: the step is only for events for which it is true"

// step decodes a step by its key.
func (d *decoder) step(out *FilterStep, n *node, path string) {
	kinds := filters.Kinds()
	known := make([]string, len(kinds))
	for i := range kinds {
		known[i] = kinds[i].Name
	}
	keys := append(slices.Clone(known), "when")
	if n.kind != mapping {
		d.at(n, path, "", "expected a mapping with keys like %s, got %s", strings.Join(keys[:3], ", "), n.shown())
		return
	}
	for _, e := range n.entries {
		key := join(path, e.key)
		i := slices.Index(keys, e.key)
		switch {
		case i < 0:
			d.add(e.place, key, hintName(e.key, keys), "unknown key")
		case e.value == nil:
			// Reported already.
		case e.key == "when" || e.value.kind == scalar && e.value.tag == "!!null": // which is reported, and nothing set
			d.value(reflect.ValueOf(&out.When).Elem(), e.value, key, field{})
		default:
			settings := kinds[i].NewConfig()
			v := reflect.ValueOf(settings).Elem()
			d.presets(v)
			d.value(v, e.value, key, field{})
			out.Kind, out.Settings, out.given = e.key, settings, append(out.given, e.key)
		}
	}
	d.check(reflect.ValueOf(out).Elem(), n, path)
}

// Check holds that a step is one thing, and that its condition can be read.
func (s *FilterStep) Check(r *setting.Report) {
	if len(s.given) != 1 {
		var known []string
		for _, k := range filters.Kinds() {
			known = append(known, k.Name)
		}
		r.Add("", "one of "+listed(known)+"; make a list item of each",
			"a step has exactly one of these keys, and perhaps when")
	}
	if s.When != "" {
		filter.CheckCondition(r, "when", s.When, conditionHint)
	}
}

const conditionHint = `write an expression such as cluster == "seoul" and record.level != "debug"`

// filters checks what filters and routes say of each other.
func (c *checker) filters() {
	used := make(map[string]bool)
	for i, r := range c.Routes {
		for _, name := range r.Filters {
			used[name] = true
		}
		if r.When == "" {
			continue
		}
		var report setting.Report
		filter.CheckCondition(&report, join(index("routes", i), "when"), r.When, conditionHint)
		n := c.root.get("routes").item(i).get("when")
		for _, p := range report.Problems {
			if refs := n.origins(); refs != nil {
				// The reason quotes the expression.
				p.Reason = notAccepted(refs)
			}
			c.to(p.Warning).at(n, p.Key, p.Hint, "%s", p.Reason)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Filters)) {
		n := c.root.get("filters").get(name)
		if len(c.Filters[name]) == 0 && !c.errors.within(join("filters", name)) {
			c.errors.at(n, join("filters", name), "write at least one step", "the filter is empty")
		}
		if !used[name] {
			c.warnings.at(n, join("filters", name), "name it in a route", "no route uses this filter")
		}
	}
}

// conditions says of a route what it asks of events and does with them, for the summary.
func conditions(when string, filters []string) (text string) {
	if when != "" {
		text = " when " + when
	}
	if len(filters) > 0 {
		text += ", through " + listed(filters)
	}
	return text
}
