package forward

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Kind is what the program knows of outputs of type forward.
func Kind() outputs.Kind {
	const own = "forward"
	return outputs.Kind{
		Name: own, Summary: "Forward servers: another aggregator, fluentd, Fluent Bit",
		Example: `servers: ["logs.example:24224"]`,
		// The time is taken for Elasticsearch's.
		CPUMicros: 1e6 / 524_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			secure, err := d.TLS(c.TLS)
			if err != nil {
				return nil, err
			}
			return New(*c, Options{Hostname: d.Hostname, TLS: secure, Log: d.Log})
		}),
		Aliases: map[string]string{
			"fluentd": own, "fluent": own, "fluentbit": own, "fluent-bit": own, "fluent_bit": own,
			"secure_forward": own, "aggregator": own,
		},
	}
}

// Destination implements outputs.Config.
func (c *Config) Destination() string { return strings.Join(c.Addresses(), ", ") }
