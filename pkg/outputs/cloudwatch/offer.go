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
	o := &Output{}
	if c.Message != "" {
		if o.message, err = parseField(c.Message); err != nil {
			return nil, fmt.Errorf("message: %w", err)
		}
	}
	w := &work{enc: event.NewEncoder(c.Fields)}
	w.enc.SetClusterFields(added)
	return func(ev *event.Event) (outputs.Offer, error) {
		message, err := o.appendMessage(w, ev)
		target := fmt.Sprintf("log group %s, log stream %s", names.appendGroup(nil, ev), names.appendStream(nil, ev))
		return outputs.Offer{Target: target, Document: message}, err
	}, nil
}
