package e2e

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// TestStatusTLS asks the status endpoint over TLS by the commands, replaces its certificate while it runs, and shows
// that nothing is said to those who come without TLS or without trust.
func TestStatusTLS(t *testing.T) {
	dir := t.TempDir()
	ca := tlstest.NewCA(t, "authority")
	issue := func() tlstest.Pair { return ca.Issue(t, tlstest.Spec{DNS: []string{"localhost"}}) }
	pair := issue()
	certFile, keyFile := pair.Files(t)
	s := start(t, dir, `
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
unrouted: dead_letter
outputs: {files: {type: file, path: "%[1]s/out", batch: {max_wait: 10ms}}}
routes: [{match: app, outputs: [files]}]
status: {address: "127.0.0.1:`+strings.TrimPrefix(freeAddress(t), "127.0.0.1:")+`", token: t0ken, tls: {cert_file: `+
		certFile+`, key_file: `+keyFile+`}}
log: {format: json}
`)
	shown := ""
	agent := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12,
		VerifyConnection: func(state tls.ConnectionState) error {
			shown = state.PeerCertificates[0].SerialNumber.String()
			return nil
		},
	}}}
	status := func() (all struct{ Certificates []struct{ Owner string } }) {
		t.Helper()
		reply, err := agent.Get("https://" + s.Status + "/status")
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		if err := json.NewDecoder(reply.Body).Decode(&all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if c := status().Certificates; len(c) != 1 || c[0].Owner != "status" || shown != pair.Leaf.SerialNumber.String() {
		t.Errorf("certificates: %v, shown %s", c, shown)
	}
	command(t, strings.NewReader("{\"n\":1}\n"), "send", "--address", s.Forward, "--tag", "unrouted", "--ack")
	if list := command(t, nil, "dead", "list", "-c", s.config); !strings.Contains(list, "unrouted") {
		t.Errorf("dead list -c: %s", list)
	}
	if list := command(
		t, nil, "dead", "list", "--status", "https://localhost:"+strings.TrimPrefix(s.Status, "127.0.0.1:"),
		"--ca-file", ca.File(t), "--token", "t0ken",
	); !strings.Contains(list, "unrouted") {
		t.Errorf("dead list --ca-file: %s", list)
	}
	for _, tc := range []struct{ address, want string }{
		{"http://" + s.Status, "HTTP request to an HTTPS server"}, {"https://" + s.Status, "x509: "},
	} {
		path, _ := binary() // built by now
		out, err := exec.CommandContext(t.Context(), path, "dead", "list", "--status", tc.address).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tc.want) {
			t.Errorf("%s: %v %s, want %s", tc.address, err, out, tc.want)
		}
	}
	fresh := issue()
	tlstest.Write(t, certFile, fresh.CertPEM)
	tlstest.Write(t, keyFile, fresh.KeyPEM)
	_ = s.Signal(syscall.SIGHUP)
	s.eventually("the new certificate", func() bool { status(); return shown == fresh.Leaf.SerialNumber.String() })
	s.stop()
}
