package cloudwatch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Config is the settings of an output of type cloudwatch_logs.
type Config struct {
	outputs.Common   `yaml:",inline"`
	awsclient.Config `yaml:",inline"`
	LogGroup         string            `yaml:"log_group" required:"true" placeholders:"target"`
	LogStream        string            `yaml:"log_stream" required:"true" placeholders:"target"`
	AutoCreate       bool              `yaml:"auto_create" default:"true" help:"make missing groups and streams"`
	RetentionDays    int               `yaml:"retention_days" default:"0" help:"of groups that have none; 0: for ever"`
	LogGroupTags     map[string]string `yaml:"log_group_tags" help:"of groups that are made"`

	LogGroupClass string `yaml:"log_group_class" default:"STANDARD" enum:"STANDARD|INFREQUENT_ACCESS|DELIVERY"`

	MaxStreamsPerHour     int `yaml:"max_streams_per_hour" default:"2000"`
	outputs.MessageConfig `yaml:",inline"`
	Oversize              string `yaml:"oversize" default:"dead_letter" enum:"dead_letter|truncate"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"log_group":       "with placeholders",
		"log_stream":      "with placeholders",
		"log_group_class": "of groups that are made",
		"max_streams_per_hour": `streams made at most for each cluster; events beyond go to the one with "other" in ` +
			`place of what is not the cluster's; 0: no limit`,
		"oversize": "what becomes of an event over 1 MiB; truncate: its end is cut off and a mark says how much",
	}
}

const oversizeTruncate = "truncate"

// Settings returns the common settings with this destination's defaults: a batch is about four full
// requests, or a few events for each of many streams.
func (c *Config) Settings() outputs.Common {
	return c.Or(outputs.Common{Batch: outputs.BatchConfig{MaxBytes: 4 << 20}}).Or(outputs.Defaults())
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.MessageConfig.Check(r)
	c.Config.Check(r)
	for _, n := range []struct {
		key, text string
		invalid   func(r rune) bool
	}{
		{"log_group", c.LogGroup, func(r rune) bool { return !inGroup(r) }},
		{"log_stream", c.LogStream, func(r rune) bool { return !inStream(r) }},
	} {
		t, err := event.ParseTemplate(n.text)
		if err != nil {
			r.Add(n.key, "see the example in the documentation", "%v", err)
			continue
		}
		name := string(
			t.Append(nil, &event.Event{Chunk: &event.Chunk{}}, func(dst, _ []byte) []byte { return append(dst, 'x') }),
		)
		switch i := strings.IndexFunc(name, n.invalid); {
		case i >= 0:
			r.Add(n.key, "leave it out, or write _", "%q has %q, which CloudWatch Logs takes in no such name", n.text,
				[]rune(name[i:])[0])
		case len(name) > maxName:
			r.Add(n.key, fmt.Sprintf("write %d characters or less", maxName),
				"it is too long a name for CloudWatch Logs")
		case n.key == "log_group" && strings.HasPrefix(name, reservedPrefix):
			r.Add(n.key, "write /"+n.text, "names that begin with %q are Amazon's", reservedPrefix)
		}
	}
	if days := retentions(); c.RetentionDays != 0 && !slices.Contains(days, c.RetentionDays) {
		r.Add("retention_days", fmt.Sprintf("write 0 (for ever) or one of %v", days),
			"CloudWatch Logs can't keep events for %d days", c.RetentionDays)
	}
	if c.LogGroupClass == "DELIVERY" && c.RetentionDays != 0 {
		r.Add("retention_days", "leave it out, or make log_group_class STANDARD or INFREQUENT_ACCESS",
			"a log group of class DELIVERY keeps its events for a time that nobody can set")
	}
	if len(c.LogGroupTags) > maxTags {
		r.Add("log_group_tags", fmt.Sprintf("write %d or less", maxTags), "a log group can't have %d tags",
			len(c.LogGroupTags))
	}
	if c.MaxStreamsPerHour < 0 {
		r.Add("max_streams_per_hour", "write 0 for no limit", "a negative value has no meaning")
	}
}

// maxTags bounds the tags of a log group.
const maxTags = 50

// retentions are the days that PutRetentionPolicy takes.
func retentions() []int {
	return []int{
		1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
	}
}
