package cloudwatch

import "github.com/seed-afc6a195/aggregator/pkg/event"

// Targets implements outputs.Targeter.
func (c *Config) Targets() (func(ev *event.Event) string, error) {
	names, err := newNamer(c)
	if err != nil {
		return nil, err
	}
	return func(ev *event.Event) string {
		return "group " + string(names.appendGroup(nil, ev)) + ", stream " + string(names.appendStream(nil, ev))
	}, nil
}
