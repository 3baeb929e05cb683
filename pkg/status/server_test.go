package status

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

// start runs a server on a free loopback port and returns its address; the test's end stops it.
func start(t *testing.T, config Config) (s *Server, address string) {
	t.Helper()
	ok := func() error { return nil }
	config.Address = "127.0.0.1:0"
	s = patient(New(Options{
		Config: config, Snapshot: func() Snapshot { return snapshottest.Program(time.Now(), 10) }, Ready: ok,
		Healthy: ok, Log: zerolog.Nop(),
	}))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-ran); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, goleak.IgnoreCurrent())
	})
	return s, s.Addr().String()
}

// ask sends raw bytes and returns the reply with its body read.
func ask(t *testing.T, address, request string) (reply *http.Response, body string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	reply, err = http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, string(text)
}

func TestHTTP(t *testing.T) {
	s, address := start(t, Config{})
	_, profiled := start(t, Config{Pprof: true})
	for _, tc := range []struct {
		address, method, path, host string
		code                        int
		contains                    string
	}{
		{address, "GET", "/", "localhost", 200, `href="metrics"`},
		{address, "GET", "/healthz", "127.0.0.1", 200, "ok\n"},
		{address, "GET", "/readyz", "127.0.0.1:9880", 200, "ok\n"},
		{address, "GET", "/status", "[::1]:9880", 200, `"version": "1.2.3"`},
		{address, "GET", "/metrics", "LOCALHOST.:80", 200, `aggregator_received_events_total{cluster="seoul"} 10`},
		{address, "GET", "/metrics", s.hostname, 200, "go_goroutines"},
		{address, "GET", "/metrics", "::1", 200, "process_start_time_seconds"},
		{address, "HEAD", "/status", "localhost", 200, ""},
		{address, "GET", "/nothing", "localhost", 404, "not found"},
		{address, "GET", "/debug/pprof/", "localhost", 404, "not found"},
		{profiled, "GET", "/debug/pprof/", "localhost", 200, "goroutine"},
		{address, "GET", "/page/app.js", "localhost", 200, "EventSource"},
		{address, "GET", "/page/nothing", "localhost", 404, "no such file"},
		{address, "GET", "/live", "evil.example", 403, "localhost only"},
		{address, "POST", "/status", "localhost", 405, "Not Allowed"},
		{address, "DELETE", "/nothing", "localhost", 404, "not found"},
		{address, "GET", "/reload", "localhost", 405, "Not Allowed"},
		{profiled, "POST", "/debug/pprof/symbol", "localhost", 405, "Not Allowed"},
		{address, "GET", "/status", "evil.example", 403, "localhost only"},
		{address, "GET", "/status", "evil.example:9880", 403, "localhost only"},
		{address, "GET", "/metrics", "localhost.evil.example", 403, "localhost only"},
		{address, "GET", "/status", "10.0.0.1", 403, "localhost only"},
		{profiled, "GET", "/debug/pprof/", "evil.example", 403, "localhost only"},
	} {
		reply, body := ask(t, tc.address,
			fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", tc.method, tc.path, tc.host))
		if reply.StatusCode != tc.code || !strings.Contains(body, tc.contains) {
			t.Errorf("%s %s of %s: %d %.200s, want %d %s", tc.method, tc.path, tc.host, reply.StatusCode, body, tc.code,
				tc.contains)
		}
		for _, h := range []string{
			"Cache-Control", "Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options",
		} {
			if reply.Header.Get(h) == "" {
				t.Errorf("%s %s has no %s", tc.method, tc.path, h)
			}
		}
	}
}

func TestHostIsFreeElsewhere(t *testing.T) {
	s := testServer(func() Snapshot { return Snapshot{} })
	for _, loopback := range []bool{false, true} {
		s.loopback = loopback
		if got := s.hostAllowed(&http.Request{Host: "aggregator.logging.svc"}); got == loopback {
			t.Errorf("on loopback %v: allowed %v", loopback, got)
		}
	}
}

func TestLimits(t *testing.T) {
	s, address := start(t, Config{})
	h := s.http
	for name, d := range map[string]time.Duration{
		"header": h.ReadHeaderTimeout, "read": h.ReadTimeout, "write": h.WriteTimeout, "idle": h.IdleTimeout,
	} {
		if d <= 0 {
			t.Errorf("no %s time-out", name)
		}
	}
	huge := "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", maxHeaderBytes+8<<10) + "\r\n\r\n"
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, huge) // the server may close before it has read all
	if reply, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
		defer reply.Body.Close()
		if reply.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("headers over the limit: %d", reply.StatusCode)
		}
	}
	if reply, _ := ask(t, address, "GET /healthz HTTP/1.0\r\n\r\n"); reply.StatusCode != http.StatusOK {
		t.Errorf("HTTP/1.0 without a Host: %d", reply.StatusCode)
	}
}

