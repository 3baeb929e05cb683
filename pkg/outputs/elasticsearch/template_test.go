package elasticsearch

import (
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

var update = flag.Bool("update", false, "write the golden files")

func templateConfig(url string) Config {
	return Config{
		Common: outputs.Common{Fields: event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}},
		Hosts:  []string{url}, Index: "logs-{cluster}-%Y.%m.%d", Flavor: "auto",
		Template: Template{Manage: true, Priority: 200, TimeType: "date_nanos", Shards: new(2), Replicas: new(1)},
	}
}

const templatePath = "/_index_template/aggregator-logs"

// prepared runs a new client's prepare and returns its notices.
func prepared(t *testing.T, cfg Config) string {
	t.Helper()
	cl := newTestClient(t, cfg, Options{})
	if err := cl.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	var r outputs.Report
	cl.report(&r)
	return strings.Join(r.Notices, "; ")
}

func TestTemplateIsMade(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options elastictest.Options
		path    string
		change  func(*Config)
		notice  string
	}{
		{"composable", elastictest.Options{}, templatePath, nil, ""},
		{"opensearch", elastictest.Options{Product: elastictest.OpenSearch}, templatePath, nil, ""},
		{
			"data_stream",
			elastictest.Options{},
			templatePath,
			func(c *Config) { c.DataStream, c.Fields.Tag = true, "" }, "",
		},
		{
			"no_ilm",
			elastictest.Options{},
			templatePath, func(c *Config) { c.Template.ILMPolicy = "logs" },
			"no index lifecycle management",
		},
		{
			"opensearch_ilm",
			elastictest.Options{Product: elastictest.OpenSearch},
			templatePath,
			func(c *Config) { c.Template.ILMPolicy = "logs" }, "ism_template",
		},
		{"typed", elastictest.Options{Product: elastictest.Legacy}, "/_template/aggregator-logs", nil, ""},
		{
			"before_7_8",
			elastictest.Options{Product: elastictest.Legacy, Version: "7.7.1"},
			"/_template/aggregator-logs", nil, "",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := elastictest.New(tc.options)
			n := newNode(t, s.Handler())
			cfg := templateConfig(n.url)
			if tc.change != nil {
				tc.change(&cfg)
			}
			notices := prepared(t, cfg)
			if (notices == "") != (tc.notice == "") || !strings.Contains(notices, tc.notice) {
				t.Errorf("notices: %q, want %q", notices, tc.notice)
			}
			golden(t, tc.name, s.Template(tc.path))
			before := n.requests.Load()
			prepared(t, cfg)
			if again := n.requests.Load() - before; again > 2 {
				t.Errorf("%d requests when it was there already", again)
			}
		})
	}
}

