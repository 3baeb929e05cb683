package elasticsearch

import (
	stdtls "crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

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
	const gone = "http://127.0.0.1:1" // a port that was free a moment ago may be another's by now
	answering := func(status int, text string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, text, status)
		}))
		t.Cleanup(s.Close)
		return s
	}
	// As what stands before a server with TLS says it, and a proxy.
	wantsTLS := answering(http.StatusBadRequest, "Client sent an HTTP request to an HTTPS server.")
	wantsLogin := answering(http.StatusProxyAuthRequired, "")
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
		{"http to https", []string{wantsTLS.URL}, nil, "", "it speaks TLS: write the host with https"},
		{"a proxy's login", []string{wantsLogin.URL}, nil, "", "give it its login, as proxy: http://user:"},
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
			cl := newTestClient(t,
				Config{Hosts: tc.hosts, Login: Login{Username: "agent", Password: setting.NewSecret("s3cr3t-")}},
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
