package http

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// What no URL of a destination can be is refused in words that say what to write.
func TestParseURL_Words(t *testing.T) {
	const scheme, none = "it does not begin with http:// or https://", "it names no host"
	for text, want := range map[string]string{
		"": scheme, "a": scheme, "a:80/x": scheme, "ftp://a": scheme, "HTTP://a": scheme, "//a": scheme,
		"https://": none, "https:///x": none, "https://:80": none, "https://a:b": none, "https://[::1": none,
		"https://{cluster}.a":  "placeholders stand behind the host only: a login is one host's",
		"https://a%20b/":       "placeholders stand behind the host only: a login is one host's",
		"https://서.example/":   "its host has letters that no host's name has: write it in its ASCII form (xn--…)",
		"https://a:/x":         "it has a colon and no port: write one, or leave the colon out",
		"https://u:s3cr3t@a/x": "it holds a user: use username and password instead",
		"https://a/x#y":        "it has a fragment, which is not sent",
		"https://a?x=y":        "write a slash between the host and ?x=y",
		"https://a/{nope}":     `"/{nope}": position 2: unknown placeholder "nope"`,
		"https://a/x?y={nope}": `"y={nope}": position 3: unknown placeholder "nope"`,
	} {
		to, err := parseURL(text)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %+v, %v, want %s", text, to, err, want)
		}
	}
}

// A question mark within a placeholder is a default's, or a field's; the first outside of them begins the query.
func TestCutQuery(t *testing.T) {
	for _, tc := range []struct {
		text, before, behind string
		found                bool
	}{
		{"", "", "", false},
		{"/a/b", "/a/b", "", false},
		{"/a?b", "/a", "b", true},
		{"/a?", "/a", "", true},
		{"?a?b", "", "a?b", true},
		{"/{record.a|?}/b", "/{record.a|?}/b", "", false},
		{"/{record.a|?}/b?c={tag}", "/{record.a|?}/b", "c={tag}", true},
		{`/{record["?"]}?d`, `/{record["?"]}`, "d", true},
		{"/}?a", "/}", "a", true},
	} {
		before, behind, found := cutQuery(tc.text)
		if before != tc.before || behind != tc.behind || found != tc.found {
			t.Errorf("%q: %q, %q, %t", tc.text, before, behind, found)
		}
	}
}

// Values are escaped so that each stays in its place, and what is behind the ? is no part of the target.
func TestTarget_Append(t *testing.T) {
	ev := &event.Event{Chunk: &event.Chunk{Cluster: "seoul", Tag: "../a?b#c&d=e%2f 서"}, Record: []byte{0x80}}
	for text, want := range map[string][2]string{
		"https://a/x/{cluster}":     {"https://a/x/seoul", ""},
		"https://a:8/{tag}/y":       {"https://a:8/..%2Fa%3Fb%23c&d=e%252f%20%EC%84%9C/y", ""},
		"https://a/x?t={tag}&k=v":   {"https://a/x", "?t=..%2Fa%3Fb%23c%26d%3De%252f+%EC%84%9C&k=v"},
		"http://[::1]:80/x?":        {"http://[::1]:80/x", "?"},
		"https://a/{record.none}/b": {"https://a//b", ""},
		"https://a/%Y?y=%m":         {"https://a/1970", "?y=01"},
	} {
		to, err := parseURL(text)
		if err != nil {
			t.Fatal(err)
		}
		all, n := to.append([]byte(">"), ev)
		if got := string(all[1:]); got != want[0]+want[1] || n != 1+len(want[0]) {
			t.Errorf("%s: %s, of which %d are the target, want %s", text, got, n, want)
		}
	}
}

// A status is a number of three digits, or a hundred of them.
func TestStatuses(t *testing.T) {
	for text, want := range map[string]int{
		"200": 200, "100": 100, "599": 599, "2xx": 2, "1xx": 1, "5xx": 5,
		"99": -1, "600": -1, "0xx": -1, "6xx": -1, "xx": -1, "": -1, "20x": -1, "2XX": -1, "20xx": -1, "ok": -1,
		"-200": -1, "2xxxx": -1, "200.5": -1, " 200": -1,
	} {
		codes, err := parseStatuses([]string{"404", text})
		if want < 0 {
			if err == nil || err.Error() != fmt.Sprintf("%q is no status", text) {
				t.Errorf("%q: %v, %v", text, codes, err)
			}
			continue
		}
		if err != nil || !slices.Equal(codes, []int{404, want}) {
			t.Errorf("%q: %v, %v", text, codes, err)
		}
	}
	for _, tc := range []struct {
		codes  []int
		status int
		want   bool
	}{
		{nil, 200, false},
		{[]int{2}, 200, true},
		{[]int{2}, 299, true},
		{[]int{2}, 300, false},
		{[]int{409}, 409, true},
		{[]int{409}, 408, false},
		{[]int{409, 2}, 204, true},
		{[]int{4}, 499, true},
	} {
		if got := means(tc.codes, tc.status); got != tc.want {
			t.Errorf("%v mean %d: %t", tc.codes, tc.status, got)
		}
	}
}

