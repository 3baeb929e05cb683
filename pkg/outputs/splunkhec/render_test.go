package splunkhec

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/splunkhec/splunktest"
)

// TestObjects: what stands around an event, and the event.
func TestObjects(t *testing.T) {
	at := event.Time{Sec: 1763720100, Nsec: 120_345_678}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		record map[string]any
		time   event.Time
		want   string
	}{
		{
			"all of it", func(*Config) {},
			map[string]any{"a": 1},
			at,
			`{"time":1763720100.120345,"event":{"a":1,"tag":"t"}}`,
		},
		{
			"whole seconds", func(*Config) {},
			map[string]any{"a": 1},
			event.Time{Sec: 5},
			`{"time":5,"event":{"a":1,"tag":"t"}}`,
		},
		{
			"no time", func(*Config) {},
			map[string]any{"a": 1},
			event.Time{Sec: -5},
			`{"event":{"a":1,"tag":"t"}}`,
		},
		{
			"what stands around it", func(c *Config) {
				c.Index, c.Host, c.Source, c.SourceType = "Logs-{record.a}", "h", "{tag}", `{record.none|x"y}`
			},
			map[string]any{"a": "B/c"},
			event.Time{},
			`{"index":"Logs-b_c","host":"h","source":"t","sourcetype":"x\"y","event":{"a":"B/c","tag":"t"}}`,
		},
		{
			"what has no value is left out", func(c *Config) {
				c.Host, c.IndexedFields = "{record.none}", map[string]string{
					"b": "{record.none}", "c": "{record.a}", "d": "{cluster}",
				}
			},
			map[string]any{"a": "1"},
			event.Time{},
			`{"event":{"a":"1","tag":"t"},"fields":{"c":"1","d":"k"}}`,
		},
		{
			"one field", func(c *Config) { c.Message = "log" },
			map[string]any{"log": "say \"a\"\nb\n"},
			event.Time{},
			`{"event":"say \"a\"\nb"}`,
		},
		{
			"the field is a map", func(c *Config) { c.Message = "log" },
			map[string]any{"log": map[string]any{"b": 1}},
			event.Time{},
			`{"event":"{\"b\":1}"}`,
		},
		{
			"the field is empty", func(c *Config) { c.Message = "log" },
			map[string]any{"log": "\n"},
			event.Time{},
			`{"event":{"log":"\n","tag":"t"}}`,
		},
		{
			"a line", func(c *Config) { c.Message, c.Endpoint = "log", endpointRaw },
			map[string]any{"log": "a\nb\n"},
			event.Time{},
			`a\nb` + "\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{Endpoint: "event"}
			c.Fields.Tag = "tag"
			tc.change(&c)
			r, err := newRenderer(&c, nil)
			if err != nil {
				t.Fatal(err)
			}
			record, err := msgpack.Marshal(tc.record)
			if err != nil {
				t.Fatal(err)
			}
			ev := &event.Event{Chunk: &event.Chunk{Cluster: "k", Tag: "t"}, Time: tc.time, Record: record}
			for range 2 {
				got, err := r.append([]byte("before"), ev)
				if err != nil || string(got) != "before"+tc.want {
					t.Errorf("%s, %v, want %s", got, err, tc.want)
				}
			}
			broken := outputtest.Broken(ev.Chunk)
			if got, err := r.append([]byte("before"), &broken); c.Message == "" &&
				(err == nil || string(got) != "before") {
				t.Errorf("a broken event: %q, %v", got, err)
			}
		})
	}
}

// TestRawLines: lines of different sources go in requests of their own.
func TestRawLines(t *testing.T) {
	s := splunktest.New(splunktest.Options{Token: secret, Ack: true})
	o := newOutput(t, s, func(c *Config) {
		c.Endpoint, c.Message, c.Source, c.SourceType, c.Index = endpointRaw, "n", "{tag}", "a b", "{cluster}"
	})
	defer o.Close()
	if err := o.Send(t.Context(), outputtest.Batch(
		outputtest.Chunk(1, "a", "t", 2, 0, 10), outputtest.Chunk(2, "a", "u", 1, 2, 10),
	)); err != nil {
		t.Fatal(err)
	}
	got := s.Events()
	if len(got) != 3 || got[2].Source != "u" || got[0].Source != "t" || got[0].SourceType != "a b" ||
		got[0].Index != "a" || !got[0].Raw || got[2].Event != "2" {
		t.Errorf("%+v", got)
	}
}

