package config

import (
	"maps"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/expression"
	"github.com/seed-afc6a195/aggregator/pkg/filter/grep"
	joinfilter "github.com/seed-afc6a195/aggregator/pkg/filter/join"
	"github.com/seed-afc6a195/aggregator/pkg/filter/lookup"
	"github.com/seed-afc6a195/aggregator/pkg/filter/modify"
	"github.com/seed-afc6a195/aggregator/pkg/filter/multiline"
	"github.com/seed-afc6a195/aggregator/pkg/filter/parse"
	"github.com/seed-afc6a195/aggregator/pkg/filter/redact"
	"github.com/seed-afc6a195/aggregator/pkg/filter/sample"
)

// FilterStep is one step of a filter: exactly one of its keys, and perhaps when.
type FilterStep struct {
	Parse     *parse.Config          `yaml:"parse" help:"read structure out of a field"`
	Grep      *grep.Config           `yaml:"grep" help:"keep or drop events"`
	Modify    *modify.Config         `yaml:"modify" help:"set, rename, remove and convert fields"`
	Dedot     *modify.DedotConfig    `yaml:"dedot" help:"replace dots in the names of fields"`
	Redact    *redact.Config         `yaml:"redact" help:"mask secrets and personal data"`
	Sample    *sample.Config         `yaml:"sample" help:"keep a share of the events"`
	Throttle  *sample.ThrottleConfig `yaml:"throttle" help:"keep so many events a second"`
	Join      *joinfilter.Config     `yaml:"join" help:"put together the fragments that container runtimes cut long lines into"`
	Multiline *multiline.Config      `yaml:"multiline" help:"join lines that belong together, such as stack traces"`
	Lookup    *lookup.Config         `yaml:"lookup" help:"add fields from a table in a file"`
	Expr      *expression.Config     `yaml:"expr" help:"drop events or set fields by an expression"`
	When      string                 `yaml:"when" help:"an expression: the step is only for events for which it is true"`
}

// Step returns the step's settings, a pointer to a Config, and the key that they were given under.
func (s *FilterStep) Step() (kind string, settings any) {
	for _, k := range s.kinds() {
		if k.given {
			return k.key, k.settings
		}
	}
	return "", nil
}

type stepKind struct {
	key      string
	given    bool
	settings any
}

func (s *FilterStep) kinds() []stepKind {
	return []stepKind{
		{"parse", s.Parse != nil, s.Parse},
		{"grep", s.Grep != nil, s.Grep},
		{"modify", s.Modify != nil, s.Modify},
		{"dedot", s.Dedot != nil, s.Dedot},
		{"redact", s.Redact != nil, s.Redact},
		{"sample", s.Sample != nil, s.Sample},
		{"throttle", s.Throttle != nil, s.Throttle},
		{"join", s.Join != nil, s.Join},
		{"multiline", s.Multiline != nil, s.Multiline},
		{"lookup", s.Lookup != nil, s.Lookup},
		{"expr", s.Expr != nil, s.Expr},
	}
}

// Check holds that a step is one thing, and that its condition can be read.
func (s *FilterStep) Check(r *setting.Report) {
	var given, known []string
	for _, k := range s.kinds() {
		known = append(known, k.key)
		if k.given {
			given = append(given, k.key)
		}
	}
	if len(given) != 1 {
		r.Add("", "one of "+listed(known)+"; make a list item of each", "a step has exactly one of these keys, and perhaps when")
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
		for _, p := range report.Problems {
			to := c.errors
			if p.Warning {
				to = c.warnings
			}
			to.at(c.root.get("routes").item(i).get("when"), p.Key, p.Hint, "%s", p.Reason)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Filters)) {
		n := c.root.get("filters").get(name)
		if len(c.Filters[name]) == 0 {
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
