package s3

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Offers implements outputs.Config.
func (c *Config) Offers(added map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	path, err := parseKey(c.Key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	text, err := c.Text(c.Fields, added, true)
	if err != nil {
		return nil, err
	}
	return outputs.OffersText(text, func(ev *event.Event) string {
		return "s3://" + c.Bucket + "/" + shownPrefix(finalPrefix(path.Append(nil, ev, appendClean))) + "…"
	}), nil
}
