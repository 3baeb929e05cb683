package splunkhec

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// A time is seconds with microseconds, where there are any; what can't be one is left to Splunk.
func TestAppendTime(t *testing.T) {
	for _, tc := range []struct {
		time event.Time
		want string
	}{
		{event.Time{Sec: 1763720100}, `"time":1763720100,`},
		{event.Time{Sec: 1763720100, Nsec: 999}, `"time":1763720100,`},
		{event.Time{Sec: 1763720100, Nsec: 1000}, `"time":1763720100.000001,`},
		{event.Time{Sec: 1763720100, Nsec: 120_000_000}, `"time":1763720100.120000,`},
		{event.Time{Sec: 1763720100, Nsec: 999_999_999}, `"time":1763720100.999999,`},
		{event.Time{Sec: 1}, `"time":1,`},
		{event.Time{Sec: lastSecond}, `"time":8589934592,`},
		{event.Time{Sec: lastSecond + 1}, ""},
		{event.Time{}, ""},
		{event.Time{Nsec: 5000}, ""},
		{event.Time{Sec: math.MinInt64}, ""},
	} {
		if got := string(appendTime([]byte("x"), tc.time)); got != "x"+tc.want {
			t.Errorf("%+v: %s, want %s", tc.time, got[1:], tc.want)
		}
	}
}

// A value becomes what may stand in the name of an index.
func TestAppendIndex(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "logs-1_a": "logs-1_a", "SEOUL": "seoul", "a.b/c d": "a_b_c_d", "é": "__", "\x00\xff": "__",
	} {
		if got := string(appendIndex([]byte("X"), []byte(value))); got != "X"+want {
			t.Errorf("%q: %q, want %q", value, got[1:], want)
		}
	}
}

// What is said of raw lines stands in the URL, each value escaped, and what has none is left out.
func TestQuery(t *testing.T) {
	ev := &event.Event{Chunk: &event.Chunk{Cluster: "Seoul", Tag: "a&b=c/d?e f#서"}, Record: []byte{0x80}}
	for _, tc := range []struct {
		name string
		c    Config
		want string
	}{
		{"nothing", Config{}, ""},
		{"an index", Config{Index: "L-{cluster}"}, "&index=L-seoul"},
		{
			"all",
			Config{Index: "i", Host: "h", Source: "{tag}", SourceType: "s t"},
			"&index=i&host=h&source=a%26b%3Dc%2Fd%3Fe+f%23%EC%84%9C&sourcetype=s+t",
		},
		{"without a value", Config{Host: "{record.none}", Source: "s"}, "&source=s"},
	} {
		tc.c.Endpoint = endpointRaw
		r, err := newRenderer(&tc.c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.query([]byte("x"), ev)); got != "x"+tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got[1:], tc.want)
		}
	}
}

// The head of an object is made anew where the chunk, or the tag that a filter gave, is another; and for each event
// where it depends on the record.
func TestHead_IsNotAnothers(t *testing.T) {
	a, b := &event.Chunk{Cluster: "a", Tag: "t"}, &event.Chunk{Cluster: "b", Tag: "t"}
	one := func(n byte) []byte { return []byte{0x81, 0xa1, 'n', n} }
	events := []event.Event{
		{Chunk: a, Record: one(1)},
		{Chunk: a, Record: one(2)},
		{Chunk: a, Tag: "u", Record: one(3)},
		{Chunk: b, Record: one(4)},
		{Chunk: a, Record: one(5)},
	}
	for _, tc := range []struct {
		name   string
		c      Config
		steady bool
		want   []string
	}{
		{
			"by the chunk",
			Config{Index: "{cluster}", Source: "{tag}"},
			true,
			[]string{
				`"a","source":"t"`, `"a","source":"t"`, `"a","source":"u"`, `"b","source":"t"`, `"a","source":"t"`,
			},
		},
		{
			"by the record",
			Config{Index: "{cluster}-{record.n}"},
			false,
			[]string{`"a-1"`, `"a-2"`, `"a-3"`, `"b-4"`, `"a-5"`},
		},
		{
			"by the time",
			Config{Index: "i", Source: "%Y"},
			false,
			slices.Repeat([]string{`"i","source":"1970"`}, 5),
		},
	} {
		r, err := newRenderer(&tc.c, nil)
		if err != nil || r.steady != tc.steady {
			t.Fatalf("%s: steady %t, %v", tc.name, r.steady, err)
		}
		for i := range events {
			want := fmt.Sprintf(`{"index":%s,"event":{"n":%d}}`, tc.want[i], i+1)
			if got, err := r.append(nil, &events[i]); err != nil || string(got) != want {
				t.Errorf("%s, event %d: %s, %v, want %s", tc.name, i, got, err, want)
			}
		}
	}
}

