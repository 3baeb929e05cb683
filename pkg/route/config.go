package route

// Config is one route: the first that matches an event's cluster and tag decides, and the next
// ones too where Continue is set.
type Config struct {
	Match    []string `yaml:"match" required:"true" help:"tag patterns: *, **, {a,b}; one or a list"`
	Clusters []string `yaml:"clusters" help:"cluster names or globs; none: all"`
	When     string   `yaml:"when" later:"true" help:"an expression on cluster, tag, time and record"`
	Filters  []string `yaml:"filters" later:"true" help:"names of filters, in order"`
	Outputs  []string `yaml:"outputs" required:"true" help:"names of outputs"`
	Continue bool     `yaml:"continue" default:"false" help:"go on to the next route too"`
}
