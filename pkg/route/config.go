package route

import "github.com/seed-afc6a195/aggregator/pkg/config/setting"

// Config is one route: the first that matches an event's cluster and tag, and whose When is true of it,
// decides, and the next ones too where Continue is set.
type Config struct {
	Match    []string `yaml:"match" required:"true" help:"tag patterns: *, **, {a,b}; one or a list"`
	Clusters []string `yaml:"clusters" help:"cluster names or globs; none: all"`
	When     string   `yaml:"when"`
	Filters  []string `yaml:"filters" help:"names of filters, in order"`
	Outputs  []string `yaml:"outputs" required:"true" help:"names of outputs"`
	Continue bool     `yaml:"continue" default:"false" help:"go on to the next route too"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"when": "an expression on cluster, tag, time, record and metadata: the route takes only events for " +
			"which it is true",
	}
}

// Check reports patterns that can't be read, and empty lists.
func (c *Config) Check(r *setting.Report) {
	if len(c.Match) == 0 {
		r.Add("match", `write "**" for every tag`, "there is no pattern")
	}
	if len(c.Outputs) == 0 {
		r.Add("outputs", "name at least one", "there is no output")
	}
	check := func(name string, patterns []string, compile func(string) (Pattern, error)) {
		for _, text := range patterns {
			if _, err := compile(text); err != nil {
				r.Add(name, "patterns are made of *, **, {a,b} and \\ before a character that stands for itself", "%v",
					err)
			}
		}
	}
	check("match", c.Match, Compile)
	check("clusters", c.Clusters, compileGlob)
}
