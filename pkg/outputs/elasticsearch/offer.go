package elasticsearch

import (
	"cmp"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/indexname"
)

// Offers implements outputs.Config.
func (c *Config) Offers(added map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	// How many names there have been is the running output's to know: here there is no limit.
	names, err := indexname.New(indexname.Options{
		Index: cmp.Or(c.Alias, c.Index), DataStream: c.DataStream || c.Alias != "", Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	what := "index "
	switch {
	case c.DataStream:
		what = "data stream "
	case c.Alias != "":
		what = "alias "
	}
	return outputs.OffersJSON(c.Fields, added, func(
		ev *event.Event,
	) string {
		return what + string(names.Append(nil, ev))
	}), nil
}
