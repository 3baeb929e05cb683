package s3

import (
	"path/filepath"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Kind is what the program knows of outputs of type s3. keys are shared by all outputs to AWS; nil: each has its own.
func Kind(keys *awsclient.Credentials) outputs.Kind {
	return outputs.Kind{
		Name: "s3", Summary: "objects in Amazon S3 and in stores like it",
		Example:   "region: eu-central-1, bucket: logs, key: logs/",
		CPUMicros: 1e6 / 398_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			state := filepath.Join(d.StateDir, "s3-"+d.Name+".log")
			out, err := New(*c, Options{Name: d.Name, Log: d.Log, Credentials: keys, StateFile: state})
			if err != nil {
				return nil, err
			}
			out.SetClusterFields(d.Fields)
			return out, nil
		}),
		Aliases: map[string]string{"aws_s3": "s3", "amazon_s3": "s3", "bucket": "s3"},
	}
}

// Destination implements outputs.Config.
func (c *Config) Destination() string { return c.Bucket + ", " + c.Key + " in " + c.Region }
