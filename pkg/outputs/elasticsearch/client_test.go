package elasticsearch

import (
	"bytes"
	"context"
	stdtls "crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
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

// Where all hosts rest, one is probed at once for each request, and the request itself does not go
// anywhere until one answers.
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
	mute := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return "http://" + l.Addr().String()
	}
	clk := &clock{}
	good := newNode(t, elastictest.New(elastictest.Options{}).Handler())
	cfg := Config{Hosts: []string{mute(), mute(), good.url}, Template: Template{Manage: true}}
	cfg.Timeout = time.Second
	cl := newTestClient(t, cfg, Options{Now: clk.now})
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
		{"user", Config{Username: "u", Password: setting.NewSecret("p w")}, "Basic dTpwIHc="},
		{"key as id:key", Config{APIKey: setting.NewSecret("id:key\n")}, "ApiKey aWQ6a2V5"},
		{"key encoded", Config{APIKey: setting.NewSecret("aWQ6a2V5")}, "ApiKey aWQ6a2V5"},
		{"token", Config{BearerToken: setting.NewSecret("abc\n")}, "Bearer abc"},
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

func TestFlavors(t *testing.T) {
	root := func(number, more string) string {
		return fmt.Sprintf(`{"name":"n","version":{"number":%q%s},"tagline":"You Know, for Search"}`, number, more)
	}
	const proved = product
	for _, tc := range []struct {
		name, flavor, header string
		status               int
		body                 string
		want                 server
		err                  string // part of it; "": none
		reason               outputs.Reason
		notice               string
	}{
		{
			"8", "auto", proved, 200, root("8.14.3", ""),
			server{elasticsearch, "8.14.3", 8, 14, false, false},
			"", "",
			"",
		},
		{
			"9", "", proved, 200, root("9.1.0-SNAPSHOT", ""),
			server{elasticsearch, "9.1.0-SNAPSHOT", 9, 1, false, false},
			"", "", "",
		},
		{
			"no header", "auto", "", 200, root("8.14.3", ""),
			server{elasticsearch, "8.14.3", 8, 14, false, false},
			"",
			"", "X-Elastic-Product",
		},
		{
			"no header, required", "elasticsearch", "", 200, root("8.14.3", ""),
			server{},
			"lacks the header",
			outputs.ReasonServer, "",
		},
		{"7.13", "auto", "", 200, root("7.13.4", ""), server{legacy, "7.13.4", 7, 13, false, false}, "", "", ""},
		{
			"7.14", "auto", proved, 200, root("7.14.0", ""),
			server{elasticsearch, "7.14.0", 7, 14, false, false},
			"",
			"", "",
		},
		{"6.4", "auto", "", 200, root("6.4.3", ""), server{legacy, "6.4.3", 6, 4, true, false}, "", "", ""},
		{"6.8 as told", "legacy", "", 200, root("6.8.23", ""), server{legacy, "6.8.23", 6, 8, true, false}, "", "", ""},
		{"5", "auto", "", 200, root("5.6.16", ""), server{}, "too old", outputs.ReasonServer, ""},
		{
			"OpenSearch", "auto", "", 200, root("2.15.0", `,"distribution":"opensearch"`),
			server{opensearch, "2.15.0", 2, 15, false, false},
			"", "", "",
		},
		{"OpenSearch as told", "opensearch", "", 404, "", server{flavor: opensearch}, "", "", ""},
		{
			"another product", "auto", "", 200, root("1.0.0", `,"distribution":"other"`),
			server{flavor: elasticsearch},
			"", "", `"other" 1.0.0, neither`,
		},
		{
			"a page", "auto", "", 200, "<html>\x1b[31mLog in</html>",
			server{},
			`text/html, not as Elasticsearch or OpenSearch do: "<html>\x1b[31mLog in</html>"; and POST /_bulk ` +
				`with 200 OK`, outputs.ReasonServer, "",
		},
		{"nothing", "auto", "", 200, "", server{flavor: elasticsearch}, "", "", "an empty reply"},
		{
			"strange version", "auto", "", 200, root("one", ""),
			server{flavor: elasticsearch},
			"", "",
			`the version "one"`,
		},
		{"bad request", "auto", "", 400, "what?", server{flavor: elasticsearch}, "", "", "400 Bad Request"},
		{
			"a page, required", "elasticsearch", "", 200, "<html>",
			server{},
			"lacks the header", outputs.ReasonServer,
			"",
		},
		{"not found, as told", "elasticsearch", "", 404, "", server{flavor: elasticsearch}, "", "", ""},
		{"not implemented", "auto", "", 501, "", server{}, "POST /_bulk with 501", outputs.ReasonServer, ""},
		{
			"forbidden", "auto", proved, 403, `{"error":{"type":"security_exception","reason":"no"}}`,
			server{flavor: elasticsearch},
			"", "", "privilege monitor",
		},
		{
			"unauthorized", "auto", proved, 401,
			`{"error":{"type":"security_exception","reason":"unable to authenticate"}}`,
			server{},
			"security_exception: unable to authenticate", outputs.ReasonAuth, "",
		},
		{"throttled", "auto", proved, 429, "", server{}, "429 Too Many Requests", outputs.ReasonThrottled, ""},
		{"wrong path", "auto", "", 404, "nothing here", server{}, "Check the URL's path", outputs.ReasonServer, ""},
		{"starting", "auto", "", 503, "", server{}, "503 Service Unavailable", outputs.ReasonServer, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tc.header != "" {
					w.Header().Set(productHeader, tc.header)
				}
				if strings.HasPrefix(tc.body, "<") {
					w.Header().Set("Content-Type", "text/html; charset=utf-8")
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer server.Close()
			cl := newTestClient(t, Config{Hosts: []string{server.URL}, Flavor: tc.flavor}, Options{})
			err := cl.prepare(t.Context())
			if tc.err != "" {
				var se *outputs.SendError
				if !errors.As(err, &se) || se.Reason != tc.reason ||
					!strings.Contains(outputs.Whole(err.Error()), tc.err) {
					t.Fatalf("%v, want %s: %s", err, tc.reason, tc.err)
				}
				if again := cl.prepare(t.Context()); again == nil {
					t.Error("the second prepare is content")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := cl.server(); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
			var r outputs.Report
			cl.report(&r)
			if notices := strings.Join(r.Notices, "; "); (tc.notice == "") != (notices == "") ||
				!strings.Contains(notices, tc.notice) {
				t.Errorf("notices %q, want %q", notices, tc.notice)
			}
		})
	}
}

// A server that knows bulk requests alone is delivered to, whatever its header, and told apart from a page
// in the place of a server that is not there.
func TestBulkOnly(t *testing.T) {
	for _, tc := range []struct {
		flavor string
		other  int
	}{{"auto", 404}, {"auto", 405}, {"auto", 501}, {"elasticsearch", 404}} {
		stored := atomic.Int64{}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				w.WriteHeader(tc.other)
				return
			}
			if n, _ := io.Copy(io.Discard, r.Body); n > 0 {
				stored.Add(1)
			}
			_, _ = io.WriteString(w, `{"errors":false,"items":[]}`)
		}))
		cl := newTestClient(t,
			Config{Hosts: []string{server.URL}, Flavor: tc.flavor, Template: Template{Manage: true, ILMPolicy: "p"}},
			Options{})
		if err := cl.prepare(t.Context()); err != nil {
			t.Errorf("%+v: %v", tc, err)
		}
		if _, err := ping(t, cl); err != nil || stored.Load() != 1 {
			t.Errorf("%+v: %d stored, %v", tc, stored.Load(), err)
		}
		server.Close()
	}
}

