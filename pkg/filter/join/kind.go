package join

import "github.com/seed-afc6a195/aggregator/pkg/filter"

// Kind is what the program knows of steps of kind join.
func Kind() filter.Kind {
	return filter.Kind{
		Name: "join", Summary: "put together the fragments that container runtimes cut long lines into",
		NewConfig: func() filter.Config { return new(Config) },
	}
}

// New implements filter.Config.
func (c *Config) New(filter.Deps) (filter.Made, error) {
	made, err := New(*c)
	if err != nil {
		return filter.Made{}, err
	}
	return filter.Made{Joiner: made}, nil
}
