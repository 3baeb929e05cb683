// Package stdout writes events to the standard output, for trying things out.
package stdout

import "github.com/seed-afc6a195/aggregator/pkg/outputs"

// Config is the settings of an output of type stdout.
type Config struct {
	outputs.Common `yaml:",inline"`
	Format         string `yaml:"format" default:"json" enum:"json" help:"one JSON object a line"`
}
