package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// check runs the command on a configuration and returns its exit code, what it said of the outputs, and its errors.
func check(t *testing.T, outputs string) (code int, lines, errs string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "aggregator.yaml")
	config := "buffer: {path: \"DIR/data\"}\noutputs:\n  it: " + outputs + "\n"
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	code = run(t.Context(), []string{"check", "--connect", "-c", file}, strings.NewReader(""), &out, &errOut)
	var said strings.Builder
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "it: ") {
			said.WriteString(line)
		}
	}
	return code, strings.ReplaceAll(said.String(), dir, "DIR"), errOut.String()
}

// serveElastic serves a made-up Elasticsearch, with TLS where certificate is set, and returns its address.
func serveElastic(t *testing.T, certificate *tls.Certificate, faults elastictest.Faults) (address string) {
	t.Helper()
	es := elastictest.New(elastictest.Options{})
	es.SetFaults(faults)
	server := httptest.NewUnstartedServer(es.Handler())
	server.Config.ErrorLog = nil
	if certificate != nil {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}}
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// serveForward accepts and closes, as a Forward server without a key does to one who has nothing to say.
func serveForward(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestCheckConnect(t *testing.T) {
	ca := tlstest.NewCA(t, "our authority")
	right, wrong := ca.Issue(t, tlstest.Spec{}).Certificate(t),
		ca.Issue(t, tlstest.Spec{DNS: []string{"es.example"}}).Certificate(t)
	const closed = "127.0.0.1:1" // where no process listens, unlike at a port that was closed
	elastic := func(url, more string) string {
		return `{type: elasticsearch, hosts: ["` + url + `"], index: "logs-{cluster}", timeout: 30s` + more + `}`
	}
	trust := `, tls: {ca_file: "` + ca.File(t) + `"}`
	up := serveForward(t)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>log in</html>")
	}))
	t.Cleanup(page.Close)
	plain := serveElastic(t, nil, elastictest.Faults{})
	secure := serveElastic(t, &right, elastictest.Faults{})
	for _, tc := range []struct {
		name, output string
		want         []string // parts of the line
		wrong        bool
	}{
		{
			"file", `{type: file, path: "DIR/out/{tag}"}`,
			[]string{"ok: may write to DIR/out, which the first event makes\n"},
			false,
		},
		{
			"file, no directory", `{type: file, path: "DIR/aggregator.yaml/{tag}"}`,
			[]string{"make a file in DIR/aggregator.yaml: not a directory (a file stands where"},
			true,
		},
		{"stdout", `{type: stdout}`, []string{"ok: nothing to reach\n"}, false},
		{"forward", `{type: forward, servers: ` + up + `}`, []string{"ok: connected to " + up + "\n"}, false},
		{
			"forward, refused", `{type: forward, servers: ` + closed + `}`,
			[]string{"server " + closed + ": the connection to", "was refused: nothing listens there"},
			true,
		},
		{
			"forward, one of two", `{type: forward, servers: [` + up + `, ` + closed + `]}`,
			[]string{"server " + closed + ": the connection to"},
			true,
		},
		{"Elasticsearch", elastic("http://"+plain, ""), []string{"ok: ", "Elasticsearch 8.14.3", plain}, false},
		{"Elasticsearch, TLS", elastic("https://"+secure, trust), []string{"ok: ", "Elasticsearch 8.14.3"}, false},
		{"Elasticsearch, no such host", elastic("http://es.invalid:9200", ""), []string{"es.invalid"}, true},
		{"Elasticsearch, refused", elastic("http://"+closed, ""), []string{closed, "refused"}, true},
		{
			"Elasticsearch, unknown authority", elastic("https://"+secure, ""),
			[]string{"our authority", "tls.ca_file"},
			true,
		},
		{
			"Elasticsearch, wrong name", elastic("https://"+serveElastic(t, &wrong, elastictest.Faults{}), trust),
			[]string{"es.example", "tls.server_name"},
			true,
		},
		{"Elasticsearch, no TLS there", elastic("https://"+plain, trust), []string{"does not speak TLS"}, true},
		{
			"Elasticsearch, 401",
			elastic(
				"http://"+serveElastic(t, nil, elastictest.Faults{Authorization: "Basic other"}),
				", username: elastic, password: sesame",
			),
			[]string{"401"},
			true,
		},
		{"Elasticsearch, a page", elastic(page.URL, ""), []string{page.Listener.Addr().String()}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, line, errs := check(t, tc.output)
			if want := map[bool]int{false: exitOK, true: exitFailed}[tc.wrong]; code != want {
				t.Errorf("exit code %d, want %d: %s", code, want, errs)
			}
			for _, part := range tc.want {
				if !strings.Contains(line, part) {
					t.Errorf("it says %q, want %q in it", line, part)
				}
			}
			if strings.Count(line, "\n") != 1 || strings.HasPrefix(line, "it: ok: ") == tc.wrong ||
				strings.Contains(line+errs, "sesame") {
				t.Errorf("it says %q and %q", line, errs)
			}
			if tc.wrong && !strings.Contains(errs, "1 of 1 outputs can't be reached") {
				t.Errorf("the error is %q", errs)
			}
		})
	}
	if code, _, errs := check(t, "{type: forward}"); code != exitUsage {
		t.Errorf("exit code %d for a configuration without servers, want %d: %s", code, exitUsage, errs)
	}
}

// TestMissingPrivileges are counted as what they are, not as outputs that can't be reached.
func TestMissingPrivileges(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/":
			_, _ = io.WriteString(w,
				`{"version":{"number":"8.14.3","build_flavor":"default"},"tagline":"You Know, for Search"}`)
		case strings.HasSuffix(r.URL.Path, "_has_privileges"):
			_, _ = io.WriteString(w,
				`{"username":"agent","has_all_requested":false,"cluster":{},"index":{"logs-default":{"create_`+
					`doc":false}}}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w,
				`{"error":{"type":"action_request_validation_exception","reason":"Validation Failed: 1: no `+
					`requests added;"}}`)
		}
	}))
	t.Cleanup(server.Close)
	code, line, errs := check(t,
		`{type: elasticsearch, hosts: ["`+server.URL+`"], index: "logs-{cluster}", username: agent, password: sesame}`)
	if code != exitFailed || !strings.Contains(
		line, `user "agent" may not write logs-default: it lacks the privilege create_doc`,
	) || errs != "aggregator: 1 of 1 outputs lack a privilege\n" {
		t.Errorf("exit code %d: %s%s", code, line, errs)
	}
}
