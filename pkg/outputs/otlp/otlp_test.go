package otlp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/otlp/otlptest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const secret = "s3cr3t-t0ken"

func newOutput(t *testing.T, s *otlptest.Server, change func(*Config)) *Output {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg := Config{
		Common: outputs.Common{Timeout: time.Minute, Fields: event.Fields{Tag: "tag", Cluster: "cluster"}},
		Config: httpclient.Config{BearerToken: setting.NewSecret(secret), Compression: "gzip"},
		URL:    server.URL, Kubernetes: "kubernetes", EventHeaders: map[string]string{"X-Scope-OrgID": "{cluster}"},
	}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Log: zerolog.Nop(), Now: time.Now, Added: map[string]map[string]string{
		"added": {"region": "ap"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// number returns the n of a log record.
func number(t *testing.T, l *logs.LogRecord) int {
	t.Helper()
	n, ok := otlptest.Attributes(l)["n"].(int64)
	if !ok {
		t.Fatalf("a log record has no number: %v", l)
	}
	return int(n)
}

func numbers(t *testing.T, s *otlptest.Server) (all []int) {
	t.Helper()
	for _, r := range s.Records() {
		all = append(all, number(t, r.Log))
	}
	return all
}

func status(code int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		otlptest.Refuse(w, code, text+r.Header.Get("Authorization"))
		return true
	}
}

func TestContract(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"gzip": nil, "zstd": func(c *Config) { c.Compression = "zstd" },
		"none": func(c *Config) { c.Compression = "none" },
	} {
		t.Run(name, func(t *testing.T) {
			outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				s := otlptest.New(otlptest.Options{Token: secret, JSON: name == "none"})
				return &outputtest.Destination{
					Output:  newOutput(t, s, change),
					Numbers: func(t *testing.T) []int { t.Helper(); return numbers(t, s) },
					Break: func(after int) {
						s.SetFault(map[int]func(http.ResponseWriter, *http.Request) bool{
							0: status(503, ""), 1: status(429, "slow down"), 500: status(400, "x"),
							300_000: status(401, "who"), 1_000_000: status(500, "boom"),
						}[after])
					},
					Repair: func() { s.SetFault(nil) },
					Trouble: func(on bool) {
						if s.SetTenants("a", "b"); on {
							s.SetTenants("a")
						}
					},
					Secret: secret,
				}
			})
		})
	}
}

func TestOneTenant(t *testing.T) {
	outputtest.OneTarget(t, func(t *testing.T, code int) outputs.Output {
		t.Helper()
		s := otlptest.New(otlptest.Options{Token: secret})
		s.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
			return r.Header.Get("X-Scope-OrgID") == "bad" && status(code, "no")(w, r)
		})
		return newOutput(t, s, nil)
	})
}

func TestTableOfRefusals(t *testing.T) {
	outputtest.HoldRefusals(t, refusals(), []outputtest.Answer{
		{What: "not now", Status: 503},
		{What: "no OTLP over HTTP", Status: 415},
		{What: "a redirect", Status: 302},
		{What: "no valid login", Status: 401},
		{What: "no right", Status: 403},
		{What: "nothing at that URL", Status: 404},
		{What: "too large", Status: 413},
		{What: "too many requests", Status: 429},
		{What: "too slow, or away", Status: 408},
		{What: "an error there", Status: 500},
		{What: "not understood", Status: 400},
		{What: "anything else", Status: 100},
	}, "../../../docs/otlp.md")
}

// TestAnswers: what each answer means.
func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		status  int
		reason  outputs.Reason
		suspect bool
	}{
		{400, outputs.ReasonServer, true},
		{413, outputs.ReasonTooLarge, false},
		{429, outputs.ReasonThrottled, false},
		{500, outputs.ReasonServer, true},
		{502, outputs.ReasonServer, false},
		{503, outputs.ReasonServer, false},
		{504, outputs.ReasonServer, false},
		{401, outputs.ReasonAuth, false},
	} {
		t.Run(strconv.Itoa(tc.status), func(t *testing.T) {
			s := otlptest.New(otlptest.Options{})
			s.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
				if tc.status == 503 {
					w.Header().Set("Retry-After", "7")
				}
				return status(tc.status, "the reason ")(w, r)
			})
			o := newOutput(t, s, nil)
			defer o.Close()
			se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))))
			if se.Reason != tc.reason || se.Suspect != tc.suspect || se.Remedy == "" ||
				!strings.Contains(outputs.Whole(se.Error()), "the reason") || strings.Contains(se.Error(), secret) {
				t.Errorf("%+v", se)
			}
			if (se.RetryAfter == 7*time.Second) != (tc.status == 503) {
				t.Errorf("Retry-After: %v", se.RetryAfter)
			}
		})
	}
}

