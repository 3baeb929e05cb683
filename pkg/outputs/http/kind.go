package http

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Kind is what the program knows of outputs of type http.
func Kind() outputs.Kind {
	return outputs.Kind{
		Name: "http", Summary: "HTTP servers that take lines, arrays, objects or texts",
		Example:   "url: https://logs.example/",
		CPUMicros: 1e6 / 503_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			secure, err := d.TLS(c.TLS)
			if err != nil {
				return nil, err
			}
			return New(*c, Options{TLS: secure, Log: d.Log, Now: d.Now, Added: d.Fields})
		}),
		Aliases: map[string]string{
			"webhook":      "http",
			"victorialogs": "http",
			"datadog":      "http",
			"datadog_logs": "http",
		},
	}
}

// Destination implements outputs.Config. What stands behind a ? may be a key.
func (c *Config) Destination() string {
	text, _, _ := cutQuery(c.URL)
	return text
}

// Offers implements outputs.Config.
func (c *Config) Offers(added map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	to, err := parseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	text, err := c.Text(c.Fields, added, true)
	if err != nil {
		return nil, err
	}
	return func(ev *event.Event) (outputs.Offer, error) {
		body, err := text.Append(nil, ev)
		whole, n := to.append(nil, ev)
		return outputs.Offer{Target: c.Method + " " + string(whole[:n]), Document: body}, err
	}, nil
}
