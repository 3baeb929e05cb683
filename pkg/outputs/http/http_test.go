package http

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const secret = "s3cr3t-passw0rd"

// sink is a made-up server that keeps what it was sent, as far as it says so.
type sink struct {
	mu       sync.Mutex
	fault    func(w http.ResponseWriter, r *http.Request, body []byte) bool // nil, or it has not answered: all is well
	numbers  []int
	bodies   []string
	requests []*http.Request
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := unpacked(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if s.fault != nil && s.fault(w, r, body) {
		return
	}
	s.bodies = append(s.bodies, string(body))
	for _, part := range strings.Split(string(body), `"n":`)[1:] {
		n := 0
		if _, err := fmt.Sscanf(part, "%d", &n); err == nil {
			s.numbers = append(s.numbers, n)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func unpacked(r *http.Request) ([]byte, error) {
	from := io.Reader(r.Body)
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		zip, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		from = zip
	case "zstd":
		d, err := zstd.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		from = d
	}
	return io.ReadAll(from)
}

func (s *sink) set(fault func(w http.ResponseWriter, r *http.Request, body []byte) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *sink) got() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.numbers)
}

func newOutput(t *testing.T, url string, change func(*Config)) *Output {
	t.Helper()
	cfg := Config{
		Common: outputs.Common{Fields: event.Fields{Tag: "tag"}, Timeout: time.Minute},
		Config: httpclient.Config{Username: "agent", Password: setting.NewSecret(secret), Compression: "none"},
		URL:    url + "/in/{cluster}", Method: http.MethodPost, Body: bodyLines,
	}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func status(code int) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		w.WriteHeader(code)
		user, password, _ := r.BasicAuth()
		_, _ = fmt.Fprintf(w, "%s:%s sent this", user, password) // who asked has gone
		return true
	}
}

// gone answers what goes to the path with 404.
func gone(path string) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.URL.Path != path {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	}
}

func reset(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0) // then it ends a little more politely
		_ = conn.Close()                     // that is what it is for
	}
	return true
}

func TestContract(t *testing.T) {
	for _, tc := range []struct{ body, compression string }{
		{bodyLines, "none"},
		{bodyLines, "gzip"},
		{bodyLines, "zstd"},
		{bodyArray, "gzip"},
		{bodyText, "none"},
		{bodyOne, "none"},
	} {
		t.Run(tc.body+" "+tc.compression, func(t *testing.T) {
			outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				s := &sink{}
				server := httptest.NewServer(s)
				t.Cleanup(server.Close)
				return &outputtest.Destination{
					Output: newOutput(
						t,
						server.URL,
						func(c *Config) { c.Body, c.Compression = tc.body, tc.compression },
					),
					Numbers: func(*testing.T) []int { return s.got() },
					Break: func(after int) {
						s.set(map[int]func(http.ResponseWriter, *http.Request, []byte) bool{
							0: status(503), 1: reset, 500: status(400), 300_000: status(401), 1_000_000: status(302),
						}[after])
					},
					Repair: func() { s.set(nil) },
					Trouble: func(on bool) {
						s.set(nil)
						if on {
							s.set(gone("/in/b"))
						}
					},
					Secret: secret,
				}
			})
		})
	}
}

func TestAnswers(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html>Sign in</html>") // who asked has gone
		return true
	}
	later := func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	for _, tc := range []struct {
		name    string
		fault   func(http.ResponseWriter, *http.Request, []byte) bool
		change  func(*Config)
		reason  outputs.Reason // "": delivered
		suspect bool
		wait    time.Duration
	}{
		{name: "204"},
		{name: "201", fault: status(201)},
		{name: "400", fault: status(400), reason: outputs.ReasonServer, suspect: true},
		{name: "422", fault: status(422), reason: outputs.ReasonServer, suspect: true},
		{name: "500", fault: status(500), reason: outputs.ReasonServer, suspect: true},
		{name: "503", fault: status(503), reason: outputs.ReasonServer},
		{name: "401", fault: status(401), reason: outputs.ReasonAuth},
		{name: "403", fault: status(403), reason: outputs.ReasonAuth},
		{name: "404", fault: status(404), reason: outputs.ReasonTarget},
		{name: "413", fault: status(413), reason: outputs.ReasonTooLarge},
		{name: "429", fault: later, reason: outputs.ReasonThrottled, wait: 7 * time.Second},
		{name: "302", fault: status(302), reason: outputs.ReasonServer},
		{name: "a page", fault: page, reason: outputs.ReasonServer},
		{name: "409 is done", fault: status(409), change: func(c *Config) { c.Statuses.Done = []string{"2xx", "409"} }},
		{
			name: "204 is not", change: func(c *Config) { c.Statuses.Done = []string{"200"} },
			reason: outputs.ReasonServer,
		},
		{
			name: "400 again", fault: status(400), change: func(c *Config) { c.Statuses.Again = []string{"4xx"} },
			reason: outputs.ReasonServer,
		},
		{
			name: "503 rejects", fault: status(503), change: func(c *Config) { c.Statuses.Reject = []string{"503"} },
			reason: outputs.ReasonServer, suspect: true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &sink{fault: tc.fault}
			server := httptest.NewServer(s)
			defer server.Close()
			o := newOutput(t, server.URL, func(c *Config) {
				c.URL = server.URL + "/in"
				if tc.change != nil {
					tc.change(c)
				}
			})
			defer o.Close()
			err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10)))
			if tc.reason == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			se := outputs.AsSendError(err)
			if err == nil || se.Reason != tc.reason || se.Suspect != tc.suspect || se.RetryAfter != tc.wait ||
				(len(se.Failed) != 0) != (tc.reason == outputs.ReasonTarget) {
				t.Errorf("%+v", se)
			}
			if strings.Contains(se.Error(), secret) {
				t.Errorf("it shows the password: %v", se)
			}
		})
	}
}