func TestConnect(t *testing.T) {
	ca := tlstest.NewCA(t, "a private CA")
	secure := func(h http.Handler, names ...string) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.TLS = &stdtls.Config{Certificates: []stdtls.Certificate{ca.Issue(t, tlstest.Spec{DNS: names}).Certificate(t)}}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	trusting := func(host string) *stdtls.Config {
		return &stdtls.Config{RootCAs: ca.Pool(), ServerName: host, MinVersion: stdtls.VersionTLS12}
	}
	healthy := elastictest.New(elastictest.Options{})
	good := newNode(t, healthy.Handler())
	tlsGood := secure(healthy.Handler())
	tlsOther := secure(healthy.Handler(), "es-http.logging.svc", "es-http")
	locked := elastictest.New(elastictest.Options{})
	locked.SetFaults(elastictest.Faults{Authorization: "Basic other"})
	lockedNode := newNode(t, locked.Handler())
	denied := elastictest.New(elastictest.Options{})
	denied.SetFaults(elastictest.Faults{Denied: "logs-a-*"})
	deniedNode := newNode(t, denied.Handler())
	open := newNode(t, elastictest.New(elastictest.Options{Product: elastictest.OpenSearch}).Handler())
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + closed.Addr().String()
	_ = closed.Close()
	for _, tc := range []struct {
		name  string
		hosts []string
		tls   func(string) *stdtls.Config
		found string // both are parts of the text
		err   string
	}{
		{
			"fine",
			[]string{good.url},
			nil,
			"Elasticsearch 8.14.3 at " + good.url + `, user "agent" may write logs-a-*, logs-b-*`, "",
		},
		{"with TLS", []string{tlsGood.URL}, trusting, "Elasticsearch 8.14.3", ""},
		{"OpenSearch", []string{open.url}, nil, "OpenSearch 2.15.0 at", ""},
		{
			"unknown authority",
			[]string{tlsGood.URL},
			nil, "",
			`signed by "CN=a private CA", which is not trusted: set tls.ca_file`,
		},
		{
			"another name",
			[]string{tlsOther.URL},
			trusting, "",
			"is for es-http.logging.svc, es-http, not for 127.0.0.1: set tls.server_name",
		},
		{
			"https to http",
			[]string{strings.Replace(good.url, "http:", "https:", 1)},
			trusting, "",
			"does not speak TLS",
		},
		{"refused", []string{gone}, nil, "", "was refused"},
		{"no such name", []string{"http://es-http.nowhere.invalid:9200"}, nil, "", "es-http.nowhere.invalid"},
		{
			"401",
			[]string{lockedNode.url},
			nil, "",
			"401 Unauthorized: security_exception: unable to authenticate user [agent] for REST request [/]: check " +
				"username and password",
		},
		{
			"privilege",
			[]string{deniedNode.url},
			nil, "",
			`user "agent" may not write logs-a-*: it lacks the privilege create_doc`,
		},
		{
			"one of two",
			[]string{good.url, gone},
			nil, "",
			"was refused: nothing listens there; check host and port, and that it runs; " + good.url + " can be used",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cl := newTestClient(t, Config{Hosts: tc.hosts, Username: "agent", Password: setting.NewSecret("s3cr3t-")},
				Options{TLS: tc.tls})
			found, err := cl.connect(t.Context(), []string{"a", "b"})
			if tc.err == "" && err != nil || tc.err != "" && err == nil {
				t.Fatalf("%q, %v", found, err)
			}
			text := found
			if err != nil {
				text = outputs.Whole(err.Error())
			}
			if !strings.Contains(text, tc.found+tc.err) || strings.ContainsAny(text, "\n\r") ||
				strings.Contains(text, "s3cr3t") {
				t.Errorf("%q, want %q", text, tc.found+tc.err)
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
