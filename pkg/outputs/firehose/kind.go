package firehose

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Kind is what the program knows of outputs of type firehose. keys are shared by all outputs to AWS; nil: each has its
// own.
func Kind(keys *awsclient.Credentials) outputs.Kind {
	const own = "firehose"
	return outputs.Kind{
		Name: own, Summary: "Amazon Data Firehose", Example: "region: eu-central-1, delivery_stream: logs",
		CPUMicros: 1e6 / 414_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			out, err := New(*c, Options{Log: d.Log, Credentials: keys})
			if err != nil {
				return nil, err
			}
			out.SetClusterFields(d.Fields)
			return out, nil
		}),
		Needs: func(l outputs.Load) []string {
			return []string{
				fmt.Sprintf(
					"Firehose: %s/s for each of %s with a stream of its own. A stream takes 1 MiB/s in most regions, "+
						"and 5 MiB/s in "+
						"N. Virginia, Oregon and Ireland, unless you ask for more; ask for twice the rate, so that "+
						"it can catch up.",
					humanize.Bytes(l.BytesPerSecond/float64(l.Clusters)),
					humanize.Count(l.Clusters, "cluster"),
				),
			}
		},
		Aliases: map[string]string{
			"kinesis_firehose":     own,
			"aws_firehose":         own,
			"data_firehose":        own,
			"amazon_data_firehose": own,
		},
	}
}

// Destination implements outputs.Config.
func (c *Config) Destination() string { return c.DeliveryStream + " in " + c.Region }
