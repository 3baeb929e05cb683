package kinesis

import (
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Config is the settings of an output of type kinesis.
type Config struct {
	outputs.Common        `yaml:",inline"`
	awsclient.Config      `yaml:",inline"`
	Stream                string `yaml:"stream" required:"true" placeholders:"target"`
	PartitionKey          string `yaml:"partition_key" default:"\"{tag}\"" placeholders:"other"`
	outputs.MessageConfig `yaml:",inline"`
	Aggregate             bool                 `yaml:"aggregate" default:"false"`
	MaxRecordSize         setting.Size         `yaml:"max_record_size" default:"1MiB" min:"1KiB"`
	Pace                  awsclient.PaceConfig `yaml:"pace" help:"what is sent to a stream at most"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"stream":        "with placeholders, e.g. logs-{cluster}",
		"partition_key": "with placeholders, which decides on the shard; random: any shard",
		"aggregate":     "true: many lines of one partition key per record",
		"max_record_size": "that the stream takes, with the partition key; more than 1MiB needs the stream's own " +
			"limit to be raised",
	}
}

const (
	randomKeys = "random"
	// mostRecord is in bytes, the service's own limit.
	mostRecord = 10 << 20
)

// Settings returns the common settings with this destination's defaults: as much as fits a request.
func (c *Config) Settings() outputs.Common {
	d := outputs.Common{Batch: outputs.BatchConfig{MaxBytes: 3 << 20}}
	if !c.Aggregate {
		d.Batch.MaxEvents = maxRecords
	}
	return c.Or(d).Or(outputs.Defaults())
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.MessageConfig.Check(r)
	c.Config.Check(r)
	c.Pace.Check(r)
	awsclient.CheckStream(r, "stream", c.Stream, maxName)
	if _, err := event.ParseTemplate(c.PartitionKey); err != nil {
		r.Add("partition_key", "see the example in the documentation", "%v", err)
	}
	if c.MaxRecordSize > mostRecord {
		r.Add("max_record_size", "write 10MiB or less", "Kinesis takes no larger records")
	}
}
