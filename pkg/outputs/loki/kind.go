package loki

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Kind is what the program knows of outputs of type loki.
func Kind() outputs.Kind {
	return outputs.Kind{
		Name: "loki", Summary: "Grafana Loki", Example: "url: http://loki.example:3100", CPUMicros: 1e6 / 424_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			secure, err := d.TLS(c.TLS)
			if err != nil {
				return nil, err
			}
			return New(*c, Options{TLS: secure, Log: d.Log, Now: d.Now, Added: d.Fields})
		}),
		Needs: func(l outputs.Load) []string {
			return []string{
				fmt.Sprintf("Loki: %s/s for each of %s; a tenant takes 4 MB/s, and a stream 3 MB/s, unless "+
					"limits_config says otherwise. To catch up, it has to take twice the rate.",
					humanize.Bytes(l.BytesPerSecond/float64(l.Clusters)), humanize.Count(l.Clusters, "cluster")),
			}
		},
		Aliases: map[string]string{"grafana_loki": "loki", "grafana-loki": "loki"},
	}
}

// Destination implements outputs.Config.
func (c *Config) Destination() string { return c.URL }

// Offers implements outputs.Config.
func (c *Config) Offers(
	added map[string]map[string]string,
) (func(ev *event.Event) (outputs.Offer, error), error) {
	text, err := c.Text(c.Fields, added, false)
	if err != nil {
		return nil, err
	}
	// How many there have been is the running output's to know.
	streams, err := newStreams(c.Labels, nil)
	if err != nil {
		return nil, err
	}
	return func(ev *event.Event) (outputs.Offer, error) {
		line, err := text.Append(nil, ev)
		return outputs.Offer{
			Target:   "stream " + string(appendLabels(nil, streams.labels, ev, false)),
			Document: line,
		}, err
	}, nil
}
