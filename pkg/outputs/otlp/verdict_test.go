package otlp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// newSilent returns an output to a server that nobody asks.
func newSilent(t *testing.T, change func(*Config)) *Output {
	t.Helper()
	cfg := Config{URL: "https://collector:4318/v1/logs?key=s3cr3t"}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// said is a google.rpc.Status with a message.
func said(text string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, statusMessage, protowire.BytesType), text)
}

// What each answer to a request of three log records means.
func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer httpclient.Answer
		reason outputs.Reason // "": all are taken
		failed int
		doubt  uint64
		says   string
	}{
		{"taken", httpclient.Answer{Status: 200, Kind: protobuf}, "", 0, 0, ""},
		{"without a type", httpclient.Answer{Status: 202, Body: []byte("ok")}, "", 0, 0, ""},
		{
			"one refused",
			httpclient.Answer{Status: 200, Kind: protobuf, Body: partial(1, "too old")},
			outputs.ReasonRejected, 1, 0, "1 of 3 log records were refused: too old",
		},
		{
			"all refused",
			httpclient.Answer{Status: 200, Kind: protobuf, Body: partial(3, "")},
			outputs.ReasonRejected, 3, 0, "3 of 3 log records were refused: no reason was given",
		},
		{
			"more than there are",
			httpclient.Answer{Status: 200, Kind: protobuf, Body: partial(1<<40, "x")},
			outputs.ReasonRejected, 3, 0, "3 of 3 log records were refused: x",
		},
		{
			"no answer of OTLP",
			httpclient.Answer{Status: 200, Kind: protobuf, Body: []byte{0x0a, 9}},
			outputs.ReasonServer, 0, 3, "it answered 200 OK, which proves nothing: its body is no answer of OTLP",
		},
		{
			"no JSON",
			httpclient.Answer{Status: 200, Kind: "application/json", Body: []byte("ok")},
			outputs.ReasonServer, 0, 3, "which proves nothing: its body is no answer of OTLP",
		},
		{
			"a page",
			httpclient.Answer{Status: 200, Kind: "text/html", Body: []byte("<html>")},
			outputs.ReasonServer, 0, 0, `3 log records: it answered 200 OK: "<html>"`,
		},
		{"another success", httpclient.Answer{Status: 201}, outputs.ReasonServer, 0, 0, "it answered 201 Created"},
		{
			"not now",
			httpclient.Answer{Status: 503, Kind: protobuf, Body: said("queue\nfull")},
			outputs.ReasonServer, 0, 3, "3 log records: it answered 503 Service Unavailable: queue full",
		},
		{
			"no OTLP there",
			httpclient.Answer{Status: 415},
			outputs.ReasonServer, 0, 0,
			"415 Unsupported Media Type: (an empty answer)",
		},
		{
			"a quota",
			httpclient.Answer{Status: 429, Kind: "application/json", Body: []byte(`{"message":"slow"}`)},
			outputs.ReasonThrottled, 0, 0, "429 Too Many Requests: slow",
		},
		{"a login", httpclient.Answer{Status: 401}, outputs.ReasonAuth, 0, 0, "401 Unauthorized"},
	} {
		o := newSilent(t, nil)
		se := o.judge(&request{target: "x", events: []int{2, 4, 7}}, &tc.answer)
		if got := o.Report().PossibleDuplicates; got != tc.doubt {
			t.Errorf("%s: %d possible duplicates, want %d", tc.name, got, tc.doubt)
		}
		if (se == nil) != (tc.reason == "") {
			t.Errorf("%s: %v", tc.name, se)
		}
		if se == nil {
			continue
		}
		if se.Reason != tc.reason || len(se.Failed) != tc.failed || se.Host != "https://collector:4318/v1/logs" ||
			se.Status != tc.answer.Status || se.Remedy == "" {
			t.Errorf("%s: %+v", tc.name, se)
		}
		if text := outputs.Whole(se.Err.Error()); !strings.Contains(text, tc.says) || strings.Contains(text, "s3cr3t") {
			t.Errorf("%s: %s, want %s", tc.name, text, tc.says)
		}
		for i, f := range se.Failed {
			if f.Index != []int{2, 4, 7}[i] || f.Unnamed != (tc.failed < 3) || f.Target != "x" ||
				f.Kind != partialSuccess || strings.Contains(f.Detail, "not told which") != (tc.failed < 3) {
				t.Errorf("%s: %+v", tc.name, f)
			}
		}
	}
}

