package firehose

import (
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Config is the settings of an output of type firehose.
type Config struct {
	outputs.Common        `yaml:",inline"`
	awsclient.Config      `yaml:",inline"`
	DeliveryStream        string `yaml:"delivery_stream" required:"true" placeholders:"target"`
	outputs.MessageConfig `yaml:",inline"`
	Aggregate             bool                 `yaml:"aggregate" default:"true"`
	Compression           string               `yaml:"compression" default:"none" enum:"none|gzip"`
	Pace                  awsclient.PaceConfig `yaml:"pace" help:"what is sent to a stream at most"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"delivery_stream": "with placeholders, e.g. logs-{cluster}",
		"compression":     "of each record",
		"aggregate":       "many lines per record, up to 1000 KiB: fewer records of the quota. false: one",
	}
}

const compressionGzip = "gzip"

// Settings returns the common settings with this destination's defaults: as much as fits a request of
// 4 MiB in base64.
func (c *Config) Settings() outputs.Common {
	d := outputs.Common{Batch: outputs.BatchConfig{MaxBytes: 2 << 20}}
	if !c.Aggregate {
		d.Batch.MaxEvents = limits().Records
	}
	return c.Or(d).Or(outputs.Defaults())
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.MessageConfig.Check(r)
	c.Config.Check(r)
	c.Pace.Check(r)
	awsclient.CheckStream(r, "delivery_stream", c.DeliveryStream, limits().Name)
}
