// Package kinesis delivers events to Amazon Kinesis Data Streams.
package kinesis

import (
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Config is the settings of an output of type kinesis.
type Config struct {
	outputs.Common   `yaml:",inline"`
	awsclient.Config `yaml:",inline"`
	Stream           string `yaml:"stream" required:"true" help:"with placeholders"`
	PartitionKey     string `yaml:"partition_key" default:"\"{tag}\"" help:"with placeholders"`
}

// Settings returns the common settings with this destination's defaults.
func (c *Config) Settings() outputs.Common { return c.Or(outputs.Defaults()) }