func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"right", func(*Config) {}, ""},
		{"its path", func(c *Config) { c.URL = "https://a:8088/x/services/collector/event" }, ""},
		{"another path", func(c *Config) { c.URL = "https://a:8088/services/collector/health" }, "url"},
		{"no scheme", func(c *Config) { c.URL = "splunk:8088" }, "url"},
		{"a user", func(c *Config) { c.URL = "https://u:p@splunk:8088" }, "url"},
		{"a query", func(c *Config) { c.URL = "https://splunk:8088?x" }, "url"},
		{"a bad token", func(c *Config) { c.Token = setting.NewSecret("a b") }, "token"},
		{
			"a login of its own", func(c *Config) {
				c.Headers = map[string]setting.Secret{"authorization": setting.NewSecret("x")}
			},
			"headers.authorization",
		},
		{"a bad index", func(c *Config) { c.Index = "{" }, "index"},
		{"a bad field", func(c *Config) { c.IndexedFields = map[string]string{"a": "{x}"} }, "indexed_fields.a"},
		{"a bad message", func(c *Config) { c.Message = "{" }, "message"},
		{
			"fields of lines", func(c *Config) {
				c.Endpoint, c.IndexedFields = endpointRaw, map[string]string{"a": "b"}
			},
			"indexed_fields",
		},
		{"TLS without", func(c *Config) { c.URL, c.TLS = "http://a", new(setting.ClientTLS) }, "tls"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{URL: "https://a", Token: setting.NewSecret("x"), Endpoint: "event"}
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

func TestConnect(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(*Config)
		options splunktest.Options
		set     func(*splunktest.Server)
		want    string
		bad     bool
	}{
		{name: "right", options: splunktest.Options{Ack: true}, want: "which has indexer acknowledgement"},
		{name: "no acknowledgement", want: "has no indexer acknowledgement"},
		{
			name: "it has to have", change: func(c *Config) { c.Ack = ackAlways }, want: "ack is true", bad: true,
		},
		{
			name: "wrong token", set: func(s *splunktest.Server) { s.SetToken("x") }, want: "check token", bad: true,
		},
		{
			name: "disabled", set: func(s *splunktest.Server) { s.SetDisabled(true) }, want: "Token disabled",
			bad: true,
		},
		{name: "busy", set: func(s *splunktest.Server) { s.SetBusy(true) }, want: "503", bad: true},
		{
			name: "no index", options: splunktest.Options{Indexes: []string{"logs-a"}, CheckEarly: true},
			change: func(c *Config) { c.Index = "logs-{cluster}" }, want: "index logs-b is not there", bad: true,
		},
		{
			name: "an index that can't be asked about", options: splunktest.Options{Indexes: []string{"logs-a"}},
			change: func(c *Config) { c.Index = "logs-{cluster}" }, want: "may show with its first event only",
		},
		{
			name: "not Splunk", set: func(s *splunktest.Server) { s.SetFault(status(404, "x")) },
			want: "is it the URL", bad: true,
		},
		{
			name: "an answer of something else", set: func(s *splunktest.Server) { s.SetFault(status(200, "x")) },
			want: "is it the URL", bad: true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.options.Token = secret
			s := splunktest.New(tc.options)
			if tc.set != nil {
				tc.set(s)
			}
			o := newOutput(t, s, tc.change)
			defer o.Close()
			found, err := o.Connect(t.Context(), []string{"a", "b"})
			if err != nil {
				found = err.Error()
			}
			if (err != nil) != tc.bad || !strings.Contains(found, tc.want) || strings.Contains(found, "\n") ||
				strings.Contains(found, secret) {
				t.Errorf("%s, want %q", found, tc.want)
			}
			if s.Count() > 0 {
				t.Errorf("%d events were delivered", s.Count())
			}
		})
	}
}

// TestConnectNoTLS: a URL without TLS where the server has it, and the other way.
func TestConnectNoTLS(t *testing.T) {
	s := splunktest.New(splunktest.Options{Token: secret})
	secure := httptest.NewUnstartedServer(s)
	secure.Config.ErrorLog = nil
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(s)
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

// FuzzReply: whatever is answered, only the collector's own words that all was taken are taken for that.
func FuzzReply(f *testing.F) {
	f.Add(200, "application/json", `{"text":"Success","code":0,"ackId":1}`)
	f.Add(400, "application/json", `{"text":"Invalid data format","code":6,"invalid-event-number":2}`)
	f.Add(200, "text/html", `{"code":0}`)
	f.Add(200, "application/json", `{"acks":{"0":true}}`)
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		r := readReply(&httpclient.Answer{Status: status, Kind: kind, Body: []byte(body)})
		var coded struct{ Code *int }
		whole := json.Unmarshal([]byte(body), &coded) == nil && coded.Code != nil
		if r.taken() && (!whole || status/100 != 2 || kind == "text/html") {
			t.Errorf("%d %s %q is taken for a delivery", status, kind, body)
		}
		if refusals().Find(status, r.kind(), "") == nil {
			t.Error("nothing follows from it")
		}
	})
}

// A status is no delivery where a page says it.
func TestPage(t *testing.T) {
	s := splunktest.New(splunktest.Options{Token: secret})
	s.SetFault(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusOK)
		return true
	})
	o := newOutput(t, s, func(c *Config) { c.Ack = ackNever })
	defer o.Close()
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 10))); err == nil {
		t.Error("a page is taken for a delivery")
	}
}