func golden(t *testing.T, name string, got json.RawMessage) {
	t.Helper()
	var value any
	if err := json.Unmarshal(got, &value); err != nil {
		t.Fatalf("the template %s: %v", got, err)
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	file := filepath.Join("testdata", "template_"+name+".json")
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(text) {
		t.Errorf("the template is\n%s\nwant\n%s", text, want)
	}
}

func TestTemplateOfSomebodyElse(t *testing.T) {
	const theirs = `{"index_patterns":["logs-*"],"priority":1}`
	s := elastictest.New(elastictest.Options{})
	s.SetTemplate(templatePath, json.RawMessage(theirs))
	cfg := templateConfig(newNode(t, s.Handler()).url)
	if notices := prepared(t, cfg); !strings.Contains(notices, "somebody else") {
		t.Errorf("notices: %q", notices)
	}
	if got := string(s.Template(templatePath)); got != theirs {
		t.Errorf("it was replaced: %s", got)
	}
	cfg.Template.Overwrite = true
	prepared(t, cfg)
	if got := string(s.Template(templatePath)); !strings.Contains(got, `"managed_by":"aggregator"`) ||
		strings.Contains(got, `"logs-*"`) {
		t.Errorf("it was to be replaced: %s", got)
	}
}

func TestTemplateFollowsSettings(t *testing.T) {
	s := elastictest.New(elastictest.Options{})
	cfg := templateConfig(newNode(t, s.Handler()).url)
	prepared(t, cfg)
	cfg.Template.Shards = new(5)
	cfg.Index = "logs-{cluster}-%Y"
	prepared(t, cfg)
	got := string(s.Template(templatePath))
	for _, want := range []string{`"number_of_shards":5`, `"index_patterns":["logs-*-*","logs-*-*.*.*"]`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestTemplateOfEverything(t *testing.T) {
	for _, index := range []string{"{cluster}-logs", ".{tag}", "%Y"} {
		s := elastictest.New(elastictest.Options{})
		n := newNode(t, s.Handler())
		cfg := templateConfig(n.url)
		cfg.Index = index
		if notices := prepared(t, cfg); !strings.Contains(notices, "does not begin with a literal") ||
			n.requests.Load() != 0 {
			t.Errorf("%s: %q, %d requests", index, notices, n.requests.Load())
		}
	}
}

// A server that says no for good gets events without a template; one that may yet say yes is asked again.
func TestTemplateRefused(t *testing.T) {
	for _, tc := range []struct {
		status int
		reason outputs.Reason // "": a notice
	}{
		{400, ""},
		{403, ""},
		{405, ""},
		{401, outputs.ReasonAuth},
		{429, outputs.ReasonThrottled},
		{500, outputs.ReasonServer},
		{503, outputs.ReasonServer},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			s := elastictest.New(elastictest.Options{}).Handler()
			broken := true
			n := newNode(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if broken && r.URL.Path != "/" && r.Method == method {
					w.Header().Set("Retry-After", "7")
					w.WriteHeader(tc.status)
					_, _ = w.Write([]byte(`{"error":{"type":"the_type","reason":"the reason"}}`))
					return
				}
				s.ServeHTTP(w, r)
			}))
			cl := newTestClient(t, templateConfig(n.url), Options{})
			err := cl.prepare(t.Context())
			var r outputs.Report
			cl.report(&r)
			var se *outputs.SendError
			switch {
			case tc.reason == "" &&
				(err != nil || len(r.Notices) != 1 || !strings.HasSuffix(r.Notices[0], ": the_type")):
				t.Errorf("%s %d: %v, notices %q", method, tc.status, err, r.Notices)
			case tc.reason != "" &&
				(!errors.As(err, &se) || se.Reason != tc.reason || se.Status != tc.status ||
					se.RetryAfter.Seconds() != 7):
				t.Errorf("%s %d: %#v", method, tc.status, err)
			}
			broken = false
			if err := cl.prepare(t.Context()); err != nil {
				t.Errorf("%s %d: then %v", method, tc.status, err)
			}
		}
	}
}

// What is absent is the server's to decide, and Elastic Serverless takes neither shards nor replicas.
func TestShardsAndReplicas(t *testing.T) {
	for _, tc := range []struct {
		name             string
		shards, replicas *int
		serverless       bool
		want             string
	}{
		{"absent", nil, nil, false, `{}`},
		{"both", new(2), new(0), false, `{"number_of_replicas":0,"number_of_shards":2}`},
		{"replicas alone", nil, new(0), false, `{"number_of_replicas":0}`},
		{"absent, on Serverless", nil, nil, true, `{}`},
		{"both, on Serverless", new(2), new(0), true, `{}`},
	} {
		c := &client{cfg: Config{Template: Template{Shards: tc.shards, Replicas: tc.replicas}}}
		inner := (&template{client: c}).inner(server{flavor: elasticsearch, major: 8, serverless: tc.serverless}, "")
		text, err := json.Marshal(inner["settings"].(object)["index"])
		if err != nil || string(text) != tc.want {
			t.Errorf("%s: %s (%v), want %s", tc.name, text, err, tc.want)
		}
	}
	s, _, _, err := decide(auto, true, "application/json",
		[]byte(`{"version":{"number":"8.11.0","build_flavor":"serverless"},"tagline":"x"}`))
	if err != nil || !s.serverless {
		t.Errorf("Serverless is taken for %+v (%v)", s, err)
	}
}
