package splunkhec

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Kind is what the program knows of outputs of type splunk_hec.
func Kind() outputs.Kind {
	return outputs.Kind{
		Name: "splunk_hec", Summary: "Splunk, by its HTTP Event Collector",
		Example: "url: https://splunk.example:8088, token: x", CPUMicros: 1e6 / 388_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			secure, err := d.TLS(c.TLS)
			if err != nil {
				return nil, err
			}
			return New(*c, Options{TLS: secure, Log: d.Log, Now: d.Now, Added: d.Fields})
		}),
		Needs: func(l outputs.Load) []string {
			// What a licence counts is the text of events, a day.
			return []string{fmt.Sprintf(
				"Splunk: %s a day of its licence, and %s/s into the collector; to catch up, it has to take "+
					"twice the rate.",
				humanize.Bytes(l.BytesPerSecond*86_400), humanize.Bytes(l.BytesPerSecond),
			)}
		},
		Aliases: map[string]string{
			"splunk": "splunk_hec", "hec": "splunk_hec", "splunk_hec_logs": "splunk_hec", "splunkhec": "splunk_hec",
		},
	}
}

// Destination implements outputs.Config.
func (c *Config) Destination() string {
	if c.Index == "" {
		return c.URL
	}
	return c.URL + ", index " + c.Index
}

// Offers implements outputs.Config.
func (c *Config) Offers(added map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	base, err := parseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	r, err := newRenderer(c, added)
	if err != nil {
		return nil, err
	}
	return func(ev *event.Event) (outputs.Offer, error) {
		document, err := r.append(nil, ev)
		return outputs.Offer{Target: targetOf(base, string(r.index(nil, ev))), Document: document}, err
	}, nil
}

// targetOf names the index, or the server where the token decides.
func targetOf(base, index string) string {
	if index == "" {
		return base
	}
	return "index " + index
}
