// Package firehose delivers events to Amazon Data Firehose.
package firehose

import (
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Config is the settings of an output of type firehose.
type Config struct {
	outputs.Common   `yaml:",inline"`
	awsclient.Config `yaml:",inline"`
	DeliveryStream   string `yaml:"delivery_stream" required:"true" help:"with placeholders"`
	Aggregate        bool   `yaml:"aggregate" default:"true" help:"many lines per record"`
}

// Settings returns the common settings with this destination's defaults.
func (c *Config) Settings() outputs.Common { return c.Or(outputs.Defaults()) }
