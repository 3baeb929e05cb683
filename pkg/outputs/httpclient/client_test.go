package httpclient

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// now is the time of all tests.
func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// newClient returns a client that is closed with the test. Its settings name no proxy unless cfg does.
func newClient(t *testing.T, cfg Config, timeout time.Duration) *Client {
	t.Helper()
	if cfg.Proxy == "" {
		cfg.Proxy = outputs.NoProxy
	}
	c, err := New(cfg, Options{Connections: 2, Timeout: timeout, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// received is a request as a server had it, with its body read.
type received struct {
	method, path string
	header       http.Header
	length       int64
	chunked      bool
	body         []byte
}

// newServer returns the URL of a server that answers each request with handle, and the requests that it had.
func newServer(t *testing.T, handle http.HandlerFunc) (to string, requests chan received) {
	t.Helper()
	requests = make(chan received, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- received{
			method: r.Method, path: r.URL.Path, header: r.Header, length: r.ContentLength,
			chunked: len(r.TransferEncoding) > 0, body: body,
		}
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// failed returns err as what all errors of Do must be.
func failed(t *testing.T, err error) *outputs.SendError {
	t.Helper()
	var se *outputs.SendError
	if !errors.As(err, &se) {
		t.Fatalf("%v is no SendError", err)
	}
	return se
}

// A request has the body that it was given, packed as the settings say, and tells its length.
func TestDo_Body(t *testing.T) {
	for _, tc := range []struct {
		name, compression, body string
		plain                   bool
		want                    string // Content-Encoding
	}{
		{"none", "none", "hello", false, ""},
		{"gzip", "gzip", "hello", false, "gzip"},
		{"zstd", "zstd", "hello", false, "zstd"},
		{"gzip of much", "gzip", strings.Repeat("hello", 100_000), false, "gzip"},
		{"zstd of much", "zstd", strings.Repeat("hello", 100_000), false, "zstd"},
		{"gzip of nothing", "gzip", "", false, "gzip"},
		{"plain in spite of gzip", "gzip", "hello", true, ""},
		{"plain in spite of zstd", "zstd", "hello", true, ""},
		{"nothing, which is not sent in chunks", "zstd", "", true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			to, requests := newServer(t, noContent)
			c := newClient(t, Config{Compression: tc.compression}, time.Minute)
			// The second request is packed with what the first one left.
			for range 2 {
				answer, sent, err := c.Do(t.Context(), Request{
					Method: http.MethodPost, URL: to + "/in", ContentType: "text/plain", Body: []byte(tc.body),
					Plain: tc.plain,
				})
				if err != nil || !sent || answer.Status != http.StatusNoContent {
					t.Fatalf("%+v, %v, %v", answer, sent, err)
				}
				got := <-requests
				if body := unpacked(t, tc.want, got.body); string(body) != tc.body {
					t.Errorf("%.100q was sent", body)
				}
				if got.header.Get("Content-Encoding") != tc.want || got.header.Get("Content-Type") != "text/plain" {
					t.Errorf("headers %v", got.header)
				}
				if got.chunked || got.length != int64(len(got.body)) || got.method != http.MethodPost ||
					got.path != "/in" {
					t.Errorf("%s %s with length %d, chunked %v", got.method, got.path, got.length, got.chunked)
				}
			}
		})
	}
}

func unpacked(t *testing.T, encoding string, body []byte) []byte {
	t.Helper()
	from, err := io.Reader(bytes.NewReader(body)), error(nil)
	switch encoding {
	case "gzip":
		from, err = gzip.NewReader(from)
	case "zstd":
		d, zerr := zstd.NewReader(from)
		if zerr == nil {
			defer d.Close()
		}
		from, err = d, zerr
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// A request has the headers of the settings and its own, and no header of either wins over the login.
func TestDo_Headers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		cfg    Config
		header http.Header
		want   map[string]string
	}{
		{
			"none",
			Config{},
			nil,
			map[string]string{"User-Agent": "aggregator", "Authorization": "", "Accept-Encoding": ""},
		},
		{
			"of the settings",
			Config{Headers: map[string]setting.Secret{"x-api-key": setting.NewSecret("k")}},
			nil,
			map[string]string{"X-Api-Key": "k"},
		},
		{
			"its own win",
			Config{Headers: map[string]setting.Secret{"X-Scope-OrgID": setting.NewSecret("all")}},
			http.Header{"X-Scope-Orgid": {"seoul"}},
			map[string]string{"X-Scope-OrgID": "seoul"},
		},
		{
			"a token with a line feed, as files have it",
			Config{BearerToken: setting.NewSecret("t0ken\n")},
			nil,
			map[string]string{"Authorization": "Bearer t0ken"},
		},
		{
			"basic",
			Config{Username: "elastic", Password: setting.NewSecret("pa:ss")},
			nil,
			map[string]string{"Authorization": "Basic ZWxhc3RpYzpwYTpzcw=="},
		},
		{
			"a user without a password",
			Config{Username: "elastic"},
			nil,
			map[string]string{"Authorization": "Basic ZWxhc3RpYzo="},
		},
		{
			"the program's name stays",
			Config{},
			http.Header{"User-Agent": {"curl"}},
			map[string]string{"User-Agent": "aggregator"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			to, requests := newServer(t, noContent)
			c := newClient(t, tc.cfg, time.Minute)
			if _, _, err := c.Do(
				t.Context(), Request{Method: http.MethodPost, URL: to, Header: tc.header},
			); err != nil {
				t.Fatal(err)
			}
			got := <-requests
			for name, want := range tc.want {
				if got.header.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
				}
			}
		})
	}
}

// An answer tells its status, its media type, when to try again, and how it begins.
func TestDo_Answer(t *testing.T) {
	long := strings.Repeat("x", maxAnswer)
	for _, tc := range []struct {
		name   string
		status int
		header map[string]string
		body   string
		want   Answer
	}{
		{
			"accepted", 202,
			map[string]string{"Content-Type": "text/plain"},
			"ok",
			Answer{Kind: "text/plain", Body: []byte("ok")},
		},
		{
			"a type with more", 200,
			map[string]string{"Content-Type": "Text/HTML ; charset=utf-8"},
			"",
			Answer{Kind: "text/html"},
		},
		{"no type", 500, map[string]string{"Content-Type": ""}, "", Answer{}},
		{"a long one", 400, map[string]string{"Content-Type": ""}, long + "tail", Answer{Body: []byte(long)}},
		{
			"a secret in it", 400,
			map[string]string{"Content-Type": ""},
			"unknown key s3cr3t-key!",
			Answer{Body: []byte("unknown key **********!")},
		},
		{
			"seconds", 429,
			map[string]string{"Content-Type": "", "Retry-After": "7"},
			"",
			Answer{RetryAfter: 7 * time.Second},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			to, _ := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range tc.header {
					w.Header()[name] = nil
					if value != "" {
						w.Header().Set(name, value)
					}
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			cfg := Config{Headers: map[string]setting.Secret{"X-Api-Key": setting.NewSecret("s3cr3t-key")}}
			got, sent, err := newClient(t, cfg, time.Minute).Do(t.Context(), Request{Method: http.MethodPost, URL: to})
			if err != nil || !sent {
				t.Fatal(sent, err)
			}
			if got.Status != tc.status || got.Kind != tc.want.Kind || !bytes.Equal(got.Body, tc.want.Body) ||
				got.RetryAfter != tc.want.RetryAfter {
				t.Errorf("%d %q after %s: %.100q", got.Status, got.Kind, got.RetryAfter, got.Body)
			}
		})
	}
}

// A connection is used again after an answer of any length that the client reads to its end.
func TestDo_KeepsConnections(t *testing.T) {
	for name, length := range map[string]int{"empty": 0, "short": 10, "longer than is read": maxAnswer + 1000} {
		t.Run(name, func(t *testing.T) {
			// In a bubble no time passes while a connection is read from, and net/http keeps none whose writer has not
			// come back for 50 ms.
			synctest.Test(t, func(t *testing.T) {
				addresses := make(chan string, 2)
				to, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
					addresses <- r.RemoteAddr
					_, _ = w.Write(make([]byte, length))
				})
				c := newClient(t, Config{}, time.Minute)
				for range 2 {
					if _, _, err := c.Do(
						t.Context(), Request{Method: http.MethodPost, URL: to, Body: []byte("x")},
					); err != nil {
						t.Fatal(err)
					}
				}
				if first, second := <-addresses, <-addresses; first != second {
					t.Errorf("from %s, then from %s", first, second)
				}
			})
		})
	}
}

// No redirect is followed: neither a body nor a login goes where they were not meant for.
func TestDo_Redirects(t *testing.T) {
	other, strayed := newServer(t, noContent)
	for _, status := range []int{301, 302, 303, 307, 308} {
		to, _ := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other)
			w.WriteHeader(status)
		})
		c := newClient(t, Config{Username: "u", Password: setting.NewSecret("password")}, time.Minute)
		answer, _, err := c.Do(t.Context(), Request{Method: http.MethodPost, URL: to, Body: []byte("x")})
		if err != nil || answer.Status != status {
			t.Errorf("%d: %+v, %v", status, answer, err)
		}
		se := Refused(Refusals(), "send", "h", &answer)
		if se.Reason != outputs.ReasonServer || !strings.Contains(se.Remedy, "no redirect is followed") {
			t.Errorf("%d: %+v", status, se)
		}
	}
	if len(strayed) > 0 {
		t.Errorf("%d requests went to where a redirect leads", len(strayed))
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"120", 2 * time.Minute},
		{"007", 7 * time.Second},
		{"1.5", 1500 * time.Millisecond},
		{"0.25", 250 * time.Millisecond},
		{"Sun, 01 Mar 2026 12:00:30 GMT", 30 * time.Second},
		{"Sunday, 01-Mar-26 12:01:00 GMT", time.Minute},
		{"Sun Mar  1 13:00:00 2026", time.Hour},
		{"Sun, 01 Mar 2026 11:00:00 GMT", 0},
		{"99999999999", maxRetryAfter},
		{"Fri, 01 Mar 2999 12:00:00 GMT", maxRetryAfter},
		{"-1", 0},
		{"1e3", 0},
		{"NaN", 0},
		{"Inf", 0},
		{"0x10", 0},
		{"soon", 0},
		{"30s", 0},
	} {
		if got := retryAfter(tc.header, now); got != tc.want {
			t.Errorf("%q: %s, want %s", tc.header, got, tc.want)
		}
	}
}

