package status

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

func tailServer(t *testing.T) (s *Server, hub *tail.Hub, address string) {
	t.Helper()
	hub = new(tail.Hub)
	ok := func() error { return nil }
	s = New(Options{
		Config: Config{Token: setting.NewSecret("t0ken")}, Log: zerolog.Nop(), Ready: ok, Healthy: ok,
		Snapshot: func() Snapshot { return Snapshot{} },
		Tail: &tail.Local{
			Hub: hub, Output: func(name string) bool { return name == "es" },
			Tags: func(pattern string) (func(string) bool, error) {
				if pattern == "[" {
					return nil, errors.New("no pattern")
				}
				return func(tag string) bool { return tag == pattern }, nil
			},
			Route: func(name string) (string, error) {
				if name == "kube.**" {
					return "routes[0]", nil
				}
				return "", errors.New("no route has that pattern")
			},
		},
	})
	server := httptest.NewServer(s.http.Handler)
	t.Cleanup(server.Close)
	return s, hub, server.URL
}

//nolint:revive // the test comes first
func askLive(t *testing.T, ctx context.Context, address, token string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// A view is given events until the server stops. Records as they arrive are for the token alone, also on loopback.
func TestTail(t *testing.T) {
	for _, tc := range []struct {
		query, token, at string
		record           bool
	}{
		{"", "", client.TailArrival, false},
		{"", "t0ken", client.TailArrival, true},
		{"?at=es&cluster=a&tag=t", "", "es", true},
		{"?at=es&grep=hi", "", "es", true},
	} {
		t.Run(tc.query+tc.token, func(t *testing.T) {
			s, hub, address := tailServer(t)
			res := askLive(t, t.Context(), address+"/tail"+tc.query, tc.token)
			if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
				t.Fatalf("%s %v", res.Status, res.Header)
			}
			lines := bufio.NewScanner(res.Body)
			lines.Scan() // the view is open
			for _, v := range hub.At(tc.at) {
				record := []byte("\x81\xa3log\xa6hi\x1b[1m")
				v.Offer(&event.Event{Chunk: &event.Chunk{Cluster: "a", Tag: "t"}, Record: record}, time.Now(), func(
					*client.TailEvent,
				) {
				})
			}
			text := ""
			for lines.Scan() && !strings.HasPrefix(text, "data:") {
				text = lines.Text()
			}
			if strings.Contains(text, `"record"`) != tc.record || !strings.Contains(text, `"cluster":"a"`) ||
				strings.Contains(text, "\x1b") {
				t.Errorf("shown %q", text)
			}
			s.end()
			for lines.Scan() { // until the view ends
			}
			if hub.Watching() {
				t.Error("the view is open still")
			}
		})
	}
}

func TestTailIsRefused(t *testing.T) {
	_, _, address := tailServer(t)
	for query, want := range map[string]int{
		"?at=none": 404, "?grep=x": 403, "?at=es&grep=(": 400, "?tag=[": 400, "?sample=x": 400, "?what=ever": 400,
	} {
		if res := askLive(t, t.Context(), address+"/tail"+query, ""); res.StatusCode != want {
			t.Errorf("%s: %s", query, res.Status)
		}
	}
}