// The last warning of an answer that took all is kept; one without words takes none away.
func TestWarning(t *testing.T) {
	o := newSilent(t, nil)
	r := &request{events: []int{0}}
	for _, tc := range []struct{ message, want string }{
		{"", ""},
		{"half full", "took all, and said: words of its own"},
		{"", "took all, and said: words of its own"},
	} {
		if se := o.judge(r, &httpclient.Answer{Status: 200, Kind: protobuf, Body: partial(0, tc.message)}); se != nil {
			t.Fatal(se)
		}
		got := strings.Join(o.Report().Notices, "; ")
		if !strings.HasSuffix(got, tc.want) || tc.want == "" && got != "" {
			t.Errorf("%q: %q, want %q", tc.message, got, tc.want)
		}
	}
}

// Where an event goes is what its headers say, with no character that a header can't have.
func TestTargetOf(t *testing.T) {
	ev := &event.Event{Chunk: &event.Chunk{Cluster: "seoul", Tag: "a\r\nX: b\x7f"}, Record: []byte{0x80}}
	for _, tc := range []struct {
		name    string
		headers map[string]string
		want    string
	}{
		{"none", nil, "https://a"},
		{"one", map[string]string{"x-scope-orgid": "{cluster}"}, "X-Scope-Orgid: seoul"},
		{"two", map[string]string{"X-B": "b", "x-a": "{record.none}"}, "X-A: , X-B: b"},
		{"a line break", map[string]string{"X-Tag": "{tag}"}, "X-Tag: a  X: b "},
	} {
		headers, err := parseHeaders(tc.headers)
		if err != nil {
			t.Fatal(err)
		}
		if got := targetOf("https://a", headers, ev); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if _, err := parseHeaders(map[string]string{"x-a": "{"}); err == nil ||
		!strings.HasPrefix(err.Error(), "event_headers.X-A: ") {
		t.Errorf("%v", err)
	}
}

// Events of equal headers go in one request, in the order in which their headers come; those that can't be rendered are
// told in the order of the batch.
func TestRender(t *testing.T) {
	o := newSilent(t, func(c *Config) {
		c.EventHeaders = map[string]string{"X-Tenant": "{cluster}", "X-None": "{record.none}", "X-Fixed": "f"}
	})
	chunks := []*event.Chunk{
		outputtest.Chunk(1, "a", "t", 2, 0, 10), outputtest.Chunk(2, "b", "t", 1, 2, 10),
		outputtest.Chunk(3, "a", "t", 1, 3, 10),
	}
	b := outputtest.Batch(chunks...)
	b.Events = slices.Insert(b.Events, 1, outputtest.Broken(chunks[1]), outputtest.Broken(chunks[0]))
	b.Events = append(b.Events, outputtest.Broken(&event.Chunk{Cluster: "c", Seq: 9}))
	requests, refused := o.render(b)
	var got []string
	for _, r := range requests {
		got = append(got, fmt.Sprint(r.target, r.events, r.header))
	}
	if want := []string{
		"X-Fixed: f, X-None: , X-Tenant: a[0 3 5] map[X-Fixed:[f] X-Tenant:[a]]",
		"X-Fixed: f, X-None: , X-Tenant: b[4] map[X-Fixed:[f] X-Tenant:[b]]",
	}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var details []string
	for _, f := range refused {
		details = append(details, fmt.Sprint(f.Index, f.Reason, strings.Contains(f.Target, "X-Tenant: "), f.Detail))
	}
	const words = "rejectedtruerender event 0 of chunk %d as a log record: "
	if len(details) != 3 || !strings.HasPrefix(details[0], fmt.Sprintf("1"+words, 2)) ||
		!strings.HasPrefix(details[1], fmt.Sprintf("2"+words, 1)) ||
		!strings.HasPrefix(details[2], fmt.Sprintf("6"+words, 9)) {
		t.Errorf("%q", details)
	}
	if got := string(o.AppendTarget([]byte("> "), &b.Events[4])); got != "> X-Fixed: f, X-None: , X-Tenant: b" {
		t.Error(got)
	}
}

// What can't work is told by its key, with what to write.
func TestCheck_Words(t *testing.T) {
	header := func(name, value string) func(*Config) {
		return func(c *Config) { c.EventHeaders = map[string]string{name: value} }
	}
	const noName = "it is no name of a header (write letters, digits and -)"
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"right", func(*Config) {}, ""},
		{"a header", header("X-Scope-OrgID", "{cluster}"), ""},
		{"a space", header("a b", "c"), "event_headers.a b: " + noName},
		{"a colon", header("a:", "c"), "event_headers.a:: " + noName},
		{"brackets", header("a(b)", "c"), "event_headers.a(b): " + noName},
		{"no name", header("", "c"), "event_headers: a name is empty (write one)"},
		{
			"a login", header("AUTHORIZATION", "{cluster}"),
			"event_headers.AUTHORIZATION: a login is the same for all events (write bearer_token, or username)",
		},
		{
			"a resource without a name", func(c *Config) { c.Resource = map[string]string{"": "x"} },
			"resource: a name is empty (write one)",
		},
		{
			"TLS without it", func(c *Config) { c.URL, c.TLS = "http://a", new(setting.ClientTLS) },
			"tls: it has no effect on http (write url with https)",
		},
		{
			"no URL", func(c *Config) { c.URL = "a:4318" },
			"url: it is not a URL that begins with http:// or https:// and a host (write it like " +
				"https://collector.example:4318)",
		},
	} {
		c := Config{URL: "https://a"}
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

// What the program knows of the type, and of an output of it without making one: no key behind a ? is shown.
func TestKind(t *testing.T) {
	k := Kind()
	if _, ok := k.NewConfig().(*Config); !ok || k.Name != "otlp" || !strings.Contains(k.Summary, "OTLP over HTTP") ||
		k.Example != "url: https://collector.example:4318" || k.CPUMicros < 1 || k.CPUMicros > 4 || k.Needs != nil {
		t.Errorf("%+v", k)
	}
	for alias, name := range k.Aliases {
		if name != k.Name || strings.ToLower(alias) != alias {
			t.Errorf("%s stands for %s", alias, name)
		}
	}
	c := Config{URL: "https://a/v1/logs?key=s3cr3t", EventHeaders: map[string]string{"x-tenant": "{cluster}"}}
	if got := c.Destination(); got != "https://a/v1/logs" {
		t.Error(got)
	}
	got, want := c.Settings(), outputs.Defaults()
	want.Batch.MaxBytes, want.Batch.MaxEvents = 2<<20, 10_000
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	ev := &event.Event{Chunk: &event.Chunk{Cluster: "seoul"}, Record: []byte{0x81, 0xa1, 'a', 1}}
	offer, err := c.Offers(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := offer(ev); err != nil || got.Target != "X-Tenant: seoul" || string(got.Document) != `{"a":1}` {
		t.Errorf("%s, %s, %v", got.Target, got.Document, err)
	}
	c.EventHeaders = map[string]string{"a": "{"}
	if _, err := c.Offers(nil); err == nil {
		t.Error("a template that is none is offered")
	}
	if _, err := New(Config{URL: "a"}, Options{}); err == nil || !strings.HasPrefix(err.Error(), "url: ") {
		t.Errorf("%v", err)
	}
	if _, err := New(Config{
		URL: "http://a", Resource: map[string]string{"b": "{"},
	}, Options{}); err == nil || !strings.HasPrefix(err.Error(), "resource.b: ") {
		t.Errorf("%v", err)
	}
}

// A request without headers that events give is about the one server, whoever answers.
func TestNotice_Unencrypted(t *testing.T) {
	for _, tc := range []struct {
		url  string
		want string
	}{
		{
			"http://collector/v1/logs?key=s3cr3t",
			"the credentials go to http://collector/v1/logs unencrypted: use https",
		},
		{"https://collector", ""},
		{"http://127.0.0.1:4318", ""},
	} {
		o := newSilent(t, func(c *Config) {
			c.URL, c.Headers = tc.url, map[string]setting.Secret{"X-Key": setting.NewSecret("k")}
		})
		if got := strings.Join(o.Report().Notices, "; "); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.url, got, tc.want)
		}
	}
}
