package status

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"

	"github.com/seed-afc6a195/aggregator/pkg/status/page"
)

// dialFrom connects from a loopback address of the test's choice.
func dialFrom(t *testing.T, source, address string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// One source that holds half-open requests is turned away; others are served meanwhile, and so is it
// once it lets go.
func TestHalfOpenRequests(t *testing.T) {
	_, address := start(t, Config{})
	var held []net.Conn
	for range maxConnectionsPerSource {
		conn := dialFrom(t, "127.0.0.1", address)
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
		held = append(held, conn)
	}
	over := dialFrom(t, "127.0.0.1", address)
	if n, err := over.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("a connection over the limit was served")
	}
	ask := func(source string) error {
		conn := dialFrom(t, source, address)
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			reply.Body.Close()
		}
		return err
	}
	if err := ask("127.0.0.2"); err != nil {
		t.Errorf("another source: %v", err)
	}
	for _, conn := range held { // half of a request is no request: nothing comes but the end
		conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for { // the server counts a connection until it has closed it
		if err := ask("127.0.0.1"); err == nil {
			break
		} else if late.Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestLimitedListener(t *testing.T) {
	l := &limitedListener{total: 3, perSource: 2, bySource: map[netip.Prefix]int{}}
	a, b, c := sourceOf("10.0.0.1:1"), sourceOf("[2001:db8::1]:2"), sourceOf("@") // a, b and who has no address
	for i, step := range []struct {
		enter bool
		who   netip.Prefix
		want  bool
	}{
		{true, a, true},
		{true, a, true},
		{true, a, false},
		{true, b, true},
		{true, c, false},
		{false, a, true},
		{true, c, true},
		{true, a, false},
		{false, c, true},
		{false, b, true},
		{false, a, true},
	} {
		if !step.enter {
			l.leave(step.who)
		} else if got := l.enter(step.who); got != step.want {
			t.Errorf("step %d: %v entered: %v", i, step.who, got)
		}
	}
	if l.open != 0 || len(l.bySource) != 0 {
		t.Errorf("left: %d, %v", l.open, l.bySource)
	}
}

func TestSourceOf(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1:80": "10.0.0.1/32", "[::ffff:10.0.0.1]:80": "10.0.0.1/32", "[2001:db8::1]:1": "2001:db8::/64",
		"[fe80::1%eth0]:1": "fe80::/64", "": "invalid Prefix", "pipe": "invalid Prefix",
	} {
		if got := sourceOf(address).String(); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// Whoever guesses may go on slowly, and everybody else at once.
func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a attempts
		here, there := sourceOf("10.0.0.1:1"), sourceOf("10.0.0.2:1")
		guess := func(n int) (taken int) {
			for range n {
				if a.wait(here) == 0 {
					a.wrong(here)
					taken++
				}
			}
			return taken
		}
		if n := guess(100); n != maxWrong {
			t.Errorf("%d guesses at once, want %d", n, maxWrong)
		}
		if w := a.wait(there); w != 0 {
			t.Errorf("another source waits %s", w)
		}
		if w := a.wait(here); w <= 0 || w > wrongEvery {
			t.Errorf("waits %s", w)
		}
		time.Sleep(2 * wrongEvery)
		if n := guess(100); n != 2 {
			t.Errorf("%d guesses after twice %s", n, wrongEvery)
		}
		time.Sleep(time.Hour)
		if n := guess(100); n != maxWrong {
			t.Errorf("%d guesses after an hour", n)
		}
		for i := range 3 * maxSources {
			a.wrong(sourceOf(fmt.Sprintf("10.%d.%d.1:1", 1+i>>8, i&0xff)))
		}
		if n := len(a.until); n > maxSources {
			t.Errorf("%d sources are remembered", n)
		}
	})
}

// Guessing by way of whatever path: refused unread in the end, even the right token, until time has passed.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := testServer(func() Snapshot { return Snapshot{} })
		s.options.Config, s.options.Log = Config{Token: token("t0ken")}, zerolog.New(&log)
		ask := func(path, token string) int {
			return far(s, http.MethodGet, path, "Authorization", "Bearer "+token).Code
		}
		for i := range maxWrong {
			path, want := "/dead-letters/5", 401
			if i%2 > 0 {
				path, want = "/status", 200 // open, but it shows words to whom may see them
			}
			if code := ask(path, fmt.Sprint("guess", i)); code != want {
				t.Fatalf("guess %d at %s: %d", i, path, code)
			}
		}
		for _, token := range []string{"t0ken", "guess"} {
			if code := ask("/nothing", token); code != http.StatusTooManyRequests {
				t.Errorf("after %d guesses, %s: %d", maxWrong, token, code)
			}
		}
		if code := ask("/healthz", "guess"); code != 200 {
			t.Errorf("a probe: %d", code)
		}
		time.Sleep(wrongEvery)
		if code := ask("/nothing", "t0ken"); code != http.StatusNotFound {
			t.Errorf("the right token, later: %d", code)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 || strings.Contains(log.String(), "guess") {
			t.Errorf("logged:\n%s", log.String())
		}
	})
}