// TestPartialSuccess: none is sent again; where it is not told which were refused, so many are, in one letter.
func TestPartialSuccess(t *testing.T) {
	for _, tc := range []struct {
		name    string
		json    bool
		from    int // log records from this number on are refused
		refused int
	}{
		{"some", false, 7, 3},
		{"some, in JSON", true, 9, 1},
		{"all", false, 0, 10},
		{"none", false, 10, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := otlptest.New(otlptest.Options{JSON: tc.json})
			s.SetReject(func(l *logs.LogRecord) bool { return number(t, l) >= tc.from }, nil)
			o := newOutput(t, s, nil)
			defer o.Close()
			err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 10, 0, 10)))
			if (err != nil) != (tc.refused > 0) {
				t.Fatal(err)
			}
			if err == nil {
				return
			}
			se := outputs.AsSendError(err)
			if len(se.Failed) != tc.refused {
				t.Fatalf("%d events are named, want %d", len(se.Failed), tc.refused)
			}
			for i := range se.Failed {
				f := &se.Failed[i]
				if f.Reason != outputs.ReasonRejected || f.Unnamed != (tc.refused < 10) || f.Kind != partialSuccess ||
					!strings.HasPrefix(f.Detail, fmt.Sprintf("%d of 10 log records were refused", tc.refused)) ||
					!strings.Contains(f.Detail, "some are not taken") || f.Detail != se.Failed[0].Detail {
					t.Errorf("%+v", *f)
				}
			}
		})
	}
}

