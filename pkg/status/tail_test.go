package status

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// stream is a tail.Stream whose events, counts and pods come from a test.
type stream struct {
	events chan tail.Shown
	pods   chan client.TailPods
	missed chan uint64
	closed chan struct{}
}

func newStream() *stream {
	return &stream{
		make(chan tail.Shown, 10), make(chan client.TailPods, 10), make(chan uint64, 10), make(chan struct{}),
	}
}

func (s *stream) Open(tail.Request) (tail.Stream, error) { return s, nil }
func (s *stream) Events() <-chan tail.Shown              { return s.events }
func (s *stream) Pods() <-chan client.TailPods           { return s.pods }
func (s *stream) Close()                                 { close(s.closed) }

func (s *stream) Missed() uint64 {
	select {
	case n := <-s.missed:
		return n
	default:
		return 0
	}
}

// recorder is a client of a stream in a bubble. It takes its time where slow says so, and is gone after limit bytes.
type recorder struct {
	http.ResponseWriter
	mu    sync.Mutex
	text  strings.Builder
	limit int
}

func (r *recorder) Header() http.Header { return http.Header{} }
func (r *recorder) WriteHeader(int)     {}
func (r *recorder) Flush()              {}

func (r *recorder) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit > 0 && r.text.Len()+len(text) > r.limit {
		return 0, errors.New("broken pipe")
	}
	return r.text.Write(text)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// watching has a client look at a stream in a bubble. leave has the client go.
func watching(t *testing.T, limit int) (s *Server, source *stream, seen *recorder, leave func()) {
	t.Helper()
	source, seen = newStream(), &recorder{limit: limit}
	s = New(Options{Log: zerolog.Nop(), Tail: source, Snapshot: func() Snapshot { return Snapshot{} }})
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/tail", http.NoBody)
	go s.tail(seen, r)
	synctest.Wait()
	return s, source, seen, cancel
}

// What comes is sent at once, what was missed and that nothing comes now and then, and nothing steers a terminal.
func TestTailStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, source, seen, leave := watching(t, 0)
		step := func(what, want string) {
			t.Helper()
			synctest.Wait()
			if got := seen.String(); !strings.HasSuffix(got, want) || strings.ContainsAny(got, "\x1b\u202e") {
				t.Errorf("%s: %q, want %q at its end", what, got, want)
			}
		}
		step("at first", ": live\n\n")
		source.pods <- client.TailPods{Pods: []client.TailPod{{Host: "agg-\x1b[31m0", State: client.TailLive}}}
		step("pods", `event: pods`+"\n"+`data: {"pods":[{"name":"","host":"agg-\u001b[31m0","state":"live"}]}`+"\n\n")
		source.missed <- 7
		time.Sleep(tailBeat)
		step("missed", "event: missed\ndata: {\"events\":7}\n\n")
		before := seen.String()
		time.Sleep((tailIdle - 1) * tailBeat)
		step("a while without anything", before[len(before)-30:])
		time.Sleep(tailBeat)
		step("longer", ": nothing yet\n\n")
		hub := new(tail.Hub)
		v, err := hub.Open(tail.Query{At: client.TailArrival})
		if err != nil {
			t.Fatal(err)
		}
		v.Pass(client.TailEvent{At: "arrival", Pod: "agg-1", Tag: "t\u202ex\n"})
		source.events <- <-v.Events()
		step("an event", `"pod":"agg-1","time":"0001-01-01T00:00:00Z","cluster":"","tag":"t\u202ex\n","bytes":0}`+
			"\n\n")
		leave()
		<-source.closed
	})
}

// However a live view ends, what it is given events from is closed.
func TestTailStreamEnds(t *testing.T) {
	for name, end := range map[string]func(s *Server, source *stream, leave func()){
		"the client leaves": func(_ *Server, _ *stream, leave func()) { leave() },
		"the server stops":  func(s *Server, _ *stream, _ func()) { s.end() },
		"a write fails": func(_ *Server, source *stream, _ func()) {
			source.pods <- client.TailPods{Pods: make([]client.TailPod, 10)}
		},
		"a write of a count fails": func(_ *Server, source *stream, _ func()) { source.missed <- 1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, source, _, leave := watching(t, len(": live\n\n"))
				end(s, source, leave)
				<-source.closed
				leave()
			})
		})
	}
}

// What can't be opened is refused with the code that fits, and words that steer no terminal.
func TestTailCodes(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code int
	}{
		{tail.ErrBusy, http.StatusServiceUnavailable},
		{fmt.Errorf("at is %q: %w", "\x1b[31m", tail.ErrNowhere), http.StatusNotFound},
		{fmt.Errorf("grep: %w", tail.ErrNotAllowed), http.StatusForbidden},
		{errors.New("tag: \x1b[31m is no pattern"), http.StatusBadRequest},
	} {
		s := New(Options{Log: zerolog.Nop(), Tail: refusing{tc.err}, Snapshot: func() Snapshot { return Snapshot{} }})
		w := httptest.NewRecorder()
		s.tail(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/tail", http.NoBody))
		if w.Code != tc.code || strings.ContainsRune(w.Body.String(), '\x1b') ||
			(w.Header().Get("Retry-After") != "") != (tc.code == http.StatusServiceUnavailable) {
			t.Errorf("%v: %d %q", tc.err, w.Code, w.Body)
		}
	}
}

// refusing opens nothing.
type refusing struct{ err error }

func (r refusing) Open(tail.Request) (tail.Stream, error) { return nil, r.err }

// Who asks for the header of what would go on without end gets it, and nobody looks.
func TestHeadOfStreams(t *testing.T) {
	for _, path := range []string{"/tail", "/live"} {
		s, hub, _ := tailServer(t)
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, path, http.NoBody)
		r.Host = "localhost"
		r.Header.Set("Authorization", "Bearer t0ken")
		s.http.Handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/event-stream" || w.Body.Len() > 0 {
			t.Errorf("HEAD %s: %d %v", path, w.Code, w.Header())
		}
		if hub.Watching() {
			t.Errorf("HEAD %s: somebody looks", path)
		}
	}
}
