package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// serve returns the address of a server that replies with code and text, and what it is asked for.
func serve(t *testing.T, code int, text string) (address string, asked *http.Request) {
	t.Helper()
	asked = new(http.Request)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = *r
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// A request goes to the path below the address, with the credentials that there are, and no other.
func TestRequests(t *testing.T) {
	for _, tc := range []struct {
		name          string
		user          *url.Userinfo
		token, below  string
		authorization string
		path          string
	}{
		{"nothing", nil, "", "", "", "/status"},
		{"a token", nil, "t0ken", "", "Bearer t0ken", "/status"},
		{"a user", url.UserPassword("ops", "s3cret"), "", "", "Basic b3BzOnMzY3JldA==", "/status"},
		{"a user without a password", url.User("ops"), "", "", "", "/status"},
		{"below a path", nil, "", "/logs/", "", "/logs/status"},
		{"both: the token counts", url.UserPassword("ops", "s3cret"), "t0ken", "", "Bearer t0ken", "/status"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address, asked := serve(t, http.StatusOK, `{"version":"1"}`)
			u, err := url.Parse(address + tc.below)
			if err != nil {
				t.Fatal(err)
			}
			u.User = tc.user
			c := &Client{Address: u.String(), Token: setting.NewSecret(tc.token)}
			var v struct{ Version string }
			if err := c.Get(t.Context(), "status", url.Values{"a b": {"c&d"}}, &v); err != nil || v.Version != "1" {
				t.Errorf("%+v: %v", v, err)
			}
			if got := asked.Header.Get("Authorization"); got != tc.authorization {
				t.Errorf("it shows %q, want %q", got, tc.authorization)
			}
			if asked.URL.Path != tc.path || asked.URL.RawQuery != "a+b=c%26d" || asked.Method != http.MethodGet {
				t.Errorf("%s %s", asked.Method, asked.URL)
			}
		})
	}
}

// A refusal says which server refused, with what code and in which words, and shows no password.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		code  int
		words string
		want  string
	}{
		{http.StatusUnauthorized, "this needs the token\n", "refused: 401 Unauthorized: this needs the token"},
		{http.StatusForbidden, "  ", "refused: 403 Forbidden"},
		{http.StatusServiceUnavailable, "two\nlines", "refused: 503 Service Unavailable: two\nlines"},
		{http.StatusTeapot, strings.Repeat("x", 2*maxRefusal), "refused: 418 I'm a teapot: xxx"},
		{http.StatusNoContent, "", "refused: 204 No Content"},
	} {
		address, _ := serve(t, tc.code, tc.words)
		c := &Client{Address: strings.Replace(address, "http://", "http://ops:s3cret@", 1)}
		for name, err := range map[string]error{
			"get":  c.Get(t.Context(), "status", nil, new(any)),
			"post": func() error { _, err := c.Post(t.Context(), "reload", nil); return err }(),
		} {
			refused, ok := errors.AsType[*RefusedError](err)
			if !ok || refused.Code != tc.code || refused.Address != address || len(refused.Words) > maxRefusal {
				t.Fatalf("%d, %s: %v", tc.code, name, err)
			}
			if text := err.Error(); !strings.Contains(text, tc.want) || strings.Contains(text, "s3cret") {
				t.Errorf("%d, %s: %.200q", tc.code, name, text)
			}
		}
	}
}

// What goes wrong before there is a reply says what was tried, and shows no password.
func TestUnreachable(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	there, _ := serve(t, http.StatusOK, "{}")
	for _, tc := range []struct {
		name, address string
		ctx           context.Context //nolint:containedctx // of one case
		method        string
		want          string
	}{
		{
			"nobody listens", "http://ops:s3cret@127.0.0.1:1", t.Context(), "GET", "connection refused",
		},
		{"no address", "http://ops:s3cret@host:port", t.Context(), "GET", "address of the status endpoint"},
		{"no scheme", "gopher://ops:s3cret@localhost", t.Context(), "GET", "unsupported protocol scheme"},
		{"an end before it", strings.Replace(there, "//", "//ops:s3cret@", 1), ended, "GET", "context canceled"},
		{"no method", there, t.Context(), "G T", "ask the status endpoint"},
	} {
		_, err := (&Client{Address: tc.address}).Do(tc.ctx, tc.method, "status", nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// A reply that is not what was asked for is an error, and none is read without end.
func TestReplies(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "<html>", "another type": `{"outputs": 5}`, "half of it": `{"outputs": [`, "nothing": "",
	} {
		address, _ := serve(t, http.StatusOK, text)
		var q Queue
		err := (&Client{Address: address}).Get(t.Context(), "queue", nil, &q)
		if err == nil || !strings.Contains(err.Error(), "read the status endpoint's reply") {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := io.NopCloser(io.MultiReader(strings.NewReader(`"`), strings.NewReader(strings.Repeat("x", 1000))))
	if err := decode(long, 100, new(string)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a reply over the limit: %v", err)
	}
	address, asked := serve(t, http.StatusOK, "  output es: paused \n")
	said, err := (&Client{Address: address}).Post(t.Context(), "outputs/es/pause", nil)
	if err != nil || said != "output es: paused" || asked.Method != http.MethodPost {
		t.Errorf("%s said %q: %v", asked.Method, said, err)
	}
}

// A reply that breaks off in the middle is told.
func TestBrokenReplies(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"version":`)
	}))
	defer s.Close()
	c := &Client{Address: s.URL, HTTP: s.Client()}
	if err := c.Get(t.Context(), "status", nil, new(any)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("get: %v", err)
	}
	if said, err := c.Post(t.Context(), "reload", nil); !errors.Is(err, io.ErrUnexpectedEOF) || said != "" {
		t.Errorf("post said %q: %v", said, err)
	}
}

// What waits is added up, and when it is gone is foreseen from what goes and what comes.
func TestPending(t *testing.T) {
	var all Pending
	for _, p := range []Pending{
		{Events: 100, Chunks: 2, Bytes: 50, Oldest: 9, Delivered: 30, Queued: 10, Settled: 30},
		{Events: 60, Chunks: 1, Bytes: 7, Oldest: 30, Delivered: 5, Queued: 20, Settled: 10, Done: new(float64)},
		{},
	} {
		all.Add(&p)
	}
	want := Pending{Events: 160, Chunks: 3, Bytes: 57, Oldest: 30, Delivered: 35, Queued: 30, Settled: 40}
	if all != want {
		t.Errorf("%+v, want %+v", all, want)
	}
	for _, tc := range []struct {
		p    Pending
		want string
	}{
		{Pending{}, "0"},
		{Pending{Settled: 5, Queued: 9}, "0"},
		{Pending{Events: 160, Delivered: 10, Settled: 40, Queued: 30}, "16"},
		{Pending{Events: 160, Delivered: 40, Settled: 40, Queued: 40}, "never"},
		{Pending{Events: 160, Queued: 1}, "never"},
		{Pending{Events: 1, Settled: 4, Done: new(float64)}, "0.25"},
	} {
		tc.p.Foresee()
		got := "never"
		if tc.p.Done != nil {
			got = fmt.Sprint(*tc.p.Done)
		}
		if got != tc.want {
			t.Errorf("%+v is done in %s, want %s", tc.p, got, tc.want)
		}
	}
}
