package elasticsearch

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

func TestCheck(t *testing.T) {
	s := setting.NewSecret
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string // "key: part of the reason"; "": nothing is wrong
	}{
		{"fine", func(*Config) {}, ""},
		{"two hosts", func(c *Config) { c.Hosts = append(c.Hosts, "https://b:9200/es") }, ""},
		{"key", func(c *Config) { c.APIKey = s("a:b\n") }, ""},
		{"no scheme", func(c *Config) { c.Hosts = []string{"es:9200"} }, "hosts[0]: \"es:9200\" does not begin"},
		{"no URL", func(c *Config) { c.Hosts = []string{"https://u:s3cr3t@a b"} }, "hosts[0]: no URL"},
		{
			"user", func(c *Config) { c.Hosts = []string{"https://u:s3cr3t@a"} },
			"hosts[0]: https://u:xxxxx@a: it holds a user",
		},
		{"query", func(c *Config) { c.Hosts = []string{"https://a?b"} }, "hosts[0]: \"https://a?b\" has more"},
		{"twice", func(c *Config) { c.Hosts = []string{"https://a", "https://a/"} }, "hosts[1]: the same host"},
		{"mixed", func(c *Config) { c.Hosts = []string{"https://a", "http://b"} }, "hosts: credentials"},
		{
			"TLS without", func(c *Config) { c.Hosts, c.TLS = []string{"http://a"}, &setting.ClientTLS{} },
			"tls: it has no effect",
		},
		{"password alone", func(c *Config) { c.Password = s("s3cr3t") }, "username: there is a password"},
		{"user alone", func(c *Config) { c.Username = "u" }, "password: there is a user"},
		{"colon", func(c *Config) { c.Username, c.Password = "a:b", s("s3cr3t") }, "username: it can't hold a colon"},
		{
			"two ways", func(c *Config) { c.Username, c.Password, c.APIKey = "u", s("s3cr3t"), s("s3cr3t") },
			"api_key: username and api_key are set",
		},
		{"empty", func(c *Config) { c.BearerToken = s(" ") }, "bearer_token: the secret is empty"},
		{"two lines", func(c *Config) { c.APIKey = s("s3cr3t\ns3cr3t") }, "api_key: it holds a space"},
		{"index", func(c *Config) { c.Index = "logs-{nope}" }, "index: \"logs-{nope}\""},
		{"index's start", func(c *Config) { c.Index = "_logs" }, "index: the name of an index can't begin with \"_\""},
		{
			"index's start, a space", func(c *Config) { c.Index = " .logs" },
			"index: the name of an index can't begin with \" \"",
		},
		{"id", func(c *Config) { c.ID = "{nope}" }, "id: \"{nope}\""},
		{"id of chunks", func(c *Config) { c.ID = "chunk" }, "id: equal lines that two Fluent Bit agents send"},
		{"id of chunks and what all agents have", func(c *Config) { c.ID = "{cluster}-{chunk}" }, "id: equal lines"},
		{"id of chunks and a field", func(c *Config) { c.ID = "{chunk}-{record.host}" }, ""},
		{"id of chunks, wrong", func(c *Config) { c.ID = "{chunk}-{nope}" }, "id: \"-{nope}\""},
		{"data stream", func(c *Config) { c.DataStream, c.Index = true, "logs-{cluster}" }, ""},
		{"data stream of a date", func(c *Config) { c.DataStream = true }, "index: %Y makes another data stream"},
		{"data stream, percent", func(c *Config) { c.DataStream, c.Index = true, "a%%b" }, ""},
		{
			"data stream, index", func(c *Config) { c.DataStream, c.OpType, c.Index = true, "index", "logs" },
			"op_type: a data stream",
		},
		{
			"data stream, time", func(c *Config) { c.DataStream, c.Fields.Time, c.Index = true, "time", "logs" },
			"fields.time: each document",
		},
		{"limit", func(c *Config) { c.MaxIndicesPerHour = -1 }, "max_indices_per_hour: a negative"},
		{"replicas", func(c *Config) { c.Template.Replicas = new(-1) }, "template: a negative"},
		{"workers", func(c *Config) { c.Workers = 1000 }, "workers: each of 1000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Config{
				Common: outputs.Common{Fields: event.Fields{Time: "@timestamp"}},
				Hosts:  []string{"https://a:9200"}, Index: "logs-{cluster}-%Y", ID: "auto", OpType: "create",
			}
			tc.change(&cfg)
			var r setting.Report
			cfg.Check(&r)
			var all []string
			for _, p := range r.Problems {
				all = append(all, p.Key+": "+p.Reason)
				if strings.Contains(p.Reason+p.Hint, "s3cr3t") {
					t.Errorf("it shows the secret: %+v", p)
				}
			}
			got := strings.Join(all, "; ")
			if (tc.want == "") != (got == "") || !strings.HasPrefix(got, tc.want) || len(all) > 1 {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