func TestListenError(t *testing.T) {
	_, address := start(t, Config{})
	s := testServer(nil)
	s.options.Config.Address = address
	if err := s.Listen(); err == nil || !strings.Contains(err.Error(), "status.address") ||
		!strings.Contains(err.Error(), "set another status.address") || !strings.Contains(err.Error(), address) {
		t.Errorf("the address is in use: %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown without a listener: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := testServer(func() Snapshot { return Snapshot{} })
	s.options.Config.Address = "127.0.0.1:0"
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- s.Run(ctx) }()
	ask(t, s.Addr().String(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	stop()
	if err := <-ran; err != nil {
		t.Errorf("run: %v", err)
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

func TestShutdownWithoutRun(t *testing.T) {
	s := testServer(func() Snapshot { return Snapshot{} })
	s.options.Config.Address = "127.0.0.1:0"
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

// A purge is done only where the request says that all is meant.
func TestPurgeWantsAll(t *testing.T) {
	for _, tc := range []struct {
		path string
		code int
		done bool
	}{
		{"/outputs/es/purge", http.StatusBadRequest, false},
		{"/outputs/es/purge?all=", http.StatusBadRequest, false},
		{"/outputs/es/purge?all=false", http.StatusBadRequest, false},
		{"/outputs/es/purge?all=true", http.StatusOK, true},
		{"/outputs/es/pause", http.StatusOK, true},
	} {
		done := false
		s := testServer(func() Snapshot { return Snapshot{} })
		s.options.ControlOutput = func(string, string) (string, error) { done = true; return "done", nil }
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tc.path, http.NoBody)
		s.controlOutput(w, withPath(r, tc.path))
		if w.Code != tc.code || done != tc.done {
			t.Errorf("%s: %d %s", tc.path, w.Code, w.Body)
		}
	}
}

// withPath gives r what the pattern of its route finds in path.
func withPath(r *http.Request, path string) *http.Request {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	r.SetPathValue("name", parts[2])
	r.SetPathValue("what", parts[3])
	return r
}

// Who asks for OpenMetrics is told when counters began, and those that a reload begins anew, when that was.
func TestOpenMetrics(t *testing.T) {
	s := testServer(func() Snapshot { return snapshottest.Program(time.Unix(1_000_000_000, 0), 3000) })
	ask := func(accept string) (kind, text string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		return w.Header().Get("Content-Type"), w.Body.String()
	}
	kind, text := ask("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
	if !strings.HasPrefix(kind, "application/openmetrics-text; version=1.0.0") || !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("%s, ends with %q", kind, text[len(text)-20:])
	}
	names := map[string]bool{} // of families, that a parser must not find twice
	for _, line := range strings.Split(text, "\n") {
		if name, found := strings.CutPrefix(line, "# TYPE "); found {
			name, _, _ = strings.Cut(name, " ")
			if names[name] {
				t.Errorf("%s is there twice", name)
			}
			names[name] = true
		}
	}
	for line, want := range map[string]bool{
		`aggregator_received_events_` +
			`created{cluster="seoul"} 1e+09`: true,
		`aggregator_queue_commit_latency_seconds_` +
			`created 1e+09`: true,
		`aggregator_cluster_rate_limited_seconds_` +
			`created{cluster="seoul"} 1e+09`: true,
		`aggregator_tls_reloads_total{owner="listener ` +
			`public"} 2.0`: true,
		`aggregator_tls_reloads_created{owner="listener ` +
			`public"} 1e+09`: true,
		`aggregator_filter_step_in_events_created{filter="nginx",kind="grep",output="es",route="routes[0]",step="1"} ` +
			`1.00000006e+09`: true,
	} {
		if strings.Contains(text, line) != want {
			t.Errorf("%s: found %v, want %v", line, !want, want)
		}
	}
	if kind, text = ask("text/plain"); !strings.HasPrefix(kind, "text/plain") || strings.Contains(text, "_created") {
		t.Errorf("who asks for text gets %s", kind)
	}
}
