package status

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

// fullServer has all that a server may be asked for. What reaches a handler that changes something is counted.
func fullServer(config Config) (handler http.Handler, changes *int) {
	changes = new(int)
	s := testServer(func() Snapshot {
		return Snapshot{Outputs: []Output{{Name: "es", OutputWaiting: snapshot.OutputWaiting{
			WaitingTargets: []snapshot.WaitingTarget{{Target: "logs-a", Kind: "index_closed_exception", Events: 3}},
		}}}}
	})
	o := &s.options
	o.Config, o.Log, o.DeadLetters = config, zerolog.Nop(), &letters{n: 2}
	o.Reload = func() ([]string, error) { *changes++; return nil, nil }
	o.ControlOutput = func(string, string) (string, error) { *changes++; return "done", nil }
	o.ControlTarget = func(_ context.Context, _, what, target, to string) (string, error) {
		if *changes++; what == "move" {
			return "", errors.New("no output is named " + to)
		}
		return what + " " + target, nil
	}
	o.Trace = func(_ context.Context, id string) (client.Trace, error) {
		switch id {
		case "":
			return client.Trace{}, fmt.Errorf("%wan id is missing\x1b[31m", client.ErrTraceRequest)
		case "disk":
			return client.Trace{}, errors.New("the disk does not answer")
		}
		return client.Trace{ID: id}, nil
	}
	o.Tail = &tail.Local{
		Hub: new(tail.Hub), Output: func(string) bool { return false },
		Route: func(string) (string, error) { return "", errors.New("there are no routes") },
	}
	return s.handler(s.registry()), changes
}

// request is one as from near or far.
func request(method, path, local string) *http.Request {
	r := httptest.NewRequest(method, path, http.NoBody)
	addr, err := net.ResolveTCPAddr("tcp", local)
	if err != nil {
		panic(err)
	}
	r.Host = "localhost:9880"
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr))
}

// For each path and method: what is open to everybody, and all else only to who shows the token, what does not exist
// and what nobody thought of among it.
func TestAccessOfEachPathAndMethod(t *testing.T) {
	const far, near = "10.1.2.3:9880", "127.0.0.1:9880"
	read := []string{"GET", "HEAD"}
	open := map[string][]string{
		"/": read, "/status": read, "/queue": read, "/metrics": read, "/healthz": read, "/readyz": read,
		"/page/app.js": read, "/page/nothing": read, "/page/": read,
	}
	// HEAD of what would go on without end.
	open["/live"] = []string{"HEAD"}
	paths := []string{
		"/", "/status", "/queue", "/metrics", "/healthz", "/readyz", "/live", "/page/app.js", "/page/nothing",
		"/page/deeper/app.js", "/page", "/page/", "/statu", "/status/", "//status", "/STATUS", "/healthz/",
		"/trace?id=x", "/tail?at=nowhere", "/outputs/es/targets", "/outputs/es/pause", "/outputs/es/purge?all=true",
		"/outputs/es/targets/retry?target=logs-a", "/outputs", "/reload", "/dead-letters", "/dead-letters/summary",
		"/dead-letters/1", "/dead-letters/export", "/dead-letters/retry?all=true", "/dead-letters/purge?all=true",
		"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/login", "/favicon.ico", "/.git/config",
	}
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PURGE"}
	for _, private := range []bool{false, true} {
		handler, changes := fullServer(Config{Token: setting.NewSecret("t0ken"), Private: private, Pprof: true})
		for _, path := range paths {
			for _, method := range methods {
				if path == "/live" && method == "GET" {
					continue
				}
				name, _, _ := strings.Cut(path, "?")
				probe := name == "/healthz" || name == "/readyz"
				mayAll := slices.Contains(open[name], method) && (!private || probe)
				*changes = 0
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, request(method, path, far))
				if refused := w.Code == http.StatusUnauthorized; refused == mayAll {
					t.Errorf("private %v: %s %s of a stranger: %d", private, method, path, w.Code)
				}
				if *changes > 0 {
					t.Errorf("private %v: %s %s of a stranger changes something", private, method, path)
				}
				r := request(method, path, far)
				r.Header.Set("Authorization", "Bearer wrong")
				w = httptest.NewRecorder()
				if handler.ServeHTTP(w, r); !mayAll && w.Code != http.StatusUnauthorized &&
					w.Code != http.StatusTooManyRequests || *changes > 0 {
					t.Errorf("private %v: %s %s with a wrong token: %d", private, method, path, w.Code)
				}
				if private && path != "/login" {
					w = httptest.NewRecorder()
					handler.ServeHTTP(w, request(method, path, near))
					refused := w.Code == http.StatusUnauthorized || w.Code == http.StatusTooManyRequests
					if refused == mayAll {
						t.Errorf("private: %s %s on this machine: %d", method, path, w.Code)
					}
				}
			}
		}
	}
}