// TestResources: log records of one pod have one resource, with the names that OpenTelemetry has for it.
func TestResources(t *testing.T) {
	s := otlptest.New(otlptest.Options{})
	o := newOutput(t, s, func(c *Config) {
		c.Resource = map[string]string{"deployment.environment.name": "prod", "none": "{record.none}", "tag": "{tag}"}
	})
	defer o.Close()
	pod := func(name string) map[string]any {
		return map[string]any{"log": "x\n", "kubernetes": map[string]any{
			"namespace_name": "shop", "pod_name": name, "host": "node-1", "container_name": "web", "pod_id": "u",
			"labels": map[string]any{"app": "cart", "tier": "x"}, "docker_id": "d", "more": 1,
			"annotations": map[string]any{"a/b": "c"},
		}}
	}
	b := &outputs.Batch{}
	for i, name := range []string{"p1", "p2", "p1", "p1"} {
		b.Events = append(b.Events, eventOf(t, "added", pod(name)))
		b.Events[i].Pos = i
	}
	b.Events = append(b.Events, eventOf(t, "other", map[string]any{"log": "y", "kubernetes": "no map", "n": 1}))
	b.Bytes = 100
	if err := o.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got := s.Records()
	if len(got) != 5 || s.Resources() != 2 {
		t.Fatalf("%d log records, %d resources", len(got), s.Resources())
	}
	first, err := json.Marshal(got[0].Resource)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"container.id":"d","deployment.environment.name":"prod","k8s.cluster.name":"added",` +
		`"k8s.container.name":"web","k8s.namespace.name":"shop","k8s.node.name":"node-1",` +
		`"k8s.pod.annotation.a/b":"c","k8s.pod.label.app":"cart","k8s.pod.label.tier":"x","k8s.pod.name":"p1",` +
		`"k8s.pod.uid":"u","kubernetes.more":1,"region":"ap","service.name":"cart","tag":"t"}`
	if string(first) != want {
		t.Errorf("the resource is\n%s, want\n%s", first, want)
	}
	if got[3].Resource["k8s.pod.name"] != "p2" || len(otlptest.Attributes(got[0].Log)) != 1 {
		t.Errorf("%v, %v", got[3], otlptest.Attributes(got[0].Log))
	}
	last := got[4]
	if otlptest.Attributes(last.Log)["kubernetes"] != "no map" || last.Resource["k8s.cluster.name"] != "other" ||
		last.Tenant != "other" {
		t.Errorf("%+v", last)
	}
}

// TestTenants: events of different headers go in requests of their own, also where they come mixed.
func TestTenants(t *testing.T) {
	s := otlptest.New(otlptest.Options{})
	o := newOutput(t, s, nil)
	defer o.Close()
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 2, 0, 10), outputtest.Chunk(2, "b", "t", 2, 2, 10),
		outputtest.Chunk(3, "a", "t", 2, 4, 10))
	broken := outputtest.Broken(b.Events[0].Chunk)
	b.Events = slices.Insert(b.Events, 3, broken)
	se := outputs.AsSendError(o.Send(t.Context(), b))
	if len(se.Failed) != 1 || se.Failed[0].Index != 3 || se.Failed[0].Reason != outputs.ReasonRejected {
		t.Errorf("%+v", se)
	}
	got := numbers(t, s)
	if slices.Sort(got); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) {
		t.Errorf("it has %v", got)
	}
	for _, r := range s.Records() {
		if n := number(t, r.Log); r.Tenant != map[bool]string{true: "b", false: "a"}[n == 2 || n == 3] {
			t.Errorf("event %d is of tenant %s", n, r.Tenant)
		}
	}
}

func TestConnect(t *testing.T) {
	text := func(code int, kind, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", kind)
			http.Error(w, body, code)
			return true
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		fault  func(http.ResponseWriter, *http.Request) bool
		want   string
		bad    bool
	}{
		{"right", nil, nil, "takes log records", false},
		{"wrong token", func(c *Config) { c.BearerToken = setting.NewSecret("x") }, nil, "check the login", true},
		{"no right", nil, status(403, "no"), "403", true},
		{"another path", func(c *Config) { c.URL += "/else" }, nil, "is it the URL", true},
		{"a page", nil, func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusOK)
			return true
		}, "a proxy's login?", true},
		{"away", nil, status(503, "no exporter"), "503 Service Unavailable: \"no exporter", true},
		{"at its limits", nil, status(429, "slow down"), "try again later", true},
		{"it wants log records", nil, text(400, "text/plain", "empty"), "answers 400", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := otlptest.New(otlptest.Options{Token: secret})
			s.SetFault(tc.fault)
			o := newOutput(t, s, tc.change)
			defer o.Close()
			found, err := o.Connect(t.Context(), []string{"a"})
			if err != nil {
				found = outputs.Whole(err.Error())
			}
			if (err != nil) != tc.bad || !strings.Contains(found, tc.want) || strings.Contains(found, "\n") ||
				strings.Contains(found, secret) {
				t.Errorf("%s, want %q", found, tc.want)
			}
		})
	}
}

// TestConnectNoTLS: a URL without TLS where the server has it, and the other way.
func TestConnectNoTLS(t *testing.T) {
	s := otlptest.New(otlptest.Options{})
	secure, plain := httptest.NewTLSServer(s), httptest.NewServer(s)
	defer secure.Close()
	defer plain.Close()
	for _, tc := range []struct{ url, want string }{
		{"http" + strings.TrimPrefix(secure.URL, "https"), "https"},
		{"https" + strings.TrimPrefix(plain.URL, "http"), "TLS"},
		{secure.URL, "not trusted"},
		{"http://127.0.0.1:1", "refused"},
	} {
		o := newOutput(t, s, func(c *Config) { c.URL = tc.url })
		_, err := o.Connect(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q", err, tc.want)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"right", func(*Config) {}, ""},
		{"no scheme", func(c *Config) { c.URL = "collector:4318" }, "url"},
		{"a user", func(c *Config) { c.URL = "http://u:p@a" }, "url"},
		{"a fragment", func(c *Config) { c.URL = "http://a#b" }, "url"},
		{"a bad resource", func(c *Config) { c.Resource = map[string]string{"a": "{x}"} }, "resource.a"},
		{"a bad header", func(c *Config) { c.EventHeaders = map[string]string{"a b": "c"} }, "event_headers.a b"},
		{
			"a login", func(c *Config) { c.EventHeaders = map[string]string{"authorization": "c"} },
			"event_headers.authorization",
		},
		{"a bad value", func(c *Config) { c.EventHeaders = map[string]string{"a": "{"} }, "event_headers.a"},
		{"TLS without", func(c *Config) { c.TLS = new(setting.ClientTLS) }, "tls"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{URL: "http://a"}
			tc.change(&c)
			var r setting.Report
			c.Check(&r)
			var keys []string
			for _, p := range r.Problems {
				keys = append(keys, p.Key)
			}
			if got := strings.Join(keys, ","); got != tc.want {
				t.Errorf("%+v, want %q", r.Problems, tc.want)
			}
		})
	}
}

func TestURL(t *testing.T) {
	for given, want := range map[string]string{
		"http://a:4318": "http://a:4318/v1/logs", "http://a:4318/": "http://a:4318/v1/logs",
		"https://a/otlp/v1/logs": "https://a/otlp/v1/logs", "https://a?k=1": "https://a/v1/logs?k=1",
	} {
		if got, err := parseURL(given); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", given, got, err, want)
		}
	}
}
