package file

import (
	"path/filepath"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Kind is what the program knows of outputs of type file.
func Kind() outputs.Kind {
	return outputs.Kind{
		Name: "file", Summary: "files on a disk of this machine", Example: "path: logs", CPUMicros: 1e6 / 637_000,
		Files:     maxOpen,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			state := filepath.Join(d.StateDir, "file-"+d.Name+".log")
			out, err := New(*c, Options{Name: d.Name, Log: d.Log, Now: d.Now, StateFile: state})
			if err != nil {
				return nil, err
			}
			out.SetClusterFields(d.Fields)
			return out, nil
		}),
		Aliases: map[string]string{"files": "file", "disk": "file"},
	}
}

// Destination implements outputs.Config.
func (c *Config) Destination() string { return c.Path }
