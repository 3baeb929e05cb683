package lookup

import "github.com/seed-afc6a195/aggregator/pkg/filter"

// Kind is what the program knows of steps of kind lookup.
func Kind() filter.Kind {
	return filter.Kind{
		Name: "lookup", Summary: "add fields from a table in a file",
		NewConfig: func() filter.Config { return new(Config) },
	}
}

// New implements filter.Config.
func (c *Config) New(d filter.Deps) (filter.Made, error) {
	s, err := New(*c, d.Log)
	if err != nil {
		return filter.Made{}, err
	}
	return filter.Made{Step: s, Close: s.Close}, nil
}
