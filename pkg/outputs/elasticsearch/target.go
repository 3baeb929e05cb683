package elasticsearch

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Targets implements outputs.Targeter.
func (c *Config) Targets() (func(ev *event.Event) string, error) {
	cfg := *c
	cfg.MaxIndicesPerHour = 0 // how many there have been is the running output's to know
	names, err := newNamer(cfg, time.Now)
	if err != nil {
		return nil, err
	}
	what := "index "
	if c.DataStream {
		what = "data stream "
	}
	return func(ev *event.Event) string { return what + string(names.append(nil, ev)) }, nil
}
