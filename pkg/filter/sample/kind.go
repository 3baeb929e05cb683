package sample

import "github.com/seed-afc6a195/aggregator/pkg/filter"

// Kind is what the program knows of steps of kind sample.
func Kind() filter.Kind {
	return filter.Kind{
		Name: "sample", Summary: "keep a share of the events", NewConfig: func() filter.Config { return new(Config) },
	}
}

// New implements filter.Config.
func (c *Config) New(filter.Deps) (filter.Made, error) {
	made, err := New(*c)
	if err != nil {
		return filter.Made{}, err
	}
	return filter.Made{Step: made}, nil
}

// ThrottleKind is what the program knows of steps of kind throttle.
func ThrottleKind() filter.Kind {
	return filter.Kind{
		Name: "throttle", Summary: "keep so many events a second",
		NewConfig: func() filter.Config { return new(ThrottleConfig) },
	}
}

// New implements filter.Config.
func (c *ThrottleConfig) New(d filter.Deps) (filter.Made, error) {
	t, err := NewThrottle(*c, d.Now)
	if err != nil {
		return filter.Made{}, err
	}
	return filter.Made{Step: t, Then: &filter.Stage{Kind: "throttle_summary", Joiner: t.Summaries()}}, nil
}
