package flags

import (
	"bytes"
	"crypto/tls"
	"io"
	"log" //nolint:depguard // http.Server takes no other logger
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEndpointClient(t *testing.T) {
	dir := t.TempDir()
	everywhere := write(t, dir, "everywhere.yaml", `status: {address: "0.0.0.0:9999", token: fromconfig}`)
	users := write(t, dir, "users.yaml", `status: {address: "10.0.0.7:9880", users: [{name: ops, password: "p@ss"}]}`)
	token := write(t, dir, "token", "fromfile\n")
	for _, tc := range []struct {
		f                       Server
		address, token, warning string
	}{
		{Server{}, "http://127.0.0.1:9880", "fromenv", ""},
		{Server{Config: Config{[]string{everywhere}}}, "http://127.0.0.1:9999", "fromconfig", ""},
		{
			Server{Config: Config{[]string{users}}},
			"http://ops:p%40ss@10.0.0.7:9880", "",
			"10.0.0.7:9880 unencrypted",
		},
		{Server{Endpoint: Endpoint{status: "agg:80", token: "t"}}, "http://agg:80", "t", "agg:80 unencrypted"},
		{Server{Endpoint: Endpoint{status: "https://agg/x", tokenFile: token}}, "https://agg/x", "fromfile", ""},
		{Server{Endpoint: Endpoint{status: "localhost:1", user: "me"}}, "http://me:fromenv@localhost:1", "", ""},
		{
			Server{Config: Config{[]string{everywhere}}, Endpoint: Endpoint{user: "me", passwordFile: token}},
			"http://me:fromfile@127.0.0.1:9999", "", "",
		},
	} {
		tc.f.Getenv = func(string) (string, bool) { return "fromenv", true }
		cfg, err := tc.f.Load(&tc.f.Config, false, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var warnings bytes.Buffer
		c, err := tc.f.Client(cfg, &warnings)
		if err != nil || c.Address != tc.address || c.Token.Reveal() != tc.token {
			t.Errorf("%s with %q: %v", c.Address, c.Token.Reveal(), err)
		}
		if got := warnings.String(); (got == "") != (tc.warning == "") || !strings.Contains(got, tc.warning) ||
			strings.Contains(got, "from") {
			t.Errorf("%s: warned %q, want %q", c.Address, got, tc.warning)
		}
	}
	for address, want := range map[string]string{
		":9880": "127.0.0.1:9880", "[::]:1": "127.0.0.1:1", "[::1]:1": "[::1]:1", "agg:5": "agg:5",
		"10.0.0.1:6": "10.0.0.1:6",
	} {
		if got := reachable(address); got != want {
			t.Errorf("%s is reached at %s, want %s", address, got, want)
		}
	}
}

func TestEndpointFlags(t *testing.T) {
	for name, e := range map[string]Endpoint{
		"give one of them":        {token: "t", user: "u"},
		"give --user too":         {passwordFile: "p"},
		"give both":               {certFile: "c"},
		"--cert-file and":         {certFile: "/nowhere", keyFile: "/nowhere"},
		"--ca-file":               {caFile: "/nowhere"},
		"--password-file":         {user: "u", passwordFile: "/nowhere"},
		"must be in AGGREGATOR_S": {user: "u"},
		"must be a URL":           {status: "ftp://x"},
	} {
		e.Getenv = func(string) (string, bool) { return "", false }
		err := e.Check()
		if err == nil {
			_, err = e.Client(nil, new(bytes.Buffer))
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
}

// Over TLS: whom the command trusts, and that it takes its token nowhere else.
func TestEndpointTLS(t *testing.T) {
	dir := t.TempDir()
	ca := tlstest.NewCA(t, "authority")
	pair := ca.Issue(t, tlstest.Spec{DNS: []string{"aggregator.example"}})
	certFile, keyFile := pair.Files(t)

	var followed int
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed++ }))
	defer elsewhere.Close()
	serve := func(pair tlstest.Pair) (address string) {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer t" {
				t.Errorf("sent %q", r.Header.Get("Authorization"))
			}
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair.Certificate(t)}}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	address, other := serve(pair), serve(ca.Issue(t, tlstest.Spec{DNS: []string{"other.example"}}))
	configured := func(address string) string {
		return write(t, dir, "c.yaml",
			`{status: {address: "`+address+`", token: t, tls: {cert_file: "`+certFile+`", key_file: "`+keyFile+`"}}}`)
	}
	const redirected = "refused: 307"
	for _, tc := range []struct {
		name, want string
		config     string
		e          Endpoint
	}{
		{"the configuration's certificate", redirected, address, Endpoint{}},
		{"another's, at the configured address", "another certificate than", other, Endpoint{}},
		{"no authority is known", "x509: ", "", Endpoint{status: "https://" + address, token: "t"}},
		{
			"the authority, of another name", "127.0.0.1", "",
			Endpoint{status: "https://" + address, token: "t", caFile: ca.File(t)},
		},
		{"not verified", redirected, "", Endpoint{status: "https://" + address, token: "t", insecure: true}},
	} {
		f := Server{Endpoint: tc.e}
		f.Getenv = func(string) (string, bool) { return "", false }
		if tc.config != "" {
			f.Config.Given = []string{configured(tc.config)}
		}
		cfg, err := f.Load(&f.Config, false, t.Output())
		if err != nil {
			t.Fatal(err)
		}
		c, err := f.Client(cfg, t.Output())
		if err != nil {
			t.Fatal(err)
		}
		if err = c.Get(t.Context(), "queue", nil, new(client.Queue)); err == nil ||
			!strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
	if followed > 0 {
		t.Error("a redirection was followed")
	}
}

// TestAskTellsWhatItTook: without a configuration it is the defaults' address that is asked, and that is said.
func TestAskTellsWhatItTook(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AGGREGATOR_CONFIG", "")
	var f Endpoint
	for _, tc := range []struct {
		status string
		all    bool
		want   string
	}{
		{want: "configuration: the defaults (no -c, no AGGREGATOR_CONFIG, no aggregator.yaml here)\n"},
		{status: "http://127.0.0.1:1"},
		{all: true}, // a directory of its own
	} {
		var notes bytes.Buffer
		f.status = tc.status
		if cfg, err := f.Load(&Config{}, tc.all, &notes); cfg != nil || err != nil || notes.String() != tc.want {
			t.Errorf("%+v: %v, %v, %q", tc, cfg, err, notes.String())
		}
	}
}
