package forward

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Offers implements outputs.Config. Records go as they are, with nothing added.
func (c *Config) Offers(map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	tag, err := event.ParseTemplate(c.Tag)
	if err != nil {
		return nil, fmt.Errorf("tag: %w", err)
	}
	servers := targetOf(c)
	return outputs.OffersJSON(event.Fields{}, nil, func(ev *event.Event) string {
		return fmt.Sprintf("tag %s at %s", tag.Append(nil, ev, nil), servers)
	}), nil
}
