package loki

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// What can't work is told by its key, with what to write.
func TestCheck_Words(t *testing.T) {
	label := func(name, value string) func(*Config) {
		return func(c *Config) { c.Labels = map[string]string{name: value} }
	}
	const noName = "it is no name of a label (write letters, digits and _)"
	many := map[string]string{}
	for i := range maxLabels + 1 {
		many[fmt.Sprintf("l%d", i)] = "x"
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"right", func(*Config) {}, ""},
		{"as many labels as may be", func(c *Config) { delete(many, "l0"); c.Labels = many }, ""},
		{
			"one more", func(c *Config) { many["l0"] = "x"; c.Labels = many },
			"labels: 16 labels are too many (write 15 or less: Loki's own limit)",
		},
		{"a label", label("_aZ9", "x"), ""},
		{"an empty name", label("", "x"), "labels.: " + noName},
		{"a digit first", label("9a", "x"), "labels.9a: " + noName},
		{"a dot", label("a.b", "x"), "labels.a.b: " + noName},
		{"another script", label("é", "x"), "labels.é: " + noName},
		{"Loki's own", label("__name__", "x"), "labels.__name__: " + noName},
		{"a line end behind it", label("a\n", "x"), "labels.a\n: " + noName},
		{
			"metadata", func(c *Config) { c.StructuredMetadata = map[string]string{"a-b": "x"} },
			"structured_metadata.a-b: " + noName,
		},
		{
			"no limit of streams", func(c *Config) { c.MaxStreamsPerHour = -1 },
			"max_streams_per_hour: a negative value has no meaning (write 0 for no limit)",
		},
		{
			"a login twice", func(c *Config) { c.Username, c.BearerToken = "u", setting.NewSecret("t") },
			"username: bearer_token and username are set: only one can be sent (keep one of them)",
		},
		{
			"a token URL", func(c *Config) { c.OAuth2 = &httpclient.OAuth2{TokenURL: "id"} },
			"oauth2.token_url: it is not a URL (write https://host/path)",
		},
		{
			"a query", func(c *Config) { c.URL = "http://a?b=c" },
			"url: it has more than scheme, host, port and path (write it like http://loki.monitoring:3100)",
		},
		{
			"a tenant", func(c *Config) { c.Tenant = "{tag" },
			`tenant: "{tag": position 1: '{' is not closed (see the example in the documentation)`,
		},
	} {
		c := Config{URL: "http://a"}
		tc.change(&c)
		var r setting.Report
		c.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint))
		}
		if got := strings.Join(all, "; "); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// Lines are pushed to one path, whether the URL has it already or a proxy's prefix before it.
