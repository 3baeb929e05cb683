package elasticsearch

import (
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Offers implements outputs.Offerer.
func (c *Config) Offers(added map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	cfg := *c
	cfg.MaxIndicesPerHour = 0 // what is only asked for takes no name from others
	names, err := newNamer(cfg, time.Now)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return outputs.OffersJSON(c.Fields, added, func(ev *event.Event) string { return "index " + string(names.append(nil, ev)) }), nil
}