// Texts around an event are JSON strings whatever is in them.
func TestQuote(t *testing.T) {
	r, err := newRenderer(&Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"": `""`, "a": `"a"`, `"\`: `"\"\\"`, "a\nb": `"a\nb"`, "서": `"서"`, "a\xff": `"a` + "\ufffd" + `"`,
		"\x00": `"\u0000"`, strings.Repeat("x", 300): `"` + strings.Repeat("x", 300) + `"`,
	} {
		if got := string(r.quote([]byte("-"), []byte(text))); got != "-"+want {
			t.Errorf("%q: %s, want %s", text, got[1:], want)
		}
	}
}

// Settings that Check refuses make no renderer, by the key that is wrong.
func TestNewRenderer_Refuses(t *testing.T) {
	for key, c := range map[string]Config{
		"index: ": {Index: "{"}, "host: ": {Host: "{"}, "source: ": {Source: "{"}, "sourcetype: ": {SourceType: "{"},
		"indexed_fields.a: ": {IndexedFields: map[string]string{"a": "{"}},
		"message: ":          {MessageConfig: outputs.MessageConfig{Message: "{"}},
	} {
		if _, err := newRenderer(&c, nil); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s%v", key, err)
		}
	}
}

// The collector's path is added to the URL, or was there with one of its endpoints.
func TestParseURL(t *testing.T) {
	const none, user, more = "it is not a URL that begins with http:// or https:// and a host",
		"it holds a user: only the token logs in", "it has more than scheme, host, port and path"
	for text, want := range map[string]string{
		"https://a:8088": "https://a:8088/services/collector", "http://a/": "http://a/services/collector",
		"https://a/p/":                              "https://a/p/services/collector",
		"https://a/services/collector":              "https://a/services/collector",
		"https://a/services/collector/":             "https://a/services/collector",
		"https://a/p/services/collector/event":      "https://a/p/services/collector",
		"https://a/services/collector/event/1.0":    "https://a/services/collector",
		"https://a/services/collector/raw":          "https://a/services/collector",
		"https://a/services/collector/raw/1.0/":     "https://a/services/collector",
		"https://a/services/collector/ack":          "/services/collector/ack is no endpoint of the collector",
		"https://a/services/collector/mint":         "/services/collector/mint is no endpoint of the collector",
		"https://a/services/collectors":             "/services/collectors is no endpoint of the collector",
		"a:8088":                                    none,
		"":                                          none,
		"https://:8088":                             none,
		"ftp://a":                                   none,
		"https://u:p@a":                             user,
		"https://a?channel=x":                       more,
		"https://a/#x":                              more,
		"https://a/services/collector/event?auto=1": more,
	} {
		got, err := parseURL(text)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// What can't work is told by its key, with what to write.
func TestCheck_Words(t *testing.T) {
	headers := func(name, value string) map[string]setting.Secret {
		return map[string]setting.Secret{name: setting.NewSecret(value)}
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"right", func(*Config) {}, ""},
		{"a token with its file's line feed", func(c *Config) { c.Token = setting.NewSecret("x-1\n") }, ""},
		{
			"a token of two words", func(c *Config) { c.Token = setting.NewSecret("Splunk x") },
			"token: it holds a space, a line break or a character that can't be sent (check where it comes from)",
		},
		{
			"a login of its own", func(c *Config) { c.Headers = headers("AUTHORIZATION", "x") },
			"headers.AUTHORIZATION: the token is sent in it (remove it)",
		},
		{
			"a header of ours", func(c *Config) { c.Headers = headers("user-agent", "x") },
			"headers.user-agent: this program sets it itself (remove it)",
		},
		{
			"fields of raw lines", func(c *Config) {
				c.Endpoint, c.IndexedFields = endpointRaw, map[string]string{"a": "b"}
			},
			"indexed_fields: raw lines have none (write endpoint: event)",
		},
		{
			"TLS without it", func(c *Config) { c.URL, c.TLS = "http://a", new(setting.ClientTLS) },
			"tls: it has no effect on http (write url with https)",
		},
		{
			"no proxy", func(c *Config) { c.Proxy = "a:1" },
			"proxy: it is not the URL of a proxy (write http://host:port, or none)",
		},
		{
			"no template", func(c *Config) { c.SourceType = "{tag" },
			`sourcetype: "{tag": position 1: '{' is not closed (see the example in the documentation)`,
		},
	} {
		c := Config{URL: "https://a", Token: setting.NewSecret("x"), Endpoint: "event"}
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

// What the program knows of the type, and of an output of it without making one.
func TestKind(t *testing.T) {
	k := Kind()
	if _, ok := k.NewConfig().(*Config); !ok || k.Name != "splunk_hec" || k.CPUMicros < 1 || k.CPUMicros > 4 ||
		k.Summary != "Splunk, by its HTTP Event Collector" || !strings.HasPrefix(k.Example, "url: https://") {
		t.Errorf("%+v", k)
	}
	needs := k.Needs(outputs.Load{BytesPerSecond: 1 << 20, Clusters: 2})
	if want := "Splunk: 84.4 GiB a day of its licence, and 1 MiB/s into the collector; to catch up, it has to take " +
		"twice the rate."; len(needs) != 1 || needs[0] != want {
		t.Errorf("%q, want %q", needs, want)
	}
	c := Config{URL: "https://a", Index: "l-{cluster}"}
	if got := c.Destination(); got != "https://a, index l-{cluster}" {
		t.Error(got)
	}
	got, want := c.Settings(), outputs.Defaults()
	want.Workers, want.Batch.MaxBytes, want.Batch.MaxEvents = 8, 512<<10, 5_000
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	ev := &event.Event{Chunk: &event.Chunk{Cluster: "SE"}, Record: []byte{0x81, 0xa1, 'a', 1}}
	offer, err := c.Offers(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := offer(ev); err != nil || got.Target != "index l-se" ||
		string(got.Document) != `{"index":"l-se","event":{"a":1}}` {
		t.Errorf("%s, %s, %v", got.Target, got.Document, err)
	}
	if c.Index = ""; c.Destination() != "https://a" || targetOf("b", "") != "b" {
		t.Error("without an index the server is the target")
	}
	c.URL = "a"
	if _, err := c.Offers(nil); err == nil || !strings.HasPrefix(err.Error(), "url: ") {
		t.Errorf("%v", err)
	}
}

// The token is a header of the client's, beside those of the settings, which stay as they are.
func TestClient(t *testing.T) {
	c := Config{
		Token: setting.NewSecret(" x-1\n"),
		Connection: Connection{
			Headers: map[string]setting.Secret{"X-A": setting.NewSecret("a")}, Proxy: "none", Compression: "gzip",
		},
	}
	got := c.client()
	if len(got.Headers) != 2 || got.Headers["Authorization"].Reveal() != "Splunk x-1" ||
		got.Headers["X-A"].Reveal() != "a" || got.Proxy != "none" || got.Compression != "gzip" || len(c.Headers) != 1 {
		t.Errorf("%d headers, proxy %s, compression %s", len(got.Headers), got.Proxy, got.Compression)
	}
}

// Events of an index go in one request, in the order in which the indexes come.
func TestRender(t *testing.T) {
	o := newSilent(t, func(c *Config) { c.Index = "{cluster}" })
	a := outputtest.Chunk(1, "a", "t", 2, 0, 0)
	b := outputtest.Batch(a, outputtest.Chunk(2, "B", "t", 1, 2, 0), outputtest.Chunk(3, "a", "u", 1, 3, 0))
	b.Events = slices.Insert(b.Events, 1, outputtest.Broken(a))
	requests, refused := o.render(b)
	var got []string
	for _, r := range requests {
		got = append(got, fmt.Sprint(r.target, r.events, len(r.starts)))
		if len(r.body) == 0 || r.starts[0] != 0 || r.query != "" {
			t.Errorf("%s begins at %v", r.target, r.starts)
		}
	}
	if want := []string{"index a[0 2 4] 3", "index b[3] 1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(refused) != 1 || refused[0].Index != 1 || refused[0].Reason != outputs.ReasonRejected ||
		refused[0].Target != "index a" {
		t.Errorf("%+v", refused)
	}
	if string(requests[0].piece(2, 3).body) != string(requests[0].body[requests[0].starts[2]:]) {
		t.Error("a piece is cut elsewhere")
	}
}

// The indexes that a check can ask about are those of the clusters alone, each once, and no more than so many.
func TestIndexes(t *testing.T) {
	many := make([]string, 2*maxProbes)
	for i := range many {
		many[i] = fmt.Sprint("c", i)
	}
	for _, tc := range []struct {
		index    string
		clusters []string
		want     []string
	}{
		{"logs", []string{"a", "b"}, []string{"logs"}},
		{"l-{cluster}", []string{"a", "B"}, []string{"l-a", "l-b"}},
		{"l-{cluster}", nil, []string{"l-default"}},
		{"l-{cluster}", many, nil},
		{"l-{tag}", []string{"a"}, nil},
		{"l-%Y", []string{"a"}, nil},
		{"l-{cluster|x}", []string{"a"}, nil},
		{"", []string{"a"}, nil},
	} {
		got := newSilent(t, func(c *Config) { c.Index = tc.index }).indexes(tc.clusters)
		if len(tc.clusters) == len(many) {
			if len(got) != maxProbes || got[0] != "l-c0" {
				t.Errorf("%d of %d clusters", len(got), len(many))
			}
		} else if !slices.Equal(got, tc.want) {
			t.Errorf("%s of %v: %q, want %q", tc.index, tc.clusters, got, tc.want)
		}
	}
}

// What a check makes of an answer to a request without events.
func TestExplain(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer httpclient.Answer
		want   string
	}{
		{"no data", httpclient.Answer{Status: 400, Body: []byte(`{"text":"No data","code":5}`)}, ""},
		{"no channel", httpclient.Answer{Status: 400, Body: []byte(`{"text":"x","code":10}`)}, ""},
		{
			"no token",
			httpclient.Answer{Status: 403, Body: []byte(`{"text":"Invalid token","code":4}`)},
			"https://splunk:8088: it answered 403 Forbidden: Invalid token (code 4): check token, and in Splunk " +
				"under Data inputs, HTTP Event Collector, that it is enabled there",
		},
		{
			"full queues",
			httpclient.Answer{Status: 503, Body: []byte(`{"text":"Server is busy","code":9}`)},
			"https://splunk:8088: it answered 503 Service Unavailable: Server is busy (code 9): look at the indexers" +
				", and at the disks they write to",
		},
		{
			"something else",
			httpclient.Answer{Status: 404, Body: []byte("no")},
			`https://splunk:8088: it answered 404 Not Found: "no": is it the URL of Splunk's HTTP Event Collector?`,
		},
		{
			"a gateway",
			httpclient.Answer{Status: 502},
			"https://splunk:8088: it answered 502 Bad Gateway: look at the server and at proxies on the way",
		},
	} {
		r := readReply(&tc.answer)
		got := ""
		if err := newSilent(t, nil).explain(&r); err != nil {
			got = outputs.Whole(err.Error())
		}
		if got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
}
