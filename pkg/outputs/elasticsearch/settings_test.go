package elasticsearch

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/bulkreply"
)

// problems returns what Check says of settings of which all is right but for change, as "key: reason (hint)".
func problems(change func(*Config)) (all []string) {
	c := Config{
		Common: outputs.Common{Fields: event.Fields{Time: "@timestamp"}},
		Hosts:  []string{"https://a:9200"}, Index: "logs-{cluster}", ID: idAuto, OpType: opCreate,
	}
	change(&c)
	var r setting.Report
	c.Check(&r)
	for _, p := range r.Problems {
		text := fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint)
		if p.Warning {
			text = "warning: " + text
		}
		all = append(all, text)
	}
	return all
}

// What can't work is told by its key, with what to write; what is told of each setting is told whole.
func TestCheck_Words(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"right", func(*Config) {}, ""},
		{
			"no hosts", func(c *Config) { c.Hosts = nil },
			"hosts: the key is missing (URLs, tried in turn; a dead one rests. Or cloud_id)",
		},
		{
			"both", func(c *Config) { c.CloudID = "name:aG9zdCRhYmM6OTIwMCQ=" },
			"cloud_id: both say where the servers are (remove it, or hosts)",
		},
		{"a cloud id", func(c *Config) { c.Hosts, c.CloudID = nil, "name:aG9zdCRhYmM6OTIwMCQ=" }, ""},
		{
			"no cloud id", func(c *Config) { c.Hosts, c.CloudID = nil, "name:aG9zdA==" },
			"cloud_id: it names no Elasticsearch (copy it from the deployment's page: name:text)",
		},
		{
			"a fragment", func(c *Config) { c.Hosts = []string{"https://a#b"} },
			`hosts[0]: "https://a#b" has more than scheme, host, port and path (write it as https://host:9200)`,
		},
		{
			"another scheme", func(c *Config) { c.Hosts = []string{"https://a", "ftp://a"} },
			`hosts[1]: "ftp://a" does not begin with http:// or https:// and a host (write it as https://host:9200)`,
		},
		{
			"both schemes", func(c *Config) { c.Hosts = []string{"https://a", "http://b"} },
			"hosts: credentials and events for the one would be open to read on the way to the other (write all with " +
				"https, or all with http)",
		},
		{
			"three logins",
			func(c *Config) {
				c.Username, c.Password = "u", setting.NewSecret("p")
				c.APIKey, c.BearerToken = setting.NewSecret("k"), setting.NewSecret("b")
			},
			"api_key: username and api_key and bearer_token are set: only one can be sent (keep one of them)",
		},
		{
			"a token of another alphabet", func(c *Config) { c.BearerToken = setting.NewSecret("тoken") },
			"bearer_token: it holds a space, a line break or a character that can't be sent (check where it comes " +
				"from)",
		},
		{
			"an empty key", func(c *Config) { c.APIKey = setting.NewSecret("\n") },
			"api_key: the secret is empty (check where it comes from, or leave it out)",
		},
		{
			"a proxy", func(c *Config) { c.Proxy = "proxy:3128" },
			"proxy: it is not the URL of a proxy (write http://host:port, or none)",
		},
		{
			"no shards", func(c *Config) { c.Template.Shards = new(0) },
			"template.shards: an index has one shard at least (write 1 or more, or leave it out)",
		},
		{"no replicas", func(c *Config) { c.Template.Replicas, c.Template.Shards = new(0), new(1) }, ""},
		{
			"a negative priority", func(c *Config) { c.Template.Priority = -1 },
			"template: a negative value has no meaning (write 0 or more for replicas and priority)",
		},
		{
			"conflicts that are dropped",
			func(c *Config) { c.OnConflict, c.OnReject = onConflictDeadLetter, outputs.OnRejectDrop },
			"on_conflict: on_reject: drop would drop what on_conflict keeps (leave on_reject out, or on_conflict)",
		},
		{
			"conflicts that there are none of",
			func(c *Config) { c.OnConflict, c.OpType = onConflictDeadLetter, "index" },
			"on_conflict: op_type: index replaces what has the same id, so that there is no conflict (leave one of " +
				"them out)",
		},
		{
			"an index of nothing", func(c *Config) { c.Index = "" },
			"index: the key is missing (with placeholders, e.g. logs-{cluster}-%Y.%m.%d. Or alias)",
		},
		{
			"a data stream of dates", func(c *Config) { c.DataStream, c.Index = true, "a%%Y-%m" },
			"warning: index: %m makes another data stream of each date (leave the date out: a data stream begins a " +
				"new backing index by itself, as its lifecycle says)",
		},
	} {
		if got := strings.Join(problems(tc.change), "; "); got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
}

