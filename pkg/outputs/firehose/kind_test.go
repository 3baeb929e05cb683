package firehose

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func sound() *Config {
	c := &Config{DeliveryStream: "logs", Aggregate: true, Compression: "none"}
	c.Region = "eu-central-1"
	return c
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		want   string // the keys
	}{
		{"sound", func(*Config) {}, ""},
		{"as long as a name may be", func(c *Config) { c.DeliveryStream = strings.Repeat("a", 64) }, ""},
		{"a letter more", func(c *Config) { c.DeliveryStream = strings.Repeat("a", 65) }, "delivery_stream"},
		{"a colon", func(c *Config) { c.DeliveryStream = "a:b" }, "delivery_stream"},
		{"all parts are checked", func(c *Config) {
			c.Workers, c.Message, c.Region, c.Pace.MaxRecords, c.DeliveryStream = -1, "{", "Europe", -1, "{"
		}, "workers message region pace delivery_stream"},
	} {
		c := sound()
		tc.change(c)
		var r setting.Report
		c.Check(&r)
		var keys []string
		for _, p := range r.Problems {
			keys = append(keys, p.Key)
		}
		if got := strings.Join(keys, " "); got != tc.want {
			t.Errorf("%s: %+v, want %q", tc.name, r.Problems, tc.want)
		}
	}
}

// A batch is what fits a request: 2 MiB, which base64 makes larger, and no more events than records where each is one.
func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		aggregate bool
		own, want outputs.BatchConfig
	}{
		{true, outputs.BatchConfig{}, outputs.BatchConfig{MaxBytes: 2 << 20, MaxEvents: 50_000, MaxWait: 1e9}},
		{false, outputs.BatchConfig{}, outputs.BatchConfig{MaxBytes: 2 << 20, MaxEvents: 500, MaxWait: 1e9}},
		{
			false,
			outputs.BatchConfig{MaxBytes: 1, MaxEvents: 2, MaxWait: 3},
			outputs.BatchConfig{MaxBytes: 1, MaxEvents: 2, MaxWait: 3},
		},
	} {
		c := Config{Aggregate: tc.aggregate}
		c.Batch = tc.own
		if got := c.Settings().Batch; got != tc.want {
			t.Errorf("aggregate %t, %+v: %+v, want %+v", tc.aggregate, tc.own, got, tc.want)
		}
	}
	want := awsclient.Limits{Name: 64, Records: 500, Record: 1000 << 10, Request: 4 << 20, Base64: true}
	if got := limits(); got != want {
		t.Errorf("limits %+v", got)
	}
}

// What check, size, try and the documentation tell of outputs to Firehose.
func TestKind(t *testing.T) {
	kind := Kind(nil)
	if kind.Name != "firehose" || kind.Summary != "Amazon Data Firehose" || kind.CPUMicros < 2 || kind.CPUMicros > 3 ||
		kind.Example != "region: eu-central-1, delivery_stream: logs" || kind.Files != 0 {
		t.Errorf("%+v", kind)
	}
	for alias, name := range kind.Aliases {
		if alias != strings.ToLower(alias) || name != kind.Name || alias == name {
			t.Errorf("%s is called %s", name, alias)
		}
	}
	if _, empty := kind.NewConfig().(*Config); !empty ||
		!reflect.DeepEqual(kind.NewConfig(), outputs.Config(&Config{})) {
		t.Errorf("new settings are %+v", kind.NewConfig())
	}
	for _, tc := range []struct {
		load outputs.Load
		want string
	}{
		{
			outputs.Load{BytesPerSecond: 3 << 20, Clusters: 3},
			"Firehose: 1 MiB/s for each of 3 clusters with a stream",
		},
		{outputs.Load{BytesPerSecond: 1 << 20, Clusters: 1}, "Firehose: 1 MiB/s for each of 1 cluster with a stream"},
	} {
		if got := kind.Needs(tc.load); len(got) != 1 || !strings.HasPrefix(got[0], tc.want) ||
			!strings.HasSuffix(got[0], "catch up.") {
			t.Errorf("%+v: %q", tc.load, got)
		}
	}
	if got := sound().Destination(); got != "logs in eu-central-1" {
		t.Errorf("the destination is %q", got)
	}
}

// An output that the kind makes adds what is added to the events of each cluster, and try shows the same line.
func TestKindMakes(t *testing.T) {
	o, s := open(t, *sound(), time.Now)
	endpoint := o.aws.Endpoint(nil)
	s.Firehose().Create("logs-a", awstest.Quota{})
	c := sound()
	c.DeliveryStream, c.Endpoint, c.Fields = "logs-{cluster}", *endpoint, event.Fields{Tag: "tag"}
	added := map[string]map[string]string{"a": {"env": "prod"}}
	out, err := Kind(awsclient.NewCredentials()).New(c, outputs.Deps{Name: "x", Log: zerolog.Nop(), Fields: added})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 3))
	if err := out.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	const line = `{"n":0,"log":"xxx","tag":"t","env":"prod"}`
	if got := s.Firehose().Records("logs-a"); len(got) != 1 || string(got[0]) != line+"\n" {
		t.Errorf("stored %q", got)
	}
	offer, err := c.Offers(added)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := offer(&b.Events[0]); err != nil || got.Target != "delivery stream logs-a" ||
		string(got.Document) != line {
		t.Errorf("offered %s to %s, %v", got.Document, got.Target, err)
	}
}

// Settings that can't be read make neither an output nor an offer, and the error names the key.
func TestUnreadableSettings(t *testing.T) {
	for key, change := range map[string]func(c *Config){
		"delivery_stream": func(c *Config) { c.DeliveryStream = "{nope}" },
		"message":         func(c *Config) { c.Message = "{" },
		"proxy":           func(c *Config) { c.Proxy = "http://user:secret@proxy\x7f" },
	} {
		c := sound()
		change(c)
		_, err := Kind(nil).New(c, outputs.Deps{Log: zerolog.Nop()})
		_, refused := c.Offers(nil)
		for what, err := range map[string]error{"made": err, "offered": refused} {
			if key == "proxy" && what == "offered" {
				continue // which needs none
			}
			if err == nil || !strings.HasPrefix(err.Error(), key+": ") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s, %s: %v", key, what, err)
			}
		}
	}
}
