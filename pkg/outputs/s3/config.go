// Package s3 archives events as objects in Amazon S3.
package s3

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Config is the settings of an output of type s3.
type Config struct {
	outputs.Common   `yaml:",inline"`
	awsclient.Config `yaml:",inline"`
	Bucket           string `yaml:"bucket" required:"true" help:"the bucket's name"`
	Key              string `yaml:"key" required:"true" help:"prefix of objects' names, with placeholders"`
	Compression      string `yaml:"compression" default:"zstd" enum:"none|gzip|zstd" help:"of objects"`
	Rotate           Rotate `yaml:"rotate" help:"when an object is finished"`
}

// Rotate says when an object is finished.
type Rotate struct {
	MaxSize setting.Size  `yaml:"max_size" default:"64MiB" help:"bytes in an object"`
	MaxAge  time.Duration `yaml:"max_age" default:"5m" help:"since the object was begun"`
}

// Settings returns the common settings with this destination's defaults.
func (c *Config) Settings() outputs.Common { return c.Or(outputs.Defaults()) }
