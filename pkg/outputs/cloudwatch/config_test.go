package cloudwatch

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

func TestCheck(t *testing.T) {
	ok := basic()
	ok.Region, ok.Type = "eu-central-1", "cloudwatch_logs"
	for _, tc := range []struct {
		key    string
		change func(c *Config)
	}{
		{"", func(*Config) {}},
		{"", func(c *Config) { c.RetentionDays = 3653 }},
		{"", func(c *Config) { c.LogStream = "{tag}/%Y-%m-%d[$LATEST] ü" }},
		{"", func(c *Config) { c.Message = `kubernetes["app.kubernetes.io/name"]` }},
		{"retention_days", func(c *Config) { c.RetentionDays = 2 }},
		{"log_group", func(c *Config) { c.LogGroup = "a b" }},
		{"log_group", func(c *Config) { c.LogGroup = "aws/x" }},
		{"log_group", func(c *Config) { c.LogGroup = "{nonsense}" }},
		{"log_stream", func(c *Config) { c.LogStream = "%H:%M" }},
		{"log_stream", func(c *Config) { c.LogStream = "a*" }},
		{"message", func(c *Config) { c.Message = "a..b" }},
		{"message", func(c *Config) { c.Message = "a}{tag" }},
		{"max_streams_per_hour", func(c *Config) { c.MaxStreamsPerHour = -1 }},
		{"workers", func(c *Config) { c.Workers = -1 }},
	} {
		cfg := ok
		tc.change(&cfg)
		var r setting.Report
		cfg.Check(&r)
		switch {
		case tc.key == "" && len(r.Problems) > 0, tc.key != "" && (len(r.Problems) != 1 || r.Problems[0].Key != tc.key):
			t.Errorf("%+v: %+v", cfg, r.Problems)
		}
	}
}
