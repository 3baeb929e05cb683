package grep

import "github.com/seed-afc6a195/aggregator/pkg/filter"

// Kind is what the program knows of steps of kind grep.
func Kind() filter.Kind {
	return filter.Kind{
		Name: "grep", Summary: "keep or drop events", NewConfig: func() filter.Config { return new(Config) },
	}
}

// New implements filter.Config.
func (c *Config) New(filter.Deps) (made filter.Made, err error) {
	made.Step, err = New(*c)
	return made, err
}
