package cloudwatch

import (
	"fmt"
	"math"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Kind is what the program knows of outputs of type cloudwatch_logs. keys are shared by all outputs to AWS; nil: each
// has its own.
func Kind(keys *awsclient.Credentials) outputs.Kind {
	const own = "cloudwatch_logs"
	return outputs.Kind{
		Name: own, Summary: "Amazon CloudWatch Logs",
		Example: "region: eu-central-1, log_group: logs, log_stream: logs",
		// The time is taken for Firehose's.
		CPUMicros: 1e6 / 414_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			out, err := New(*c, Options{Name: d.Name, Log: d.Log, Credentials: keys, Now: d.Now})
			if err != nil {
				return nil, err
			}
			out.SetClusterFields(d.Fields)
			return out, nil
		}),
		Needs:   needs,
		Aliases: map[string]string{"cloudwatch": own, "aws_cloudwatch_logs": own, "cloudwatch_log": own, "cwl": own},
	}
}

func needs(l outputs.Load) []string {
	requests := int(math.Ceil(max((l.BytesPerSecond+eventOverhead*l.EventsPerSecond)/maxRequestBytes, 1)))
	all := []string{fmt.Sprintf(
		"CloudWatch Logs: %s/s, so at least %s of 1 MiB a second, and more with many log streams; the account's "+
			"quota of PutLogEvents counts.",
		humanize.Bytes(l.BytesPerSecond),
		humanize.Count(requests, "request"),
	)}
	if l.Outage > 13*24*time.Hour {
		all = append(all, "CloudWatch Logs refuses events older than 14 days: they would become dead letters.")
	}
	return all
}

// Destination implements outputs.Config.
func (c *Config) Destination() string { return c.LogGroup + ", " + c.LogStream + " in " + c.Region }