// With the token each path does what it is for, and only by the method that it is for.
func TestEachPathAndMethodWithTheToken(t *testing.T) {
	for _, tc := range []struct {
		path    string
		methods map[string]int // others: 405
		changes bool
	}{
		{"/", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/status", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/queue", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/metrics", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/healthz", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/readyz", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/trace?id=x", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/trace", map[string]int{"GET": 400, "HEAD": 400}, false},
		{"/trace?id=disk", map[string]int{"GET": 500, "HEAD": 500}, false},
		{"/tail?at=es", map[string]int{"GET": 404, "HEAD": 200}, false},
		// What can be done with outputs is for who does it to know.
		{"/outputs/es/targets", map[string]int{"GET": 200, "HEAD": 200, "POST": 200}, true},
		{"/outputs/no/targets", map[string]int{"GET": 404, "HEAD": 404, "POST": 200}, true},
		{"/outputs/es/targets/retry?target=logs-a", map[string]int{"POST": 200}, true},
		{"/outputs/es/targets/move?target=logs-a&to=no", map[string]int{"POST": 422}, true},
		{"/outputs/es/targets/purge?target=logs-a", map[string]int{"POST": 400}, false},
		{"/outputs/es/targets/purge?target=logs-a&all=true", map[string]int{"POST": 200}, true},
		{"/reload", map[string]int{"POST": 200}, true},
		{"/outputs/es/resume", map[string]int{"POST": 200}, true},
		{"/outputs/es/purge", map[string]int{"POST": 400}, false},
		{"/dead-letters", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/dead-letters/summary", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/dead-letters/1", map[string]int{"GET": 200, "HEAD": 200}, false},
		{"/dead-letters/9", map[string]int{"GET": 404, "HEAD": 404}, false},
		{"/dead-letters/x", map[string]int{"GET": 400, "HEAD": 400}, false},
		{"/dead-letters/retry?all=true", map[string]int{"POST": 200}, false},
		{"/dead-letters/retry", map[string]int{"POST": 400}, false},
		{"/dead-letters/purge?output=es&all=true", map[string]int{"POST": 400}, false},
		{"/login", map[string]int{"GET": 303, "HEAD": 303}, false},
		{"/debug/pprof/cmdline", map[string]int{"GET": 404, "HEAD": 404, "POST": 404, "PUT": 404}, false},
		{"/nothing", map[string]int{"GET": 404, "HEAD": 404, "POST": 404, "PUT": 404}, false},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
			handler, changes := fullServer(Config{Token: setting.NewSecret("t0ken")})
			r := request(method, tc.path, "10.1.2.3:9880")
			r.Header.Set("Authorization", "Bearer t0ken")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			want, known := tc.methods[method]
			if !known && (tc.path == "/dead-letters/retry?all=true" || strings.HasPrefix(tc.path, "/dead-letters/")) {
				// GET /dead-letters/{id} has such paths too.
				if w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusBadRequest {
					t.Errorf("%s %s: %d", method, tc.path, w.Code)
				}
				continue
			}
			if !known {
				want = http.StatusMethodNotAllowed
			}
			if w.Code != want || *changes > 0 && (!tc.changes || method != "POST") {
				t.Errorf("%s %s: %d %.80q, want %d", method, tc.path, w.Code, w.Body, want)
			}
			if strings.ContainsRune(w.Body.String(), '\x1b') {
				t.Errorf("%s %s: the reply steers terminals", method, tc.path)
			}
		}
	}
}

// Where credentials are set and what is shown are of several kinds at once, each of them is enough.
func TestCredentials(t *testing.T) {
	config := Config{Token: setting.NewSecret("t0ken"), Users: []User{
		{"ops", setting.NewSecret("päss wörd:1")},
		{"ops", setting.NewSecret("second")},
		{"", setting.NewSecret("nobody's")},
	}}
	for _, tc := range []struct {
		header string
		ok     bool
	}{
		{"Bearer t0ken", true},
		{"bearer t0ken", true},
		{"BEARER t0ken", true},
		{"Bearer  t0ken", false},
		{"Bearer t0ken ", false},
		{"Bearer T0KEN", false},
		{"Bearer", false},
		{"t0ken", false},
		{"Token t0ken", false},
		{"Digest username=ops", false},
		{"Basic !!!", false},
		{"Basic " + basic("ops", "päss wörd:1"), true},
		{"Basic " + basic("ops", "second"), true},
		{"Basic " + basic("OPS", "second"), false},
		{"Basic " + basic("dev", "second"), false},
		{"Basic " + basic("", "nobody's"), true},
		{"Basic " + basic("anybody", "t0ken"), true},
		{"Basic " + basic("t0ken", "anything"), false},
	} {
		r := request("GET", "/dead-letters", "10.1.2.3:9880")
		r.Header.Set("Authorization", tc.header)
		handler, _ := fullServer(config)
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); (w.Code == http.StatusOK) != tc.ok {
			t.Errorf("%q: %d", tc.header, w.Code)
		}
	}
}

