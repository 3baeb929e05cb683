package cloudwatch

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Offers implements outputs.Config.
func (c *Config) Offers(added map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	names, err := newNamer(c)
	if err != nil {
		return nil, err
	}
	text, err := c.Text(c.Fields, added, false)
	if err != nil {
		return nil, err
	}
	return outputs.OffersText(text, func(ev *event.Event) string {
		return fmt.Sprintf("log group %s, log stream %s", names.appendGroup(nil, ev), names.appendStream(nil, ev))
	}), nil
}
