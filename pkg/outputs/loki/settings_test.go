package loki

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"right", func(*Config) {}, ""},
		{"a label with a dash", func(c *Config) { c.Labels = map[string]string{"a-b": "x"} }, "labels.a-b"},
		{"a label that is Loki's", func(c *Config) { c.Labels = map[string]string{"__x": "x"} }, "labels.__x"},
		{
			"no placeholder", func(c *Config) { c.StructuredMetadata = map[string]string{"a": "{nope}"} },
			"structured_metadata.a",
		},
		{"no URL", func(c *Config) { c.URL = "loki:3100" }, "url"},
		{"a bad tenant", func(c *Config) { c.Tenant = "{" }, "tenant"},
		{"a bad message", func(c *Config) { c.Message = "{" }, "message"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{URL: "http://a"}
			tc.change(&c)
			var r setting.Report
			c.Check(&r)
			var keys []string
			for _, p := range r.Problems {
				keys = append(keys, p.Key)
			}
			if got := strings.Join(keys, ","); got != tc.want {
				t.Errorf("%+v, want %q", r.Problems, tc.want)
			}
		})
	}
}
