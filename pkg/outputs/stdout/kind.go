package stdout

import (
	"os"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Kind is what the program knows of outputs of type stdout.
func Kind() outputs.Kind {
	return outputs.Kind{
		Name: "stdout", Summary: "the standard output, for trying things out", Example: "format: json",
		// The time is taken for a file's.
		CPUMicros: 1e6 / 637_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			out := New(*c, os.Stdout)
			out.SetClusterFields(d.Fields)
			return out, nil
		}),
		Aliases: map[string]string{"console": "stdout", "print": "stdout"},
	}
}

// Destination implements outputs.Config: the type says it all.
func (c *Config) Destination() string { return "" }