// newSilent returns an output to a server that nobody asks.
func newSilent(t *testing.T, change func(*Config)) *Output {
	t.Helper()
	cfg := Config{URL: "https://logs/in?key=s3cr3t", Method: http.MethodPost, Body: bodyLines}
	change(&cfg)
	o, err := New(cfg, Options{Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// What an answer means is looked for in again, reject and done, in this order, and then in the table.
func TestJudge(t *testing.T) {
	lists := Statuses{Done: []string{"2xx", "409", "418"}, Again: []string{"409", "404"}, Reject: []string{"4xx"}}
	for _, tc := range []struct {
		name     string
		statuses Statuses
		answer   httpclient.Answer
		reason   outputs.Reason // "": delivered
		suspect  bool
		doubt    uint64
		says     string
	}{
		{"done", Statuses{}, httpclient.Answer{Status: 299}, "", false, 0, ""},
		{"again before done", lists, httpclient.Answer{Status: 409}, outputs.ReasonServer, false, 0, "409 Conflict"},
		{"again before reject", lists, httpclient.Answer{Status: 404}, outputs.ReasonServer, false, 0, "404 Not Found"},
		{"reject before done", lists, httpclient.Answer{Status: 418}, outputs.ReasonServer, true, 0, "418 I'm a"},
		{"reject, of a hundred", lists, httpclient.Answer{Status: 401}, outputs.ReasonServer, true, 0, "401"},
		{
			"a page that is done",
			Statuses{},
			httpclient.Answer{Status: 200, Kind: "text/html", Body: []byte("<p>")},
			outputs.ReasonServer, false, 0, "a page for people proves nothing: it answered 200 OK: \"<p>\"",
		},
		{
			"no success",
			Statuses{Done: []string{"204"}},
			httpclient.Answer{Status: 200},
			outputs.ReasonServer, false,
			0, "200 OK",
		},
		{"an error", Statuses{}, httpclient.Answer{Status: 500}, outputs.ReasonServer, true, 2, "(an empty answer)"},
		{
			"an error that is done", Statuses{Done: []string{"500"}}, httpclient.Answer{Status: 500}, "", false, 0, "",
		},
		{
			"with a wish",
			Statuses{Again: []string{"503"}},
			httpclient.Answer{Status: 503, RetryAfter: time.Second},
			outputs.ReasonServer, false, 0, "503",
		},
		{"a login", Statuses{}, httpclient.Answer{Status: 401}, outputs.ReasonAuth, false, 0, "401 Unauthorized"},
	} {
		o := newSilent(t, func(c *Config) { c.Statuses = tc.statuses })
		se := o.judge(&request{target: "https://logs/in", events: []int{0, 1}}, &tc.answer)
		if got := o.Report().PossibleDuplicates; got != tc.doubt {
			t.Errorf("%s: %d possible duplicates, want %d", tc.name, got, tc.doubt)
		}
		if (se == nil) != (tc.reason == "") {
			t.Errorf("%s: %v", tc.name, se)
		}
		if se == nil {
			continue
		}
		text := outputs.Whole(se.Err.Error())
		if se.Reason != tc.reason || se.Suspect != tc.suspect || se.Status != tc.answer.Status ||
			se.Host != "https://logs" || se.RetryAfter != tc.answer.RetryAfter {
			t.Errorf("%s: %+v", tc.name, se)
		}
		if !strings.HasPrefix(text, "POST https://logs/in with 2 events: ") || !strings.Contains(text, tc.says) {
			t.Errorf("%s: %s, want %s", tc.name, text, tc.says)
		}
	}
}

// The events of a batch go in one request for each URL and each set of headers, in the order in which these come; an
// event that can't be rendered leaves no trace in the body.
func TestRender_Requests(t *testing.T) {
	for _, tc := range []struct {
		body string
		want []string
	}{
		{bodyLines, []string{
			`/a?s3cr3t=k 0,3 [a] {"n":0,"log":""}` + "\n" + `{"n":2,"log":""}` + "\n",
			`/b?s3cr3t=k 2 [b] {"n":1,"log":""}` + "\n",
		}},
		{bodyArray, []string{
			`/a?s3cr3t=k 0,3 [a] [{"n":0,"log":""},{"n":2,"log":""}]`, `/b?s3cr3t=k 2 [b] [{"n":1,"log":""}]`,
		}},
		{bodyOne, []string{
			`/a?s3cr3t=k 0 [a] {"n":0,"log":""}`, `/b?s3cr3t=k 2 [b] {"n":1,"log":""}`,
			`/a?s3cr3t=k 3 [a] {"n":2,"log":""}`,
		}},
	} {
		o := newSilent(t, func(c *Config) {
			c.Body, c.URL = tc.body, "https://logs/{cluster}?s3cr3t=k"
			c.EventHeaders = map[string]string{"x-cluster": "{cluster}"}
		})
		a := outputtest.Chunk(1, "a", "t", 1, 0, 0)
		b := outputtest.Batch(a, outputtest.Chunk(2, "b", "t", 1, 1, 0), outputtest.Chunk(3, "a", "t", 1, 2, 0))
		b.Events = slices.Insert(b.Events, 1, outputtest.Broken(a))
		b.Events = append(b.Events, outputtest.Broken(&event.Chunk{Cluster: "c"}))
		requests, refused := o.render(b)
		var got []string
		for _, r := range requests {
			events := strings.Trim(strings.ReplaceAll(fmt.Sprint(r.events), " ", ","), "[]")
			path := strings.TrimPrefix(r.url, "https://logs")
			got = append(got, fmt.Sprint(path, " ", events, " ", r.header["X-Cluster"], " ", string(r.body)))
			if strings.Contains(r.target, "s3cr3t") || !strings.HasPrefix(r.url, r.target) {
				t.Errorf("%s: the target is %s", tc.body, r.target)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.body, got, tc.want)
		}
		if len(refused) != 2 || refused[0].Index != 1 || refused[0].Target != "https://logs/a" ||
			refused[1].Index != 4 || refused[1].Target != "https://logs/c" {
			t.Errorf("%s: refused %+v", tc.body, refused)
		}
	}
}

// A header of an event has no line break, and no other control character.
func TestAppendHeader(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "a b": "a b", "a\r\nX-Other: b": "a  X-Other: b", "a\x00\t\x7f": "a   ", "서": "서",
	} {
		if got := string(appendHeader([]byte(">"), []byte(value))); got != ">"+want {
			t.Errorf("%q: %q, want %q", value, got[1:], want)
		}
	}
}

// What can't work is told by its key, with what to write.
func TestCheck_Words(t *testing.T) {
	const noName = "it is no name of a header (write letters, digits and -)"
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"right", func(c *Config) { c.EventHeaders = map[string]string{"X-Tag": "{tag}"} }, ""},
		{
			"names of headers", func(c *Config) { c.EventHeaders = map[string]string{"b c": "x", "": "x", "a:": "x"} },
			"event_headers.: " + noName + "; event_headers.a:: " + noName + "; event_headers.b c: " + noName,
		},
		{
			"a header's value", func(c *Config) { c.EventHeaders = map[string]string{"a": "{tag"} },
			`event_headers.a: "{tag": position 1: '{' is not closed (see the example in the documentation)`,
		},
		{
			"a field in JSON", func(c *Config) { c.Message = "log" },
			"message: a field alone is no JSON object (write body: text)",
		},
		{"a field as text", func(c *Config) { c.Message, c.Body = "log", bodyText }, ""},
		{
			"statuses", func(c *Config) {
				c.Statuses = Statuses{Done: []string{"6xx"}, Again: []string{"5xx"}, Reject: []string{"no"}}
			},
			`statuses.done: "6xx" is no status (write numbers such as 409, or 4xx); statuses.reject: "no" is no ` +
				`status (write numbers such as 409, or 4xx)`,
		},
		{
			"a URL", func(c *Config) { c.URL = "https://u:s3cr3t@a" },
			"url: it holds a user: use username and password instead (write it like " +
				"https://logs.example/ingest/{cluster})",
		},
		{
			"TLS without it", func(c *Config) { c.URL, c.TLS = "http://a", new(setting.ClientTLS) },
			"tls: it has no effect on http (write url with https)",
		},
	} {
		c := Config{URL: "https://a", Body: bodyLines}
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

// Settings that Check refuses make no output either.
func TestNew_Refuses(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"url: it does not":    func(c *Config) { c.URL = "a" },
		"event_headers.a: ":   func(c *Config) { c.EventHeaders = map[string]string{"a": "{"} },
		"statuses.done: ":     func(c *Config) { c.Statuses.Done = []string{"x"} },
		"statuses.again: ":    func(c *Config) { c.Statuses.Again = []string{"x"} },
		"statuses.reject: ":   func(c *Config) { c.Statuses.Reject = []string{"x"} },
		"message: ":           func(c *Config) { c.Message = "{" },
		"proxy: it is not a ": func(c *Config) { c.Proxy = "http://a b" },
	} {
		c := Config{URL: "https://a"}
		change(&c)
		if _, err := New(c, Options{Now: time.Now}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// What the program knows of the type, and of an output of it without making one: no key behind a ? is shown.
func TestKind(t *testing.T) {
	k := Kind()
	if _, ok := k.NewConfig().(*Config); !ok || k.Name != "http" || k.Example != "url: https://logs.example/" ||
		k.Summary != "HTTP servers that take lines, arrays, objects or texts" || k.CPUMicros < 1 || k.CPUMicros > 4 {
		t.Errorf("%+v", k)
	}
	for _, alias := range []string{"webhook", "victorialogs", "datadog", "datadog_logs"} {
		if k.Aliases[alias] != k.Name {
			t.Errorf("%s stands for %q", alias, k.Aliases[alias])
		}
	}
	c := Config{URL: "https://a/{cluster}?key=s3cr3t", Method: http.MethodPut}
	if got := c.Destination(); got != "https://a/{cluster}" {
		t.Error(got)
	}
	got, want := c.Settings(), outputs.Defaults()
	want.Batch.MaxBytes, want.Batch.MaxEvents = 3<<20, 10_000
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	ev := &event.Event{Chunk: &event.Chunk{Cluster: "seoul"}, Record: []byte{0x81, 0xa1, 'a', 1}}
	offer, err := c.Offers(map[string]map[string]string{"seoul": {"region": "ap"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := offer(ev); err != nil || got.Target != "PUT https://a/seoul" ||
		string(got.Document) != `{"a":1,"region":"ap"}` {
		t.Errorf("%s, %s, %v", got.Target, got.Document, err)
	}
	for want, c := range map[string]Config{
		"url: ": {URL: "a"}, "message: ": {URL: "https://a", MessageConfig: outputs.MessageConfig{Message: "{"}},
	} {
		if _, err := c.Offers(nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// What a check says of each answer to HEAD, which tells little: whether events are taken can't be asked.
func TestConnect_Words(t *testing.T) {
	const unasked = "; whether it takes events can't be asked"
	for _, tc := range []struct {
		status int
		kind   string
		want   string
		bad    bool
	}{
		{200, "application/json", "answers HEAD with 200 OK" + unasked, false},
		{204, "", "answers HEAD with 204 No Content" + unasked, false},
		{
			200, "text/html", "answers HEAD with 200 OK" + unasked + ", with a page for people; events answered so " +
				"would not count as delivered", false,
		},
		{405, "", "answers HEAD with 405 Method Not Allowed" + unasked, false},
		{
			404, "", "answers HEAD with 404 Not Found" + unasked + "; is the URL's path right? Some servers answer " +
				"so to HEAD alone", false,
		},
		{
			410, "text/html", "answers HEAD with 410 Gone" + unasked + "; is the URL's path right? Some servers " +
				"answer so to HEAD alone", false,
		},
		{500, "", "answers HEAD with 500 Internal Server Error" + unasked, false},
		{501, "", "answers HEAD with 501 Not Implemented" + unasked, false},
		{400, "", "answers HEAD with 400 Bad Request" + unasked, false},
		{401, "", "it answered 401 Unauthorized: check the login, or token, and that it has not expired", true},
		{403, "", "it answered 403 Forbidden: give the login the right to write there", true},
		{407, "", "a proxy on the way answered 407 Proxy Authentication Required: give it its login", true},
		{429, "", "it answered 429 Too Many Requests: try again later, or get a larger quota there", true},
		{502, "", "it answered 502 Bad Gateway: look at the server and at proxies on the way", true},
		{301, "", "it answered 301 Moved Permanently: no redirect is followed: write the URL that it", true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Who asked has gone.
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header()["Content-Type"] = []string{tc.kind}
			w.WriteHeader(tc.status)
		}))
		o := newSilent(t, func(c *Config) {
			c.URL, c.Proxy = server.URL+"/in/{cluster}?key=s3cr3t", outputs.NoProxy
		})
		found, err := o.Connect(t.Context(), nil)
		if err != nil {
			found = outputs.Whole(err.Error())
		}
		if (err != nil) != tc.bad || !strings.Contains(found, tc.want) || strings.Contains(found, "s3cr3t") ||
			!strings.Contains(found, server.URL+"/in/default") {
			t.Errorf("%d %s: %s, want %s", tc.status, tc.kind, found, tc.want)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	}
}
