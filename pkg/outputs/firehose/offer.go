package firehose

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Offers implements outputs.Config.
func (c *Config) Offers(added map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	name, err := event.ParseTemplate(c.DeliveryStream)
	if err != nil {
		return nil, fmt.Errorf("delivery_stream: %w", err)
	}
	text, err := c.Text(c.Fields, added, true)
	if err != nil {
		return nil, err
	}
	return outputs.OffersText(text, func(ev *event.Event) string {
		return "delivery stream " + awsclient.StreamName(ev, name, limits().Name)
	}), nil
}
