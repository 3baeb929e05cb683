package config

import "github.com/seed-afc6a195/aggregator/pkg/config/setting"

// The settings below belong to parts that do not exist yet. They are here so that the schema has
// them and their mistakes are found; using them is refused. Each moves to its part with it.

// FilterStep is one step of a filter: exactly one of its keys.
type FilterStep struct {
	Parse  *ParseStep  `yaml:"parse" help:"read structure out of a field"`
	Grep   *GrepStep   `yaml:"grep" help:"keep or drop events"`
	Modify *ModifyStep `yaml:"modify" help:"set, rename and remove fields"`
}

// Check holds that a step is one thing.
func (s *FilterStep) Check(r *setting.Report) {
	given := 0
	for _, is := range []bool{s.Parse != nil, s.Grep != nil, s.Modify != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		r.Add("", "parse, grep or modify; make a list item of each", "a step has exactly one key")
	}
}

// ParseStep reads structure out of a field's text.
type ParseStep struct {
	Field  string `yaml:"field" required:"true" help:"whose text is read"`
	Format string `yaml:"format" required:"true" help:"how it is written: cri, nginx, …"`
}

// GrepStep drops events by regular expressions on fields.
type GrepStep struct {
	Include map[string]string `yaml:"include" help:"field: expression; all must match"`
	Exclude map[string]string `yaml:"exclude" help:"field: expression; none may match"`
}

// ModifyStep changes fields.
type ModifyStep struct {
	Set    map[string]any    `yaml:"set" help:"field: value"`
	Rename map[string]string `yaml:"rename" help:"old name: new name"`
	Remove []string          `yaml:"remove" help:"names of fields"`
}
