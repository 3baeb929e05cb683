package status

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/status/page"
)

// FuzzRequest holds that no way of writing a request lets somebody from elsewhere, without the token, see records or
// change anything, that every answer says how a browser has to treat it, and that none holds what a terminal obeys.
func FuzzRequest(f *testing.F) {
	for _, request := range []string{
		"GET /", "GET /status", "GET /metrics", "GET /healthz", "HEAD /readyz", "GET /dead-letters",
		"GET //dead-letters", "GET /x/../dead-letters/1",
		"GET /%64ead-letters", "GET /dead-letters%2f1", "GET /dead-letters/%2e%2e/reload", "POST /reload",
		"POST /outputs/es/pause", "POST /outputs/%00/pause",
		"POST /dead-letters/purge?all=true", "GET /dead-letters?limit=x", "GET /debug/pprof/heap",
		"GET /debug/pprof/../../status", "GET /live", "GET /page/app.js", "GET /page/../dead-letters", "POST /live",
		"OPTIONS *", "CONNECT a:1", "get /status",
		"GET http://localhost/dead-letters", "GET /dead-letters/export?tag=%1b", "GET /\u009b", "TRACE /status",
	} {
		method, target, _ := strings.Cut(request, " ")
		f.Add(method, target, "localhost", "")
		f.Add(method, target, "10.0.0.7:9880", "Bearer guess")
	}
	f.Fuzz(func(t *testing.T, method, target, host, authorization string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return // the server answers 400
		}
		done := false
		s := testServer(func() Snapshot { return Snapshot{} })
		store := &letters{n: 2}
		s.options.Config, s.options.DeadLetters, s.options.Log = Config{Token: token("t0ken"), Pprof: true}, store,
			zerolog.Nop()
		s.options.Reload = func() ([]string, error) { done = true; return nil, nil }
		s.options.ControlOutput = func(string, string) (string, error) { done = true; return "", nil }
		s.http.Handler = s.handler(s.registry())
		r := &http.Request{
			Method: method, URL: u, RequestURI: target, Host: host, Header: http.Header{}, Body: http.NoBody,
			RemoteAddr: "10.0.0.9:1", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // /live goes on until the client has left
		r = r.WithContext(
			context.WithValue(ctx, http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 9880}),
		)
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if authorization == "Bearer t0ken" || strings.EqualFold(authorization, "bearer t0ken") {
			return
		}
		if done || len(store.asked) > 0 {
			t.Fatalf("%s %q: done for a stranger: %d", method, target, w.Code)
		}
		if cleaned := path.Clean(u.Path); w.Code < 300 && cleaned != "/" && cleaned != "/status" &&
			cleaned != "/metrics" && cleaned != "/healthz" && cleaned != "/readyz" && cleaned != livePath &&
			path.Dir(cleaned)+"/" != page.Folder {
			t.Fatalf("%s %q: %d", method, target, w.Code)
		}
		for _, header := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Cache-Control"} {
			if w.Header().Get(header) == "" {
				t.Fatalf("%s %q: no %s", method, target, header)
			}
		}
		if body := w.Body.String(); !utf8.ValidString(body) ||
			strings.ContainsFunc(body, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
			t.Fatalf("%s %q: %q", method, target, body)
		}
	})
}