func basic(user, password string) string {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.SetBasicAuth(user, password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}

// A proxy on this machine does not make those local who come through it, and a page of another site nobody.
func TestWhoIsLocal(t *testing.T) {
	for _, tc := range []struct {
		name, method, header, value, host string
		code                              int
	}{
		{"nothing", "POST", "X-Nothing", "1", "localhost", 200},
		{"a forwarding proxy", "POST", "X-Forwarded-For", "10.0.0.1", "localhost", 401},
		{"one that says so in another way", "POST", "Forwarded", "for=10.0.0.1", "localhost", 401},
		{"a cache", "POST", "Via", "1.1 varnish", "localhost", 401},
		{"nginx", "POST", "X-Real-Ip", "10.0.0.1", "localhost", 401},
		{"one that forwards the host", "POST", "X-Forwarded-Host", "logs.example", "localhost", 401},
		{"an empty header", "POST", "X-Forwarded-For", "", "localhost", 401},
		{"its own page", "POST", "Origin", "http://localhost", "localhost", 200},
		{"its own page by TLS", "POST", "Origin", "https://localhost", "localhost", 200},
		{"another site's page", "POST", "Origin", "http://evil.example", "localhost", 403},
		{"a page without a site", "POST", "Origin", "null", "localhost", 403},
		{"a browser says it is the same", "POST", "Sec-Fetch-Site", "same-origin", "localhost", 200},
		{"a browser says nobody asked for it", "POST", "Sec-Fetch-Site", "none", "localhost", 200},
		{"a browser says it is another", "POST", "Sec-Fetch-Site", "cross-site", "localhost", 403},
		{"a browser says it is a neighbour", "POST", "Sec-Fetch-Site", "same-site", "localhost", 403},
		{"a link from another site", "GET", "Sec-Fetch-Site", "cross-site", "localhost", 405},
		{"an address", "POST", "X-Nothing", "1", "127.0.0.1:9880", 200},
		{"another loopback address", "POST", "X-Nothing", "1", "127.8.9.1:9880", 200},
		{"IPv6", "POST", "X-Nothing", "1", "[::1]:9880", 200},
		{"with a dot", "POST", "X-Nothing", "1", "localhost.:9880", 200},
		{"no host", "POST", "X-Nothing", "1", "", 200},
		{"a name that leads here", "POST", "X-Nothing", "1", "evil.example", 401},
		{"a name that looks like it", "POST", "X-Nothing", "1", "localhost.evil.example", 401},
		{"an address that is none of this machine", "POST", "X-Nothing", "1", "10.0.0.1", 401},
	} {
		handler, changes := fullServer(Config{Token: setting.NewSecret("t0ken")})
		r := request(tc.method, "/reload", "127.0.0.1:9880")
		r.Host = tc.host
		r.Header.Set(tc.header, tc.value)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tc.code || (*changes > 0) != (tc.code == 200) {
			t.Errorf("%s: %d %s, want %d", tc.name, w.Code, w.Body, tc.code)
		}
	}
}

// What is asked of dead letters is read strictly: a slip of the pen would choose all of them.
func TestQueriesOfDeadLetters(t *testing.T) {
	for _, tc := range []struct{ query, want string }{
		{"output=es&cluster=a&reason=rejected&tag=kube.**&older_than=1h&newer_than=90m&all=false", ""},
		{"id=1&id=2&limit=1000&after=5&newest=1&records=t", ""},
		{"", ""},
		{"id=0", "a letter's number"},
		{"id=-1", "a letter's number"},
		{"id=9223372036854775808", "a letter's number"},
		{"id=1&id=x", "a letter's number"},
		{strings.Repeat("id=7&", maxDeadIDs+1), "500 at most"},
		{"limit=1001", "1000 at most"},
		{"limit=x", "a number"},
		{"after=-5", "a number"},
		{"newest=perhaps", "true or false"},
		{"older_than=1", "a duration like 90m or 24h"},
		{"older_than=-1h", "a duration like 90m or 24h"},
		{"newer_than=yesterday", "a duration like 90m or 24h"},
		{"outputs=es", "left out: it is unknown here"},
		{"output=es&ID=5", "left out: it is unknown here"},
		{"what=" + strings.Repeat("x", 5000), "left out"},
	} {
		handler, _ := fullServer(Config{})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, request("GET", "/dead-letters?"+tc.query, "127.0.0.1:9880"))
		body := w.Body.String()
		if (w.Code == 200) != (tc.want == "") ||
			tc.want != "" && (!strings.Contains(body, tc.want) || len(body) > 400) {
			t.Errorf("%.60s: %d %.300s", tc.query, w.Code, body)
		}
	}
}