// What is written to a log that is flooded.
func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newLogWriter(zerolog.New(&log))
		for range 3 {
			for range 100 {
				fmt.Fprintln(w, "http: TLS handshake error")
			}
			time.Sleep(complainEvery)
		}
		const line = `{"level":"warn","part":"status","lines":%d,"message":"http: TLS handshake error"}` + "\n"
		if log.String() != fmt.Sprintf(line+line+line, 1, 100, 100) {
			t.Errorf("logged\n%s", log.String())
		}
	})
}

func token(text string) setting.Secret { return setting.NewSecret(text) }

// far is what s answers to a request from another machine.
func far(s *Server, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, http.NoBody)
	r = r.WithContext(
		context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 9880}),
	)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, r)
	return w
}

// Ways of writing a path that is protected: none leads past the guard, and what nobody knows is protected too.
func TestPathTricks(t *testing.T) {
	s := testServer(func() Snapshot { return Snapshot{} })
	s.options.Config, s.options.DeadLetters = Config{Token: token("t0ken"), Pprof: true}, &letters{n: 2}
	s.http.Handler = s.handler(s.registry())
	for _, request := range []string{
		"GET /dead-letters", "HEAD /dead-letters", "GET //dead-letters", "GET /./dead-letters",
		"GET /x/../dead-letters", "GET /%64ead-letters",
		"GET /dead-letters/%2e%2e/dead-letters", "GET /%2e%2e/dead-letters/1", "GET /dead-letters%2f1",
		"GET /status/../dead-letters", "GET /DEAD-LETTERS",
		"GET http://localhost/dead-letters", "GET /debug/pprof/", "GET /debug/pprof/cmdline", "GET /debug/pprof/heap",
		"GET /%64ebug/pprof/heap",
		"POST /reload", "POST //reload", "PUT /status", "DELETE /", "TRACE /", "OPTIONS /status", "PATCH /metrics",
		"POST /healthz",
		"GET /tail", "GET /queue/x", "GET /nothing", "GET /status/", "GET /metrics/x", "GET /favicon.ico",
	} {
		method, path, _ := strings.Cut(request, " ")
		if w := far(s, method, path); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %.100s", request, w.Code, w.Body)
		}
	}
}

// Raw requests over a socket that are odd, huge or slow to end.
func TestOddRequests(t *testing.T) {
	_, address := start(t, Config{})
	for _, tc := range []struct {
		request string
		code    int
	}{
		{"GET http://evil.example/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 403}, // its Host is evil.example
		{"GET http://localhost/status HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200},
		{"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n", 405},
		{"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
		{"GET /status HTTP/1.1\r\n\r\n", 400},
		{"GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400},
		{"GET /status HTTP/1.1\r\nHost: local\x00host\r\n\r\n", 400},
		{"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{
			"POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: " +
				"chunked\r\n\r\n0\r\n\r\n", 405,
		},
		{
			"POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n" +
				strings.Repeat("x", maxBodyBytes+1), 413,
		},
		{"POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100), 405},
		{"POST /status HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403},
		{"GET /nothing HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n", 403},
	} {
		reply, body := ask(t, address, strings.Replace(tc.request, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
		if reply.StatusCode != tc.code {
			t.Errorf("%.100q: %d %.100s, want %d", tc.request, reply.StatusCode, body, tc.code)
		}
	}
}

// TestPagePolicy holds that the page may run its own files and nothing else, on whatever path.
func TestPagePolicy(t *testing.T) {
	s := testServer(func() Snapshot { return Snapshot{} })
	for _, path := range []string{"/", "/status", "/page/app.js", "/nothing"} {
		policy := get(s, path).Header().Get("Content-Security-Policy")
		if policy != page.Policy || strings.Contains(policy, "unsafe") ||
			!strings.HasPrefix(policy, "default-src 'none'; ") {
			t.Errorf("%s has the policy %s", path, policy)
		}
	}
}
