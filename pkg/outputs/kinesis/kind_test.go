package kinesis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// Records above 1 MiB go with larger requests, as the service has it; below, the request stays as it is.
func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		size            setting.Size
		record, request int
	}{
		{0, 1 << 20, 5 << 20},
		{1 << 10, 1 << 10, 5 << 20},
		{1 << 20, 1 << 20, 5 << 20},
		{1<<20 + 1, 1<<20 + 1, 10 << 20},
		{10 << 20, 10 << 20, 10 << 20},
	} {
		want := awsclient.Limits{Name: 128, Records: 500, Record: tc.record, Request: tc.request}
		if got := limits(&Config{MaxRecordSize: tc.size}); got != want {
			t.Errorf("max_record_size %s: %+v, want %+v", tc.size, got, want)
		}
	}
}

func TestCheckWords(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"the longest name", func(c *Config) { c.Stream = strings.Repeat("a", 128) }, ""},
		{"the largest record", func(c *Config) { c.MaxRecordSize = 10 << 20 }, ""},
		{"random keys", func(c *Config) { c.PartitionKey = "random" }, ""},
		{
			"too long a name", func(c *Config) { c.Stream = strings.Repeat("a", 129) },
			"stream: a stream's name has at most 128 characters (shorten it)",
		},
		{
			"a byte too much", func(c *Config) { c.MaxRecordSize = 10<<20 + 1 },
			"max_record_size: Kinesis takes no larger records (write 10MiB or less)",
		},
		{
			"no number", func(c *Config) { c.Pace.MaxBytes = -1 },
			"pace: a negative value has no meaning (write 0 to have it learned)",
		},
		{
			"a field that is none", func(c *Config) { c.Message = "a|b" }, `message: "a|b" has '|', which can't ` +
				`be in it ` +
				`(write a field's path, such as log, kubernetes.pod_name or ["dotted.field"])`,
		},
	} {
		c := Config{Stream: "logs", PartitionKey: "{tag}"}
		c.Region = "eu-central-1"
		tc.change(&c)
		var r setting.Report
		c.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint))
		}
		if got := strings.Join(all, "\n"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// A batch has no more events than a request has records where each is one.
func TestSettings(t *testing.T) {
	for aggregate, events := range map[bool]int{true: 50_000, false: 500} {
		c := Config{Aggregate: aggregate}
		if got := c.Settings(); got.Batch.MaxBytes != 3<<20 || got.Batch.MaxEvents != events || got.Workers != 2 {
			t.Errorf("aggregate %t: %+v", aggregate, got)
		}
		c.Batch.MaxEvents = 7
		if got := c.Settings().Batch.MaxEvents; got != 7 {
			t.Errorf("aggregate %t: %d events, where 7 are set", aggregate, got)
		}
	}
}

// What size says of shards: one at least, and a whole one for what is begun.
func TestNeeds(t *testing.T) {
	for bytes, shards := range map[float64]string{
		0: "1 shard", 1: "1 shard", 1 << 20: "1 shard", 1<<20 + 1: "2 shards", 10.5 * (1 << 20): "11 shards",
	} {
		got := Kind(nil).Needs(outputs.Load{BytesPerSecond: bytes})
		if want := "Kinesis: " + shards + " of 1 MiB/s each, for all clusters together, without room to catch up."; len(
			got,
		) != 1 || got[0] != want {
			t.Errorf("%.0f bytes a second: %q, want %q", bytes, got, want)
		}
	}
}

func TestKind(t *testing.T) {
	kind := Kind(nil)
	if kind.Name != "kinesis" || kind.Summary != "Amazon Kinesis Data Streams" || kind.Files != 0 ||
		kind.Example != "region: eu-central-1, stream: logs" || kind.CPUMicros < 2.9 || kind.CPUMicros > 3 {
		t.Errorf("%+v", kind)
	}
	for alias, name := range kind.Aliases {
		if name != kind.Name || !strings.Contains(alias, "kinesis") || strings.Contains(alias, "firehose") {
			t.Errorf("%s is called %s", name, alias)
		}
	}
}

// An output that the kind makes puts each line under its partition key; try shows the stream and the line.
func TestKindMakes(t *testing.T) {
	made, s := open(t, Config{Stream: "logs", PartitionKey: "{tag}"})
	s.Kinesis().Create("logs-a-b", 1, maxRecord, awstest.Quota{})
	c := Config{Stream: "logs-{cluster}", PartitionKey: "{cluster} {tag}"}
	c.Region, c.Endpoint, c.Fields = "eu-central-1", *made.aws.Endpoint(nil), event.Fields{Cluster: "k"}
	added := map[string]map[string]string{"a b": {"env": "prod"}}
	out, err := Kind(nil).New(&c, outputs.Deps{Log: zerolog.Nop(), Fields: added})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b := outputtest.Batch(outputtest.Chunk(1, "a b", "t", 1, 5, 2))
	if err := out.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	const line = `{"n":5,"log":"xx","k":"a b","env":"prod"}`
	got := s.Kinesis().Records("logs-a-b")
	if len(got) != 1 || string(got[0].Data) != line+"\n" || got[0].Key != "a_b t" {
		t.Errorf("stored %+v", got)
	}
	offer, err := c.Offers(added)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := offer(&b.Events[0]); err != nil || got.Target != "stream logs-a-b" || string(got.Document) != line {
		t.Errorf("offered %s to %s, %v", got.Document, got.Target, err)
	}
	if got := c.Destination(); got != "logs-{cluster} in eu-central-1" {
		t.Errorf("the destination is %q", got)
	}
}

// Templates that can't be read are found when the output is made, and named by their keys.
func TestUnreadableTemplates(t *testing.T) {
	for _, tc := range []struct {
		cfg   Config
		made  string
		shown bool
	}{
		{Config{Stream: "{", PartitionKey: "{tag}"}, "stream: ", false},
		{Config{Stream: "logs", PartitionKey: "{"}, "partition_key: ", true},
		{Config{Stream: "logs", MessageConfig: outputs.MessageConfig{Message: "{"}}, "message: ", false},
	} {
		if _, err := New(tc.cfg, Options{}); err == nil || !strings.HasPrefix(err.Error(), tc.made) {
			t.Errorf("%+v is made: %v, want %s", tc.cfg, err, tc.made)
		}
		if _, err := tc.cfg.Offers(nil); (err == nil) != tc.shown ||
			err != nil && !strings.HasPrefix(err.Error(), tc.made) {
			t.Errorf("%+v is offered: %v", tc.cfg, err)
		}
	}
}
