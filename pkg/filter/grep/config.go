// Package grep is the step that keeps or drops events by regular expressions on their fields.
package grep

import (
	"maps"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Config is the settings of a grep step: fields and the regular expressions (Go's, RE2) that their
// text is searched for, one or a list. An event must get past all four rules.
type Config struct {
	Include    map[string][]string `yaml:"include" help:"field: expressions; all must match"`
	IncludeAny map[string][]string `yaml:"include_any" help:"field: expressions; one must match at least"`
	Exclude    map[string][]string `yaml:"exclude" help:"field: expressions; none may match"`
	ExcludeAll map[string][]string `yaml:"exclude_all" help:"field: expressions; events that match all are dropped"`
}

type named struct {
	key   string
	rules map[string][]string
}

func (c *Config) all() []named {
	return []named{
		{"include", c.Include}, {"include_any", c.IncludeAny}, {"exclude", c.Exclude}, {"exclude_all", c.ExcludeAll},
	}
}

// Check reports fields and expressions that can't be read, and a step without any.
func (c *Config) Check(r *setting.Report) {
	total := 0
	for _, n := range c.all() {
		for _, field := range slices.Sorted(maps.Keys(n.rules)) {
			if _, err := filter.ParsePath(field); err != nil {
				r.Add(n.key+"."+field, "", "%v", err)
			}
			for _, text := range n.rules[field] {
				total++
				filter.CheckPattern(r, n.key+"."+field, text)
			}
		}
	}
	if total == 0 {
		r.Add("", `write include or exclude, such as exclude: {path: "^/healthcheck"}`, "there is no expression")
	}
}