// What Amazon's services can't do is not asked of them.
func TestCheck_AWS(t *testing.T) {
	const search = "warning: id: collections for time series and vectors take no ids of their own: they refuse every " +
		"event that has one (write id: none, unless the collection is of type search)"
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"a domain", func(*Config) {}, nil},
		{"a domain of OpenSearch", func(c *Config) { c.Flavor = "opensearch" }, nil},
		{"an old domain", func(c *Config) { c.Flavor = "legacy" }, nil},
		{
			"no domain", func(c *Config) { c.Flavor = "elasticsearch" },
			[]string{
				"flavor: what Amazon offers is OpenSearch, or an Elasticsearch before 7.11 (legacy) (leave it out)",
			},
		},
		{
			"a login", func(c *Config) { c.Username, c.Password = "u", setting.NewSecret("p") },
			[]string{
				"aws: a request is either signed or has a login (remove it, or username, api_key and bearer_token)",
			},
		},
		{"a collection", func(c *Config) { c.AWS.Service = serverless }, []string{search}},
		{"a collection without ids", func(c *Config) { c.AWS.Service, c.ID = serverless, idNone }, nil},
		{
			"an old collection", func(c *Config) { c.AWS.Service, c.ID, c.Flavor = serverless, idNone, "legacy" },
			[]string{
				"flavor: what Amazon offers is OpenSearch, or an Elasticsearch before 7.11 (legacy) (leave it out)",
			},
		},
		{
			"a collection of streams, with a pipeline",
			func(c *Config) { c.AWS.Service, c.ID, c.DataStream, c.Pipeline = serverless, idNone, true, "p" },
			[]string{
				"aws.service: OpenSearch Serverless has neither rollover nor data streams (write index, without " +
					"alias and data_stream)",
				"pipeline: OpenSearch Serverless has no ingest pipelines of that kind (leave it out)",
			},
		},
		{"a pipeline of a domain", func(c *Config) { c.Pipeline = "p" }, nil},
		{
			"a login as a header", func(c *Config) {
				c.Headers = map[string]setting.Secret{"authorization": setting.NewSecret("x")}
			},
			[]string{"headers.authorization: the login sets it (remove it, or the login)"},
		},
	} {
		got := problems(func(c *Config) {
			c.AWS = &AWS{Region: "eu-central-1", Service: "es"}
			tc.change(c)
		})
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// A header that can't be sent, or that this program sets, is named in the order of the alphabet.
func TestCheck_Headers(t *testing.T) {
	const ours, line = "this program sets it itself (remove it)",
		"its value holds a line break, or a space at an end (check where it comes from)"
	for _, tc := range []struct{ name, value, want string }{
		{"X-Tenant", "blue", ""},
		{"X-Tenant", "", ""},
		{"x!#$%&'*+.^_`|~-9", "a\tb", ""},
		{"Authorization", "ApiKey abc", ""},
		{"X-Opaque-Id", "서울", ""},
		{"host", "a", ours},
		{"user-agent", "a", ours},
		{"Connection", "close", ours},
		{"content-length", "5", ours},
		{"Transfer-Encoding", "chunked", ours},
		{"x-amz-content-sha256", "x", ours},
		{"", "x", "it is no name of a header (write letters, digits and -)"},
		{"a:b", "x", "it is no name of a header (write letters, digits and -)"},
		{"Ä", "x", "it is no name of a header (write letters, digits and -)"},
		{"X-Key", "a\r\nX-Other: b", line},
		{"X-Key", "a\n", line},
		{"X-Key", " a", line},
		{"X-Key", "a\x7f", line},
	} {
		if tc.want != "" {
			tc.want = "headers." + tc.name + ": " + tc.want
		}
		got := problems(func(c *Config) {
			c.Headers = map[string]setting.Secret{tc.name: setting.NewSecret(tc.value)}
		})
		if text := strings.Join(got, "; "); text != tc.want {
			t.Errorf("%q: %q: %s, want %s", tc.name, tc.value, text, tc.want)
		}
	}
	got := problems(func(c *Config) {
		c.Headers = map[string]setting.Secret{}
		for _, name := range []string{"b b", "c c", "a a"} {
			c.Headers[name] = setting.NewSecret("x")
		}
	})
	if len(got) != 3 || !slices.IsSorted(got) {
		t.Errorf("%q", got)
	}
}

// What is left out is the destination's own default, then every output's; what is written stays.
func TestSettings_Defaults(t *testing.T) {
	var c Config
	got, want := c.Settings(), outputs.Defaults()
	want.Batch.MaxBytes = 3 << 20
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	c.Batch.MaxBytes, c.Batch.MaxEvents, c.Workers, c.Timeout = 1<<20, 7, 9, time.Second
	if got := c.Settings(); got.Batch.MaxBytes != 1<<20 || got.Batch.MaxEvents != 7 || got.Workers != 9 ||
		got.Timeout != time.Second || got.Retry != want.Retry {
		t.Errorf("%+v", got)
	}
}

// A server may wait for a third of the time-out, and never for longer than it takes a busy one to make an index.
func TestServerWait(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		time.Minute: 20 * time.Second, time.Hour: 30 * time.Second, 90 * time.Second: 30 * time.Second,
		89 * time.Second: 29_667 * time.Millisecond, 100 * time.Millisecond: 33 * time.Millisecond,
		time.Millisecond: time.Millisecond, 0: time.Millisecond,
	} {
		if got := serverWait(timeout); got != want {
			t.Errorf("of %s: %s, want %s", timeout, got, want)
		}
	}
}

