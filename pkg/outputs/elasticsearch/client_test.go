package elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// clock is a clock that a test sets.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time      { return time.Unix(0, c.at.Load()) }
func (c *clock) add(d time.Duration) { c.at.Add(int64(d)) }

// node is a server with a switch.
type node struct {
	url      string
	down     atomic.Int64 // the status that it answers with; 0: none
	requests atomic.Int64 // but GET /
	probes   atomic.Int64
}

func newNode(tb testing.TB, h http.Handler) *node {
	tb.Helper()
	n := &node{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			n.probes.Add(1)
		} else {
			n.requests.Add(1)
		}
		if code := n.down.Load(); code != 0 {
			w.WriteHeader(int(code))
			return
		}
		h.ServeHTTP(w, r)
	}))
	tb.Cleanup(server.Close)
	n.url = server.URL
	return n
}

func newTestClient(tb testing.TB, cfg Config, o Options) *client {
	tb.Helper()
	if cfg.Index == "" {
		cfg.Index = "logs-{cluster}-%Y"
	}
	c, err := newClient(cfg, o)
	if err != nil {
		tb.Fatal(err)
	}
	c.longestProbe = calm
	tb.Cleanup(c.close)
	return c
}

// ping sends a request and returns the reply's status, 0 with an error.
func ping(tb testing.TB, c *client) (int, error) {
	tb.Helper()
	res, _, err := c.call(tb.Context(), http.MethodPost, "/_bulk", []byte("{}"))
	if err != nil {
		return 0, err
	}
	return res.status, nil
}

func TestHostsTakeTurns(t *testing.T) {
	handler := elastictest.New(elastictest.Options{}).Handler()
	a, b, c := newNode(t, handler), newNode(t, handler), newNode(t, handler)
	clk := &clock{}
	cl := newTestClient(t, Config{Hosts: []string{a.url, b.url, c.url + "/"}}, Options{Now: clk.now})
	send := func(n int) {
		t.Helper()
		for range n {
			if _, err := ping(t, cl); err != nil {
				t.Fatal(err)
			}
			cl.probes.Wait()
		}
	}
	send(2) // a's, and the others are probed
	a.requests.Store(0)
	send(9)
	for i, n := range []*node{a, b, c} {
		if n.requests.Load() != 3 {
			t.Errorf("host %d had %d requests of 9", i, n.requests.Load())
		}
	}
	b.down.Store(http.StatusServiceUnavailable)
	send(3) // one of them is b's: its 503 is the caller's to see
	before := b.requests.Load()
	send(8)
	if got := b.requests.Load(); got != before || before != 4 {
		t.Errorf("b had %d, then %d requests, want 4: it rests", before, got)
	}
	var r outputs.Report
	cl.report(&r)
	if !r.Hosts[1].Down || !strings.Contains(r.Hosts[1].Error, "503") || r.Hosts[0].Down ||
		r.Server != "Elasticsearch 8.14.3" {
		t.Errorf("report: %+v", r)
	}
	clk.add(2 * time.Minute) // it is probed, and no request goes there
	probes := b.probes.Load()
	send(6)
	if b.requests.Load() != before || b.probes.Load() != probes+1 {
		t.Errorf("b had %d requests and %d more probes, want a probe alone", b.requests.Load()-before,
			b.probes.Load()-probes)
	}
	b.down.Store(0)
	clk.add(2 * time.Minute)
	send(6)
	if got := b.requests.Load(); got != before+2 {
		t.Errorf("b had %d requests of 6 when it worked again, want 2", got-before)
	}
	r = outputs.Report{}
	if cl.report(&r); r.Hosts[1].Down {
		t.Errorf("report: %+v", r.Hosts)
	}
}

