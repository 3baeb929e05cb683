package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

func named(cluster, tag string) *event.Event {
	return &event.Event{
		Chunk:  &event.Chunk{Cluster: cluster, Tag: tag, Received: time.Unix(1763720100, 0)},
		Time:   event.Time{Sec: 1763720100},
		Record: []byte{0x80},
	}
}

func limited(most int, now func() time.Time) *outputs.NameLimit {
	return outputs.NewNameLimit(outputs.NameLimitOptions{Max: most, Now: now})
}

func TestTopicNames(t *testing.T) {
	long := strings.Repeat("ab", 200)
	for _, tc := range []struct{ topic, cluster, tag, want string }{
		{"logs", "c", "t", "logs"},
		{"logs-{cluster}", "Seoul", "t", "logs-Seoul"},
		{"{tag}", "c", "kube.a/b c", "kube.a_b_c"},
		{"{tag}", "c", "서", "___"},
		{"{tag}", "c", "..", "unknown"},
		{"{tag[5]}", "c", "t", "unknown"},
		{"{record.app}", "c", "t", "unknown"},
		{"logs-%Y.%m", "c", "t", "logs-2025.11"},
		{"{tag}", "c", long, long[:240] + "-"},
	} {
		names, err := newTopics(tc.topic, limited(10, time.Now))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, _ := names.of(nil, named(tc.cluster, tc.tag))
			if got != tc.want && (len(got) != maxName || !strings.HasPrefix(got, tc.want)) {
				t.Errorf("%s with %s, %s: %q, want %q", tc.topic, tc.cluster, tc.tag, got, tc.want)
			}
		}
	}
}

func TestTopicsAreBounded(t *testing.T) {
	now := time.Unix(1763720100, 0)
	names, err := newTopics(`x-{cluster}-{tag}-{record["a}b"]}-%Y`, limited(2, func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	of := func(cluster, tag string) string {
		name, _ := names.of(nil, named(cluster, tag))
		return name
	}
	for _, tag := range []string{"a", "b", "a", "b"} {
		if got := of("c", tag); got != "x-c-"+tag+"-unknown-2025" {
			t.Errorf("%s", got)
		}
	}
	if got := of("c", "d"); got != "x-c-other-other-2025" || names.redirected.Load() != 1 ||
		names.limit.Notice() == "" {
		t.Errorf("%s, notice %q", got, names.limit.Notice())
	}
	if got := of("e", "d"); got != "x-e-d-unknown-2025" {
		t.Errorf("another cluster: %s", got)
	}
	now = now.Add(time.Hour)
	if got := of("c", "d"); got != "x-c-d-unknown-2025" || names.limit.Notice() != "" {
		t.Errorf("an hour later: %s, notice %q", got, names.limit.Notice())
	}
}

// An agent with a wild clock makes no topic for each year: what is beyond the limit goes by its time of arrival.
func TestTimesAreBounded(t *testing.T) {
	names, err := newTopics("logs-{cluster}-%Y", limited(2, func() time.Time { return time.Unix(1763720100, 0) }))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for year := range int64(100) {
		ev := named("c", "t")
		ev.Time.Sec = year * 365 * 24 * 3600
		name, _ := names.of(nil, ev)
		seen[name]++
	}
	if len(seen) > 3 || seen["logs-c-2025"] < 98 {
		t.Errorf("topics %v", seen)
	}
}

// FuzzTopic: whatever an event holds, the name is one that Kafka takes.
func FuzzTopic(f *testing.F) {
	f.Add("logs-{cluster}-{tag}", "a", "b.c")
	f.Add(`{record["a}b"]|x}{{`, "", "..")
	f.Fuzz(func(t *testing.T, text, cluster, tag string) {
		names, err := newTopics(text, limited(1, time.Now))
		if err != nil {
			return
		}
		for _, tag := range []string{tag, tag + "x"} {
			got, _ := names.of(nil, named(cluster, tag))
			for i := range len(got) {
				if !inName(got[i]) {
					t.Fatalf("%q made %q", text, got)
				}
			}
			if got == "" || got == "." || got == ".." || len(got) > maxName {
				t.Fatalf("%q made %q", text, got)
			}
		}
	})
}

func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"right", func(*Config) {}, ""},
		{"a URL", func(c *Config) { c.Brokers = []string{"kafka://a"} }, "brokers[0]"},
		{"the same twice", func(c *Config) { c.Brokers = []string{"a", "a:9092"} }, "brokers[1]"},
		{"IPv6", func(c *Config) { c.Brokers = []string{"[::1]:9092", "::2"} }, ""},
		{"a topic with a slash", func(c *Config) { c.Topic = "a/b" }, "topic"},
		{"no placeholder", func(c *Config) { c.Topic = "{nope}" }, "topic"},
		{"a bad key", func(c *Config) { c.Key = "{" }, "key"},
		{"a bad header", func(c *Config) { c.Headers = map[string]string{"x": "{"} }, "headers.x"},
		{"a bad message", func(c *Config) { c.Message = "{a}" }, "message"},
		{"IAM without TLS", func(c *Config) { c.SASL = &SASL{Mechanism: mechanismIAM, Region: "eu-central-1"} }, "tls"},
		{"IAM", func(c *Config) {
			c.TLS, c.SASL = &setting.ClientTLS{}, &SASL{Mechanism: mechanismIAM, Region: "eu-central-1"}
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{Common: outputs.Common{Type: "kafka"}, Brokers: []string{"a"}, Topic: "logs"}
			tc.change(&c)
			var r setting.Report
			c.Check(&r)
			var keys []string
			for _, p := range r.Problems {
				if !p.Warning {
					keys = append(keys, p.Key)
				}
			}
			if got := strings.Join(keys, ","); got != tc.want {
				t.Errorf("complaints %+v, want %q", r.Problems, tc.want)
			}
		})
	}
	for _, s := range []SASL{
		{Mechanism: mechanismPlain},
		{Mechanism: mechanism256, Username: "u"},
		{Mechanism: mechanismIAM},
		{Mechanism: mechanismIAM, Region: "eu-central-1", Username: "u"},
	} {
		var r setting.Report
		if s.Check(&r); len(r.Problems) == 0 {
			t.Errorf("%+v is right", s)
		}
	}
}