func TestAddress(t *testing.T) {
	const more, user = "it has more than scheme, host, port and path",
		"it holds a user: use username and password instead"
	const none = "it is not a URL that begins with http:// or https:// and a host"
	for text, want := range map[string]string{
		"http://a:3100": "http://a:3100/loki/api/v1/push", "https://a/": "https://a/loki/api/v1/push",
		"https://a/loki/api/v1/push": "https://a/loki/api/v1/push", "http://a/p//": "http://a/p/loki/api/v1/push",
		"http://a/p/loki/api/v1/push/": "http://a/p/loki/api/v1/push",
		"http://[::1]:1":               "http://[::1]:1/loki/api/v1/push",
		"a:3100":                       none, "": none, "http://": none, "ftp://a": none,
		"http://a b": none, "/loki": none,
		"http://u:p@a": user, "http://a?x": more, "http://a#x": more,
	} {
		got, err := address(text)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// The names by which Loki counts what it takes not are told by the first words alone: what stands behind is an event's.
func TestKindOf(t *testing.T) {
	for text, want := range map[string]string{
		"Max entry size '5' bytes exceeded":           lineTooLong,
		"  Max entry size '5'\n":                      lineTooLong,
		"1 errors like: Max entry size '5'":           lineTooLong,
		"x errors like: Max entry size '5'":           "",
		"the line says Max entry size '5'":            "",
		"Per stream rate limit exceeded (limit: 3MB)": streamRate,
		"entry with timestamp 1 ignored, reason: 'Per stream rate limit exceeded (limit: 3MB)": streamRate,
		"entry with timestamp 1 ignored, reason: 'entry too far behind, x":                     tooFarBehind,
		"entry with timestamp [1] ignored, reason: 'entry out of order'":                       "",
		"entry for stream '{a=\"[\"}' has timestamp too old: x":                                "",
		"entry for stream '{a=\"b\"}' has timestamp too old: x":                                tooOld,
		"entry for stream '{}' has timestamp too new: x":                                       tooNew,
		"Maximum active stream limit exceeded, reduce":                                         streamLimit,
		"ingestion blocked for user a until":                                                   blocked,
		"stream '{}' has label value too long: 'b'":                                            labelTooLong,
		"stream '{}' has structured metadata too large: '9'":                                   metadataLarge,
		"": "",
	} {
		if got := kindOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What the program knows of the type, and of an output of it without making one.
func TestKind(t *testing.T) {
	k := Kind()
	if _, ok := k.NewConfig().(*Config); !ok || k.Name != "loki" || k.Summary != "Grafana Loki" ||
		k.Example != "url: http://loki.example:3100" || k.CPUMicros < 1 || k.CPUMicros > 4 {
		t.Errorf("%+v", k)
	}
	needs := k.Needs(outputs.Load{BytesPerSecond: 3 << 20, Clusters: 3})
	if want := "Loki: 1 MiB/s for each of 3 clusters; a tenant takes 4 MB/s, and a stream 3 MB/s, unless " +
		"limits_config says otherwise. To catch up, it has to take twice the rate."; len(needs) != 1 ||
		needs[0] != want {
		t.Errorf("%q, want %q", needs, want)
	}
	c := Config{URL: "http://a", Labels: map[string]string{"tag": "{tag}"}}
	if got := c.Destination(); got != "http://a" {
		t.Error(got)
	}
	got, want := c.Settings(), outputs.Defaults()
	want.Batch.MaxBytes, want.Batch.MaxEvents = 1<<20, 10_000
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestOffers(t *testing.T) {
	ev := &event.Event{
		Chunk: &event.Chunk{Cluster: "seoul", Tag: "x"}, Time: event.Time{Sec: 1763720100},
		Record: []byte{0x81, 0xa1, 'a', 0xa1, '\n'},
	}
	for _, tc := range []struct {
		name, message  string
		target, record string
	}{
		{"an object", "", `stream {cluster="seoul"}`, `{"a":"\n","tag":"x","region":"ap"}`},
		{"a field that is empty", "a", `stream {cluster="seoul"}`, `{"a":"\n","tag":"x","region":"ap"}`},
		{"a field that is not there", "b", `stream {cluster="seoul"}`, `{"a":"\n","tag":"x","region":"ap"}`},
	} {
		c := Config{MessageConfig: outputs.MessageConfig{Message: tc.message}}
		c.Fields = event.Fields{Tag: "tag"}
		offer, err := c.Offers(map[string]map[string]string{"seoul": {"region": "ap"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := offer(ev); err != nil || got.Target != tc.target || string(got.Document) != tc.record {
			t.Errorf("%s: %s, %s, %v", tc.name, got.Target, got.Document, err)
		}
	}
	for want, c := range map[string]Config{
		"message: ":  {MessageConfig: outputs.MessageConfig{Message: "{"}},
		"labels.a: ": {Labels: map[string]string{"a": "{"}},
	} {
		if _, err := c.Offers(nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Settings that Check refuses make no output either.
func TestNew_Refuses(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"url: it is not a URL":    func(c *Config) { c.URL = "a" },
		"labels.a: ":              func(c *Config) { c.Labels = map[string]string{"a": "{"} },
		"structured_metadata.a: ": func(c *Config) { c.StructuredMetadata = map[string]string{"a": "{"} },
		"tenant: ":                func(c *Config) { c.Tenant = "{" },
		"message: ":               func(c *Config) { c.Message = "|" },
	} {
		c := Config{URL: "http://a"}
		change(&c)
		if _, err := New(c, Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Credentials that go over the network in clear are told once, with what to do.
func TestUnencrypted(t *testing.T) {
	for _, tc := range []struct {
		url  string
		user string
		want bool
	}{{"http://loki:3100", "u", true}, {"https://loki:3100", "u", false}, {"http://loki:3100", "", false}} {
		o := newSilent(t, func(c *Config) { c.URL, c.Username = tc.url, tc.user })
		notices := o.Report().Notices
		if got := len(notices) == 1 && notices[0] == "the credentials go to "+tc.url+" unencrypted: use https"; got !=
			tc.want {
			t.Errorf("%s, user %q: %q", tc.url, tc.user, notices)
		}
	}
}
