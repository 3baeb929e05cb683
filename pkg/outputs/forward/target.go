package forward

import "github.com/seed-afc6a195/aggregator/pkg/event"

// Targets implements outputs.Targeter.
func (c *Config) Targets() (func(ev *event.Event) string, error) {
	tag, err := event.ParseTemplate(c.Tag)
	if err != nil {
		return nil, err
	}
	return func(ev *event.Event) string { return "tag " + string(tag.Append(nil, ev, nil)) }, nil
}
