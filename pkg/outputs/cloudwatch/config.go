// Package cloudwatch delivers events to Amazon CloudWatch Logs.
package cloudwatch

import (
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Config is the settings of an output of type cloudwatch_logs.
type Config struct {
	outputs.Common   `yaml:",inline"`
	awsclient.Config `yaml:",inline"`
	LogGroup         string `yaml:"log_group" required:"true" help:"with placeholders"`
	LogStream        string `yaml:"log_stream" required:"true" help:"with placeholders"`
	AutoCreate       bool   `yaml:"auto_create" default:"true" help:"make missing groups and streams"`
	RetentionDays    int    `yaml:"retention_days" default:"0" help:"of groups that are made; 0: for ever"`
	Message          string `yaml:"message" help:"a field to send alone; default: the whole event as JSON"`
}

// Settings returns the common settings with this destination's defaults.
func (c *Config) Settings() outputs.Common { return c.Or(outputs.Defaults()) }