func TestOnePath(t *testing.T) {
	outputtest.OneTarget(t, func(t *testing.T, code int) outputs.Output {
		t.Helper()
		server := httptest.NewServer(&sink{fault: func(w http.ResponseWriter, r *http.Request, body []byte) bool {
			return r.URL.Path == "/in/bad" && status(code)(w, r, body)
		}})
		t.Cleanup(server.Close)
		return newOutput(t, server.URL, nil)
	})
}

func TestTableOfRefusals(t *testing.T) {
	outputtest.HoldRefusals(t, httpclient.Refusals(), []outputtest.Answer{
		{What: "a redirect", Status: 302},
		{What: "no valid login", Status: 401},
		{What: "no valid login", Status: 407},
		{What: "no right", Status: 403},
		{What: "nothing at that URL", Status: 404},
		{What: "too large", Status: 413},
		{What: "too many requests", Status: 429},
		{What: "too slow, or away", Status: 503},
		{What: "an error there", Status: 500},
		{What: "not understood", Status: 422},
		{What: "anything else", Status: 204},
	}, "../../../docs/http.md")
}

// TestOneTarget: a URL that takes nothing stops only its own events.
func TestOneTarget(t *testing.T) {
	s := &sink{fault: gone("/in/bad")}
	server := httptest.NewServer(s)
	defer server.Close()
	o := newOutput(t, server.URL, nil)
	defer o.Close()
	b := outputtest.Batch(outputtest.Chunk(1, "bad", "t", 2, 0, 10), outputtest.Chunk(2, "good", "t", 2, 2, 10))
	se := outputs.AsSendError(o.Send(t.Context(), b))
	if len(se.Failed) != 2 || se.Failed[1].Index != 1 || se.Failed[0].Reason != outputs.ReasonTarget ||
		se.Failed[0].Target != server.URL+"/in/bad" {
		t.Errorf("%+v", se)
	}
	if got := s.got(); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("the server has %v", got)
	}
	if len(b.Sent) != 2 || b.Sent[0].Target != server.URL+"/in/bad" ||
		string(o.AppendTarget([]byte("x"), &b.Events[0])) != "x"+server.URL+"/in/bad" {
		t.Errorf("counted %+v", b.Sent)
	}
}

func TestBodies(t *testing.T) {
	for _, tc := range []struct {
		body, message, kind string
		want                []string
	}{
		{
			bodyLines, "", "application/x-ndjson",
			[]string{"{\"n\":0,\"log\":\"\",\"tag\":\"t\"}\n{\"n\":1,\"log\":\"\",\"tag\":\"t\"}\n"},
		},
		{bodyArray, "", "application/json", []string{`[{"n":0,"log":"","tag":"t"},{"n":1,"log":"","tag":"t"}]`}},
		{bodyOne, "", "application/json", []string{`{"n":0,"log":"","tag":"t"}`, `{"n":1,"log":"","tag":"t"}`}},
		{bodyText, "n", "text/plain; charset=utf-8", []string{"0\n1\n"}},
	} {
		t.Run(tc.body, func(t *testing.T) {
			s := &sink{}
			server := httptest.NewServer(s)
			defer server.Close()
			o := newOutput(t, server.URL, func(c *Config) {
				c.Body, c.Message = tc.body, tc.message
				c.EventHeaders = map[string]string{"x-tag": "{tag}"}
				c.Headers = map[string]setting.Secret{"X-Tenant": setting.NewSecret("blue")}
			})
			defer o.Close()
			if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 2, 0, 0))); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.bodies, tc.want) {
				t.Errorf("%q, want %q", s.bodies, tc.want)
			}
			h := s.requests[0].Header
			if h.Get("Content-Type") != tc.kind || h.Get("X-Tag") != "t" || h.Get("X-Tenant") != "blue" {
				t.Errorf("%v", h)
			}
			if tc.body == bodyArray && !json.Valid([]byte(s.bodies[0])) {
				t.Error("no JSON")
			}
		})
	}
}

