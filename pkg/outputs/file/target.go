package file

import "github.com/seed-afc6a195/aggregator/pkg/event"

// Targets implements outputs.Targeter.
func (c *Config) Targets() (func(ev *event.Event) string, error) {
	path, err := event.ParseTemplate(c.Path)
	if err != nil {
		return nil, err
	}
	return func(ev *event.Event) string { return "path " + string(path.Append(nil, ev, appendClean)) }, nil
}