// The query of bulk requests asks for no more than is read, and says what may be waited for and made.
func TestBulkPath(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		wait time.Duration
		want map[string]string
	}{
		{"an index", Config{Index: "logs"}, 20 * time.Second, map[string]string{"timeout": "20000ms"}},
		{
			"an alias",
			Config{Alias: "logs"},
			time.Millisecond,
			map[string]string{"timeout": "1ms", "require_alias": "true"},
		},
		{
			"a pipeline",
			Config{Index: "logs", Pipeline: "a&b=c d"},
			5 * time.Second,
			map[string]string{"timeout": "5000ms", "pipeline": "a&b=c d"},
		},
	} {
		path, query, _ := strings.Cut(bulkPath(&tc.cfg, tc.wait), "?")
		values, err := url.ParseQuery(query)
		if err != nil || path != "/_bulk" {
			t.Errorf("%s: %s, %v", tc.name, path, err)
		}
		tc.want["filter_path"] = bulkreply.FilterPath
		got := map[string]string{}
		for key := range values {
			got[key] = values.Get(key)
		}
		if !maps.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// One header proves who the client is: an API key is sent encoded, whichever way it was written.
func TestAuthorization(t *testing.T) {
	secret := setting.NewSecret
	for _, tc := range []struct {
		name  string
		login Login
		want  string
	}{
		{"none", Login{}, ""},
		{"a password alone", Login{Password: secret("p")}, ""},
		{"basic", Login{Username: "elastic", Password: secret("pa:ss ")}, "Basic ZWxhc3RpYzpwYTpzcyA="},
		{"a user alone", Login{Username: "elastic"}, "Basic ZWxhc3RpYzo="},
		{"a key as a pair", Login{APIKey: secret("id:key\n")}, "ApiKey aWQ6a2V5"},
		{"a key, encoded", Login{APIKey: secret(" aWQ6a2V5\n")}, "ApiKey aWQ6a2V5"},
		{"a token", Login{BearerToken: secret("t0ken\r\n")}, "Bearer t0ken"},
		{"a key before all", Login{APIKey: secret("k"), BearerToken: secret("t"), Username: "u"}, "ApiKey k"},
	} {
		if got := authorization(&Config{Login: tc.login}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// A summary names the index or alias, and the hosts; neither shows a secret.
func TestDestination(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{
			"an index",
			Config{Index: "logs-%Y", Hosts: []string{"https://a", "https://b"}},
			"logs-%Y at https://a, https://b",
		},
		{"an alias", Config{Index: "x", Alias: "logs", Hosts: []string{"https://a"}}, "logs at https://a"},
		{
			"a cloud id",
			Config{Index: "logs", Way: Way{CloudID: "name:aG9zdCRhYmM6OTIwMCQ="}},
			"logs at https://abc.host:9200",
		},
		{"a broken one", Config{Index: "logs", Way: Way{CloudID: "s3cr3t"}}, "logs at cloud_id"},
	} {
		if got := tc.cfg.Destination(); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// What would become of an event is told without a server: where it goes, and its document.
func TestOffers(t *testing.T) {
	ev := &event.Event{
		Chunk: &event.Chunk{Cluster: "seoul", Tag: "kube.X"}, Time: event.Time{Sec: 1763720100},
		Record: []byte{0x81, 0xa1, 'a', 1},
	}
	fields := event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}
	for _, tc := range []struct {
		name   string
		cfg    Config
		target string
	}{
		{"an index", Config{Index: "Logs-{cluster}-%Y"}, "index logs-seoul-2025"},
		{"a data stream", Config{Index: "logs-{tag[1]}", DataStream: true}, "data stream logs-x"},
		{"an alias", Config{Alias: "app-{cluster}"}, "alias app-seoul"},
	} {
		tc.cfg.Fields = fields
		offer, err := tc.cfg.Offers(map[string]map[string]string{"seoul": {"region": "ap"}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := offer(ev)
		want := `{"a":1,"@timestamp":"2025-11-21T10:15:00Z","tag":"kube.X","cluster":"seoul","region":"ap"}`
		if err != nil || got.Target != tc.target || string(got.Document) != want {
			t.Errorf("%s: %s, %s, %v, want %s, %s", tc.name, got.Target, got.Document, err, tc.target, want)
		}
	}
	if _, err := (&Config{Index: "{nope}"}).Offers(nil); err == nil || !strings.HasPrefix(err.Error(), "index: ") {
		t.Errorf("a template that is none: %v", err)
	}
	broken := *ev
	broken.Record = []byte{0x81, 0xa1}
	offer, err := (&Config{Index: "logs"}).Offers(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := offer(&broken); err == nil {
		t.Error("a broken event has a document")
	}
}

// What the program knows of the type: how it is called, by others too, and what the servers have to bear.
func TestKind(t *testing.T) {
	k := Kind(nil)
	if k.Name != "elasticsearch" || k.Summary != "Elasticsearch and OpenSearch" || k.CPUMicros < 1 || k.CPUMicros > 3 {
		t.Errorf("%q, %q, %g µs", k.Name, k.Summary, k.CPUMicros)
	}
	if _, ok := k.NewConfig().(*Config); !ok || k.Example != `hosts: ["http://es.example:9200"], index: logs` {
		t.Errorf("%T, %s", k.NewConfig(), k.Example)
	}
	for alias, name := range k.Aliases {
		if !strings.HasPrefix(name, k.Name) || strings.ToLower(alias) != alias || alias == k.Name {
			t.Errorf("%s stands for %s", alias, name)
		}
	}
	got := k.Needs(outputs.Load{EventsPerSecond: 1, BytesPerSecond: 1 << 20, Clusters: 3})
	want := "Elasticsearch gets 84.4 GiB a day of JSON. To catch up in as long as the outage took, it has to index " +
		"at twice that rate."
	if len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
}