// A host's wish to wait is that host's: others are sent to meanwhile, and where there is none it is the caller's to
// keep.
func TestRetryAfterIsTheHosts(t *testing.T) {
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		node := elastictest.New(elastictest.Options{}).Handler()
		var busy atomic.Bool
		a := newNode(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" && busy.Load() {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(status)
				return
			}
			node.ServeHTTP(w, r)
		}))
		b := newNode(t, node)
		clk := &clock{}
		set := outputs.Common{Retry: outputs.RetryConfig{Max: 30 * time.Second}}
		cl := newTestClient(t, Config{Common: set, Hosts: []string{a.url, b.url}}, Options{Now: clk.now})
		wish := func() string {
			t.Helper()
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "/_bulk", strings.NewReader("{}"))
			res, err := cl.perform(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			cl.probes.Wait()
			return res.Header.Get("Retry-After")
		}
		for range 4 {
			wish()
		}
		busy.Store(true)
		a.requests.Store(0)
		for range 8 {
			if w := wish(); w != "" {
				t.Errorf("%d: the wish of a host came through as %s", status, w)
			}
		}
		if n := a.requests.Load(); n != 1 {
			t.Errorf("%d: it had %d requests, want the one that it refused", status, n)
		}
		clk.add(31 * time.Second) // more than retry.max
		for range 4 {
			wish()
		}
		if n := a.requests.Load(); n != 2 {
			t.Errorf("%d: after retry.max it had %d requests in all, want 2", status, n)
		}
		cl.tryNow()
		for range 4 {
			wish()
		}
		if n := a.requests.Load(); n != 3 {
			t.Errorf("%d: after tryNow it had %d requests in all, want 3", status, n)
		}
		b.down.Store(http.StatusServiceUnavailable)
		wish()
		cl.tryNow()
		if w := wish(); w != "3600" {
			t.Errorf("%d: the wish of the only host that works is %q", status, w)
		}
	}
}

// A host that takes requests and answers none any more is given up where there is another, well before the time-out.
func TestHungHostIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := elastictest.New(elastictest.Options{}).Handler()
		var hangs atomic.Bool
		o := newPipedOutput(t, 10*time.Minute, map[string]http.Handler{
			"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if hangs.Load() {
					_, _ = io.Copy(io.Discard, r.Body)
					<-r.Context().Done()
					return
				}
				node.ServeHTTP(w, r)
			}),
			"b": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					time.Sleep(5 * watchEvery) // it is slow, but it lives
				}
				node.ServeHTTP(w, r)
			}),
		})
		for range 2 {
			if err := o.Send(t.Context(), batchOf("a")); err != nil {
				t.Fatal(err)
			}
		}
		hangs.Store(true)
		failed := 0
		for range 4 {
			begin := time.Now()
			if err := o.Send(t.Context(), batchOf("a")); err != nil {
				failed++
				if took := time.Since(begin); took != watchEvery+probeTimeout ||
					!strings.Contains(err.Error(), "answers neither the request nor another one beside it") {
					t.Errorf("after %s: %v", took, err)
				}
			}
		}
		if failed != 1 {
			t.Errorf("%d of 4 requests failed, want the one that hung", failed)
		}
	})
}

// Where all hosts rest, one is probed at once for each request, and the request itself does not go
// anywhere until one answers.
func TestAllHostsRest(t *testing.T) {
	handler := elastictest.New(elastictest.Options{}).Handler()
	a, b := newNode(t, handler), newNode(t, handler)
	a.down.Store(http.StatusBadGateway)
	b.down.Store(http.StatusBadGateway)
	cl := newTestClient(t, Config{Hosts: []string{a.url, b.url}}, Options{Now: (&clock{}).now})
	for i := range 5 {
		_, err := ping(t, cl)
		var answer *answerError
		if !errors.As(err, &answer) || !strings.Contains(err.Error(), "502") {
			t.Fatalf("try %d: %v", i, err)
		}
		if asSendError(err).Reason != outputs.ReasonServer {
			t.Errorf("reason %s", asSendError(err).Reason)
		}
	}
	if probes, requests := a.probes.Load()+b.probes.Load(), a.requests.Load()+b.requests.Load(); probes != 6 ||
		requests != 0 {
		t.Errorf("%d probes and %d requests, want 6 (two, then one each) and none", probes, requests)
	}
	a.down.Store(0)
	b.down.Store(0)
	if code, err := ping(t, cl); err != nil || code == 0 {
		t.Errorf("when they work again: %d, %v", code, err)
	}
}

// Hosts that take connections and never answer keep no request from the one that does.
func TestMuteHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts, dial := pipes(t, map[string]http.Handler{
			"a": nil, "b": nil, "good": elastictest.New(elastictest.Options{}).Handler(),
		})
		cfg := Config{Hosts: hosts, Template: Template{Manage: true}}
		cfg.Timeout = time.Second
		clk := &clock{}
		cl := newTestClient(t, cfg, Options{Now: clk.now})
		cl.longestProbe = cfg.Timeout / 2
		cl.http.Proxy, cl.http.DialContext = nil, dial
		prepare := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), cfg.Timeout)
			defer cancel()
			return cl.prepare(ctx)
		}
		for tries := 1; prepare() != nil; tries++ {
			if clk.add(time.Minute); tries > 3 {
				t.Fatal("it does not get ready")
			}
		}
		for range 3 {
			clk.add(2 * time.Minute) // both mute ones are due
			if _, err := ping(t, cl); err != nil {
				t.Error(err)
			}
		}
	})
}

