package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/otlp/otlptest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/splunkhec/splunktest"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// TestSendsCheck: check --connect says in a line what is wrong.
func TestSendsCheck(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	hec := splunktest.New(splunktest.Options{Token: sendsToken, Indexes: []string{"main"}, CheckEarly: true})
	receiver := otlptest.New(otlptest.Options{Token: sendsToken})
	plain := map[string]string{"splunk_hec": serve(t, hec, false), "otlp": serve(t, receiver, false)}
	secure := map[string]string{"splunk_hec": serve(t, hec, true), "otlp": serve(t, receiver, true)}
	for _, tc := range []struct{ kind, name, url, settings, want string }{
		{"splunk_hec", "right", plain["splunk_hec"], "token: " + sendsToken + ", index: main", "ok: "},
		{"splunk_hec", "a wrong port", "http://127.0.0.1:1", "token: x", "was refused: nothing listens there"},
		{"splunk_hec", "a wrong token", plain["splunk_hec"], "token: another", "check token"},
		// A server may reset the connection before its answer was read.
		{"splunk_hec", "plain on TLS", "http" + secure["splunk_hec"][5:], "token: x", "https"},
		{"splunk_hec", "TLS on plain", "https" + plain["splunk_hec"][4:], "token: x", "TLS"},
		{"splunk_hec", "an unknown authority", secure["splunk_hec"], "token: x", "tls.ca_file"},
		{
			"splunk_hec", "no such index", plain["splunk_hec"], "token: " + sendsToken + ", index: none",
			"index none is not there",
		},
		{"splunk_hec", "no acknowledgement", plain["splunk_hec"], "ack: true, token: " + sendsToken, "ack is true"},
		{"otlp", "right", plain["otlp"], "bearer_token: " + sendsToken, "ok: "},
		{"otlp", "a wrong port", "http://127.0.0.1:1", "timeout: 1m", "was refused: nothing listens there"},
		{"otlp", "a wrong token", plain["otlp"], "bearer_token: another", "check the login, or token"},
		{"otlp", "plain on TLS", "http" + secure["otlp"][5:], "timeout: 1m", "https"},
		{"otlp", "TLS on plain", "https" + plain["otlp"][4:], "timeout: 1m", "TLS"},
		{"otlp", "another path", plain["otlp"] + "/v2", "bearer_token: " + sendsToken, "is it the URL"},
	} {
		t.Run(tc.kind+"/"+tc.name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "a.yaml")
			text := fmt.Sprintf("outputs: {to: {type: %s, url: %q, %s}}\nroutes: [{match: '**', outputs: [to]}]\n",
				tc.kind,
				tc.url, tc.settings)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(path, "check", "--connect", "-c", config).CombinedOutput()
			found := 0
			for line := range strings.Lines(string(out)) {
				if strings.HasPrefix(line, "to: ") && strings.Contains(line, tc.want) {
					found++
				}
			}
			if found != 1 || (err == nil) != (tc.name == "right") || strings.Contains(string(out), sendsToken) {
				t.Errorf("%v, want a line with %q:\n%s", err, tc.want, out)
			}
		})
	}
	if n := hec.Count() + receiver.Count(); n > 0 {
		t.Errorf("check delivered %d events", n)
	}
}

func serve(t *testing.T, handler http.Handler, secure bool) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	if server.Start(); secure {
		server.Close()
		server = httptest.NewTLSServer(handler)
	}
	t.Cleanup(server.Close)
	return server.URL
}

// TestPartialSuccessLetter: log records that were refused without a name are counted, and one dead letter says how many
// of how many; it is shown, and can't be sent again.
func TestPartialSuccessLetter(t *testing.T) {
	receiver := otlptest.New(otlptest.Options{})
	receiver.SetReject(func(l *logs.LogRecord) bool {
		body, _ := otlptest.Body(l).(map[string]any)
		return body["poison"] != nil
	}, nil)
	s := start(t, t.TempDir(), patient(fmt.Sprintf(sendsConfig, "{type: otlp, url: "+serve(t, receiver, false))))
	agent := &harness.Agent{
		Name: "a", Tag: "a", Events: 40, Poison: 8, Limit: 40, Address: func() string { return s.Forward },
	}
	agent.Run(t.Context())
	s.Drained()
	ledger := s.Balanced()
	if got := receiver.Count(); got != 35 || ledger.Outputs[0].Dead != 5 || ledger.Outputs[0].Delivered != 35 {
		t.Errorf("%d log records there; %+v", got, ledger.Outputs[0])
	}
	list := command(t, nil, "dead", "list", "--status", "http://"+s.Status)
	var letters struct {
		Letters []struct{ ID json.Number }
	}
	s.Get("/dead-letters", &letters)
	if len(letters.Letters) != 1 {
		t.Fatalf("%d dead letters:\n%s", len(letters.Letters), list)
	}
	show := command(t, nil, "dead", "show", "--status", "http://"+s.Status, letters.Letters[0].ID.String())
	if !strings.Contains(show, "5 of 40 log records were refused") || strings.Count(list, "rejected") != 1 {
		t.Errorf("list:\n%s\nshow:\n%s", list, show)
	}
	s.stop()
}
