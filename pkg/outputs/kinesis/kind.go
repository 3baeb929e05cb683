package kinesis

import (
	"fmt"
	"math"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Kind is what the program knows of outputs of type kinesis. keys are shared by all outputs to AWS; nil: each has its
// own.
func Kind(keys *awsclient.Credentials) outputs.Kind {
	const own = "kinesis"
	return outputs.Kind{
		Name: own, Summary: "Amazon Kinesis Data Streams", Example: "region: eu-central-1, stream: logs",
		CPUMicros: 1e6 / 338_000,
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
			shards := int(math.Ceil(max(l.BytesPerSecond/(1<<20), 1)))
			return []string{
				fmt.Sprintf(
					"Kinesis: %s of 1 MiB/s each, for all clusters together, without room to catch up.",
					humanize.Count(shards, "shard"),
				),
			}
		},
		Aliases: map[string]string{
			"kinesis_streams":      own,
			"kinesis_data_streams": own,
			"aws_kinesis":          own,
			"aws_kinesis_streams":  own,
		},
	}
}

// Destination implements outputs.Config.
func (c *Config) Destination() string { return c.Stream + " in " + c.Region }
