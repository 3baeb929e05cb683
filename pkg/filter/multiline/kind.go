package multiline

import "github.com/seed-afc6a195/aggregator/pkg/filter"

// Kind is what the program knows of steps of kind multiline.
func Kind() filter.Kind {
	return filter.Kind{
		Name: "multiline", Summary: "join lines that belong together, such as stack traces",
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