func TestURLs(t *testing.T) {
	for text, want := range map[string]string{
		"https://a":                       "https://a/",
		"https://a:1/x?k=v":               "https://a:1/x?k=v",
		"https://a/{cluster}/{tag}":       "https://a/c/a%2Fb%20c%3F",
		"https://a/x?t={tag}&c={cluster}": "https://a/x?t=a%2Fb+c%3F&c=c",
		"https://a/{record.x|none}":       "https://a/none",
		"https://{cluster}/x":             "", "https://a.{cluster}.example/x": "", "https://u:p@a/x": "",
		"ftp://a": "", "a/b": "", "https:///x": "", "http://\xef/": "", "http://a:/": "", "http://a b/": "",
		"https://a/x#y": "", "https://a/{nope}": "", "https://a?x=y": "",
	} {
		to, err := parseURL(text)
		if (err == nil) != (want != "") {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil {
			continue
		}
		got, _ := to.append(nil, &event.Event{Chunk: &event.Chunk{Cluster: "c", Tag: "a/b c?"}, Record: []byte{0x80}})
		if string(got) != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

// FuzzURL: whatever an event holds, the request goes to the host that the setting names.
func FuzzURL(f *testing.F) {
	f.Add("https://a/{tag}?x={tag}", "@evil/../#?")
	f.Fuzz(func(t *testing.T, text, tag string) {
		to, err := parseURL(text)
		if err != nil {
			return
		}
		all, n := to.append(nil, &event.Event{Chunk: &event.Chunk{Cluster: "c", Tag: tag}, Record: []byte{0x80}})
		req, err := http.NewRequest(http.MethodPost, string(all), bytes.NewReader(nil))
		if err == nil && req.URL.Scheme+"://"+req.URL.Host != to.base || n > len(all) {
			t.Errorf("%q with %q: %s", text, tag, all)
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
		{"two logins", func(c *Config) { c.BearerToken = setting.NewSecret("x") }, "username"},
		{
			"a header of ours", func(
				c *Config,
			) {
				c.Headers = map[string]setting.Secret{"content-type": setting.NewSecret("x")}
			}, "headers.content-type",
		},
		{
			"a header of the login's", func(
				c *Config,
			) {
				c.Headers = map[string]setting.Secret{"authorization": setting.NewSecret("x")}
			}, "headers.authorization",
		},
		{"no proxy's URL", func(c *Config) { c.Proxy = "proxy:3128" }, "proxy"},
		{"a message in JSON", func(c *Config) { c.Message = "log" }, "message"},
		{"no status", func(c *Config) { c.Statuses.Done = []string{"ok"} }, "statuses.done"},
		{"no URL", func(c *Config) { c.URL = "logs" }, "url"},
		{"TLS without https", func(c *Config) { c.URL, c.TLS = "http://a", &setting.ClientTLS{} }, "tls"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{
				URL:    "https://a",
				Body:   bodyLines,
				Config: httpclient.Config{Username: "u", Password: setting.NewSecret("p")},
			}
			tc.change(&c)
			var r setting.Report
			c.Check(&r)
			var keys []string
			for _, p := range r.Problems {
				keys = append(keys, p.Key)
			}
			if got := strings.Join(keys, ","); got != tc.want {
				t.Errorf("%+v, want %q", r.Problems, tc.want)
			}
		})
	}
}

// TestRawLines: each event is one line of its field's text, whatever is in it.
func TestRawLines(t *testing.T) {
	var got []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		// Send has ended before it is read.
		got, _ = unpacked(r)
	}))
	defer server.Close()
	o := newOutput(t, server.URL, func(c *Config) { c.Body, c.Message, c.Fields = bodyText, "log", event.Fields{} })
	if err := o.Send(t.Context(), outputtest.RawBatch()); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, text := range outputtest.RawTexts() {
		want.WriteString(text.Line + "\n")
	}
	if strings.TrimSuffix(string(got), "\n") != strings.TrimSuffix(want.String(), "\n") {
		t.Errorf("the request has\n%q; want\n%q", got, want.String())
	}
}
