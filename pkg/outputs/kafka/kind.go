package kafka

import (
	"fmt"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Kind is what the program knows of outputs of type kafka. keys are shared by all outputs to AWS; nil: each has its
// own.
func Kind(keys *awsclient.Credentials) outputs.Kind {
	const own = "kafka"
	return outputs.Kind{
		Name: own, Summary: "topics of Apache Kafka", Example: "brokers: kafka.example, topic: logs",
		CPUMicros: 1e6 / 420_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			secure, err := d.TLS(c.TLS)
			if err != nil {
				return nil, err
			}
			return New(*c, Options{TLS: secure, Log: d.Log, Now: d.Now, Credentials: keys, Added: d.Fields})
		}),
		Needs: func(l outputs.Load) []string {
			return []string{
				fmt.Sprintf(
					"Kafka gets %s/s before compression, and each replica of a topic as much. To catch up in as long "+
						"as the outage took, "+
						"brokers have to take twice that.",
					humanize.Bytes(l.BytesPerSecond),
				),
			}
		},
		Aliases: map[string]string{"kafka2": own, "rdkafka": own, "msk": own, "redpanda": own},
	}
}

// Destination implements outputs.Config.
func (c *Config) Destination() string { return c.Topic + " at " + strings.Join(c.Brokers, ", ") }

// Offers implements outputs.Config.
func (c *Config) Offers(added map[string]map[string]string) (func(ev *event.Event) (outputs.Offer, error), error) {
	// How many names there have been is the running output's to know: here there is no limit.
	t, err := parseTopic(c.Topic)
	if err != nil {
		return nil, fmt.Errorf("topic: %w", err)
	}
	text, err := c.Text(c.Fields, added, false)
	if err != nil {
		return nil, err
	}
	return func(ev *event.Event) (outputs.Offer, error) {
		value, err := text.Append(nil, ev)
		return outputs.Offer{Target: "topic " + string(appendName(nil, t, ev)), Document: value}, err
	}, nil
}
