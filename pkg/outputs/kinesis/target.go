package kinesis

import "github.com/seed-afc6a195/aggregator/pkg/event"

// Targets implements outputs.Targeter.
func (c *Config) Targets() (func(ev *event.Event) string, error) {
	l := limits(c)
	return l.Targets(c.Stream)
}
