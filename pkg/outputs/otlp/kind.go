package otlp

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Kind is what the program knows of outputs of type otlp.
func Kind() outputs.Kind {
	return outputs.Kind{
		Name: "otlp", Summary: "OpenTelemetry Collectors, and what else takes OTLP over HTTP",
		Example: "url: https://collector.example:4318", CPUMicros: 1e6 / 350_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			secure, err := d.TLS(c.TLS)
			if err != nil {
				return nil, err
			}
			return New(*c, Options{TLS: secure, Log: d.Log, Now: d.Now, Added: d.Fields})
		}),
		Aliases: map[string]string{
			"opentelemetry": "otlp", "otlphttp": "otlp", "otlp_http": "otlp", "otlp/http": "otlp", "otel": "otlp",
		},
	}
}

// Destination implements outputs.Config. What stands behind a ? may be a key.
func (c *Config) Destination() string {
	text, _, _ := strings.Cut(c.URL, "?")
	return text
}

// Offers implements outputs.Config. The document is the event as other outputs would have it: a log record is no text.
func (c *Config) Offers(added map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	headers, err := parseHeaders(c.EventHeaders)
	if err != nil {
		return nil, err
	}
	where := c.Destination()
	return outputs.OffersJSON(c.Fields, added, func(ev *event.Event) string {
		return targetOf(where, headers, ev)
	}), nil
}
