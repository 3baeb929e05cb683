package modify

import "github.com/seed-afc6a195/aggregator/pkg/filter"

// Kind is what the program knows of steps of kind modify.
func Kind() filter.Kind {
	return filter.Kind{
		Name: "modify", Summary: "set, rename, remove and convert fields",
		NewConfig: func() filter.Config { return new(Config) },
	}
}

// New implements filter.Config.
func (c *Config) New(filter.Deps) (made filter.Made, err error) {
	made.Step, err = New(*c)
	return made, err
}

// DedotKind is what the program knows of steps of kind dedot.
func DedotKind() filter.Kind {
	return filter.Kind{
		Name: "dedot", Summary: "replace dots in the names of fields",
		NewConfig: func() filter.Config { return new(DedotConfig) },
	}
}

// New implements filter.Config.
func (c *DedotConfig) New(filter.Deps) (made filter.Made, err error) {
	made.Step, err = NewDedot(*c)
	return made, err
}
