package cloudwatch

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// What is refused, and in which words; at each bound, what is within it is taken.
func TestCheckWords(t *testing.T) {
	tags := func(n int) map[string]string {
		all := map[string]string{}
		for i := range n {
			all[strings.Repeat("t", i+1)] = ""
		}
		return all
	}
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"the longest names", func(c *Config) {
			c.LogGroup, c.LogStream = strings.Repeat("g", 512), strings.Repeat("s", 512)
		}, ""},
		{
			"a longer stream", func(c *Config) { c.LogStream = strings.Repeat("s", 513) },
			"log_stream: it is too long a name for CloudWatch Logs (write 512 characters or less)",
		},
		{"all that a group takes", func(c *Config) { c.LogGroup = "aZ09_-/.#" }, ""},
		{
			"a colon in a group", func(c *Config) { c.LogGroup = "{cluster}:x" },
			`log_group: "{cluster}:x" has ':', which CloudWatch Logs takes in no such name (leave it out, or write _)`,
		},
		{
			"a letter that a group does not take", func(c *Config) { c.LogGroup = "größe" },
			`log_group: "größe" has 'ö', which CloudWatch Logs takes in no such name (leave it out, or write _)`,
		},
		{
			"a tab in a stream", func(c *Config) { c.LogStream = "a\tb" },
			`log_stream: "a\tb" has '\t', which CloudWatch Logs takes in no such name (leave it out, or write _)`,
		},
		{
			"Amazon's", func(c *Config) { c.LogGroup = "aws/lambda" },
			`log_group: names that begin with "aws/" are Amazon's (write /aws/lambda)`,
		},
		{"nearly Amazon's", func(c *Config) { c.LogGroup = "aws-{cluster}" }, ""},
		{"a stream may be called so", func(c *Config) { c.LogStream = "aws/x" }, ""},
		{
			"a class without a retention", func(c *Config) { c.LogGroupClass, c.RetentionDays = "DELIVERY", 7 },
			"retention_days: a log group of class DELIVERY keeps its events for a time that nobody can set " +
				"(leave it out, " +
				"or make log_group_class STANDARD or INFREQUENT_ACCESS)",
		},
		{"the class alone", func(c *Config) { c.LogGroupClass = "DELIVERY" }, ""},
		{"as many tags as may be", func(c *Config) { c.LogGroupTags = tags(50) }, ""},
		{
			"a tag more", func(c *Config) { c.LogGroupTags = tags(51) },
			"log_group_tags: a log group can't have 51 tags (write 50 or less)",
		},
		{
			"a negative number", func(c *Config) { c.MaxStreamsPerHour = -1 },
			"max_streams_per_hour: a negative value has no meaning (write 0 for no limit)",
		},
	} {
		c := basic()
		c.Region = "eu-central-1"
		tc.change(&c)
		var r setting.Report
		c.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, p.Key+": "+p.Reason+" ("+p.Hint+")")
		}
		if got := strings.Join(all, "\n"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Every number of days that PutRetentionPolicy takes is taken, and none between them.
func TestRetentionDays(t *testing.T) {
	taken := map[int]bool{0: true}
	for _, days := range retentions() {
		taken[days] = true
	}
	for days := -1; days <= 4000; days++ {
		c := basic()
		c.Region, c.RetentionDays = "eu-central-1", days
		var r setting.Report
		if c.Check(&r); (len(r.Problems) == 0) != taken[days] {
			t.Errorf("%d days: %+v", days, r.Problems)
		}
	}
	if len(taken) != 23 {
		t.Errorf("%d numbers of days", len(taken))
	}
}

func TestSettings(t *testing.T) {
	want := outputs.Defaults()
	want.Batch.MaxBytes = 4 << 20
	if got := new(Config).Settings(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	c := Config{Common: outputs.Common{Workers: 9, Batch: outputs.BatchConfig{MaxBytes: 5}}}
	if got := c.Settings(); got.Workers != 9 || got.Batch.MaxBytes != 5 {
		t.Errorf("its own: %+v", got)
	}
}

// What size says: a request holds 1 MiB with 26 bytes more for each event, and nothing is taken after 14 days.
func TestNeeds(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name     string
		load     outputs.Load
		requests string
		old      bool
	}{
		{"nothing", outputs.Load{}, "at least 1 request of", false},
		{"just one", outputs.Load{BytesPerSecond: 1<<20 - 26, EventsPerSecond: 1}, "at least 1 request of", false},
		{"a byte more", outputs.Load{BytesPerSecond: 1<<20 - 25, EventsPerSecond: 1}, "at least 2 requests of", false},
		{"many small ones", outputs.Load{EventsPerSecond: 100_000}, "at least 3 requests of", false},
		{"an outage of 13 days", outputs.Load{Outage: 13 * day}, "at least 1 request of", false},
		{"a longer one", outputs.Load{Outage: 13*day + 1}, "at least 1 request of", true},
	} {
		got := Kind(nil).Needs(tc.load)
		if !strings.HasPrefix(got[0], "CloudWatch Logs: ") || !strings.Contains(got[0], tc.requests+" 1 MiB a second") {
			t.Errorf("%s: %q", tc.name, got)
		}
		if tc.old != (len(got) == 2) || tc.old &&
			got[1] != "CloudWatch Logs refuses events older than 14 days: they would become dead letters." {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
}

func TestKind(t *testing.T) {
	kind := Kind(nil)
	if kind.Name != "cloudwatch_logs" || kind.Summary != "Amazon CloudWatch Logs" || kind.Files != 0 ||
		kind.Example != "region: eu-central-1, log_group: logs, log_stream: logs" ||
		kind.CPUMicros < 2.4 || kind.CPUMicros > 2.5 {
		t.Errorf("%+v", kind)
	}
	for _, alias := range []string{"cloudwatch", "aws_cloudwatch_logs", "cloudwatch_log", "cwl"} {
		if kind.Aliases[alias] != kind.Name {
			t.Errorf("%s is called %q", alias, kind.Aliases[alias])
		}
	}
	c := basic()
	c.Region = "eu-north-1"
	if got := c.Destination(); got != "/k8s/{cluster}, {tag} in eu-north-1" {
		t.Errorf("the destination is %q", got)
	}
}

// An output that the kind makes stores what try shows: the same message, in the same stream.
func TestKindMakes(t *testing.T) {
	for _, tc := range []struct {
		name, message, want string
		fields              event.Fields
	}{
		{"the whole event", "", `{"log":"a\nb","k":"a","env":"prod"}`, event.Fields{Cluster: "k"}},
		{"a field alone", "log", "a\nb", event.Fields{Cluster: "k"}},
	} {
		r := newRig(t, basic())
		c := withEndpoint(basic(), r)
		c.Message, c.Fields = tc.message, tc.fields
		added := map[string]map[string]string{"a": {"env": "prod"}}
		out, err := Kind(nil).New(&c, outputs.Deps{Name: "cw", Log: zerolog.Nop(), Now: now, Fields: added})
		if err != nil {
			t.Fatal(err)
		}
		b := batch(at("web:1", now(), "a\nb"))
		if err := out.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got := r.messages("/k8s/a", "web_1"); len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s: stored %q", tc.name, got)
		}
		offer, err := c.Offers(added)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := offer(&b.Events[0]); err != nil || string(got.Document) != tc.want ||
			got.Target != "log group /k8s/a, log stream web_1" {
			t.Errorf("%s: offered %s to %s, %v", tc.name, got.Document, got.Target, err)
		}
		if target := string(out.(*Output).AppendTarget(nil, &b.Events[0])); target != b.Sent[0].Target {
			t.Errorf("%s: the target is %q, and %q was counted", tc.name, target, b.Sent[0].Target)
		}
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}
	for key, c := range map[string]Config{
		"log_group": {LogGroup: "{", LogStream: "s"}, "log_stream": {LogGroup: "g", LogStream: "{"},
		"message": {LogGroup: "g", LogStream: "s", MessageConfig: outputs.MessageConfig{Message: "{"}},
	} {
		if _, err := c.Offers(nil); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s is offered: %v", key, err)
		}
		if _, err := New(c, Options{Name: "cw"}); err == nil ||
			!strings.HasPrefix(err.Error(), "output cw: "+key+": ") {
			t.Errorf("%s is made: %v", key, err)
		}
	}
}

// Names beyond the hourly limit keep what is the cluster's, and their times are those of arrival.
func TestOtherNames(t *testing.T) {
	for _, tc := range []struct{ group, stream, want string }{
		{"/k8s/{cluster}", "{tag}", "/k8s/a other"},
		{"{tag}", "{record.log}-{cluster}", "other other-a"},
		{"g-%Y", "{tag[0]}/%H", "g-2025 other/12"},
		{"g", "s", "g s"},
	} {
		n, err := newNamer(&Config{LogGroup: tc.group, LogStream: tc.stream})
		if err != nil {
			t.Fatal(err)
		}
		ev := at("web", now().AddDate(-9, 0, 0), "x")
		if got := n.other(&ev).String(); got != tc.want {
			t.Errorf("%s and %s: %q, want %q", tc.group, tc.stream, got, tc.want)
		}
	}
}