// Requests wait for a probe that is under way, and none of them is sent twice.
func TestRequestsWaitForTheProbe(t *testing.T) {
	handler := elastictest.New(elastictest.Options{}).Handler()
	hold := make(chan struct{})
	n := newNode(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			<-hold
		}
		handler.ServeHTTP(w, r)
	}))
	cl := newTestClient(t, Config{Hosts: []string{n.url}}, Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := ping(t, cl); err != nil {
				t.Error(err)
			}
		})
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := cl.call(cancelled, http.MethodGet, "/x", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled request: %v", err)
	}
	close(hold)
	wg.Wait()
	if n.requests.Load() != 8 || n.probes.Load() > 3 {
		t.Errorf("%d requests, %d probes", n.requests.Load(), n.probes.Load())
	}
}

// A cancelled request says nothing about its host.
func TestCancelledRequest(t *testing.T) {
	began := make(chan struct{})
	handler := elastictest.New(elastictest.Options{}).Handler()
	n := newNode(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			_, _ = io.Copy(io.Discard, r.Body)
			close(began)
			<-r.Context().Done()
			return
		}
		handler.ServeHTTP(w, r)
	}))
	cl := newTestClient(t, Config{Hosts: []string{n.url}}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if _, _, err := cl.call(ctx, http.MethodPost, "/slow", []byte("{}")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	var r outputs.Report
	if cl.report(&r); r.Hosts[0].Down {
		t.Errorf("%+v", r.Hosts)
	}
}

func TestCredentials(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"none", Config{}, ""},
		{"user", Config{Login: Login{Username: "u", Password: setting.NewSecret("p w")}}, "Basic dTpwIHc="},
		{"key as id:key", Config{Login: Login{APIKey: setting.NewSecret("id:key\n")}}, "ApiKey aWQ6a2V5"},
		{"key encoded", Config{Login: Login{APIKey: setting.NewSecret("aWQ6a2V5")}}, "ApiKey aWQ6a2V5"},
		{"token", Config{Login: Login{BearerToken: setting.NewSecret("abc\n")}}, "Bearer abc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got, agent, path string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, agent, path = r.Header.Get("Authorization"), r.UserAgent(), r.URL.Path
				w.Header().Set(productHeader, product)
				_, _ = io.WriteString(w, `{"version":{"number":"8.14.3"}}`)
			}))
			defer server.Close()
			tc.cfg.Hosts = []string{server.URL + "/es/"}
			cl := newTestClient(t, tc.cfg, Options{})
			if err := cl.prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got != tc.want || agent != userAgent || path != "/es/" {
				t.Errorf("Authorization %q, User-Agent %q, path %q", got, agent, path)
			}
			var r outputs.Report
			cl.report(&r)
			if (len(r.Notices) > 0) != (tc.want != "") {
				t.Errorf("notices: %q", r.Notices)
			}
		})
	}
}

// A host that fails now and then is in the log once a minute, and works again as often as it was.
func TestFailingHostIsLoggedSeldom(t *testing.T) {
	var log bytes.Buffer
	clk := &clock{}
	cl := newTestClient(t, Config{Hosts: []string{"http://127.0.0.1:9"}},
		Options{Now: clk.now, Log: zerolog.New(&log).Level(zerolog.InfoLevel)})
	h := cl.hosts[0]
	for range 30 {
		cl.failed(h, errors.New("503"))
		cl.works(h)
		clk.add(10 * time.Second)
	}
	if failed, works := strings.Count(log.String(), "failed"),
		strings.Count(log.String(), "works again"); failed != 5 || works != 5 {
		t.Errorf("of 30 failures in five minutes %d are in the log, and %d times that it works:\n%s", failed, works,
			&log)
	}
}

// TestProxy: hosts are reached through the proxy that is set, whatever the environment says.
func TestProxy(t *testing.T) {
	proxy := outputtest.NewProxy(t)
	s := elastictest.New(elastictest.Options{})
	o := newOutput(t, s.Handler(), func(c *Config) { c.Proxy = proxy.URL })
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))); err != nil {
		t.Fatal(err)
	}
	if asked := proxy.Asked(); !slices.ContainsFunc(asked, func(
		to string,
	) bool {
		return strings.Contains(to, "/_bulk")
	}) {
		t.Errorf("the proxy was asked for %q", asked)
	}
}