func TestUnencrypted(t *testing.T) {
	key := map[string]setting.Secret{"X-Api-Key": setting.NewSecret("k")}
	for _, tc := range []struct {
		name string
		cfg  Config
		to   string
		want bool
	}{
		{"nothing to hide", Config{}, "http://logs.example", false},
		{"TLS", Config{Username: "u"}, "https://logs.example", false},
		{"a user", Config{Username: "u"}, "http://logs.example", true},
		{"a password", Config{Password: setting.NewSecret("")}, "http://logs.example", true},
		{"a token", Config{BearerToken: setting.NewSecret("t")}, "http://logs.example", true},
		{"OAuth", Config{OAuth2: &OAuth2{}}, "http://logs.example", true},
		{"a header, which may be a key", Config{Headers: key}, "http://logs.example", true},
		{"a header to this machine", Config{Headers: key}, "http://127.0.0.1:8088/x", false},
		{"by IPv6", Config{Headers: key}, "http://[::1]:8088/x", false},
		{"by its name", Config{Headers: key}, "http://localhost", false},
		{"a name that only begins so", Config{Headers: key}, "http://localhost.example", true},
		{"no URL", Config{Headers: key}, "http://[", true},
	} {
		if got := newClient(t, tc.cfg, time.Minute).Unencrypted(tc.to); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
