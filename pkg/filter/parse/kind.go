package parse

import "github.com/seed-afc6a195/aggregator/pkg/filter"

// Kind is what the program knows of steps of kind parse.
func Kind() filter.Kind {
	return filter.Kind{
		Name: "parse", Summary: "read structure out of a field", NewConfig: func() filter.Config { return new(Config) },
	}
}

// New implements filter.Config.
func (c *Config) New(filter.Deps) (made filter.Made, err error) {
	made.Step, made.Joiner, err = New(*c)
	return made, err
}
