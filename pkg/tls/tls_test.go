package tls

import (
	stdtls "crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

func TestVersions(t *testing.T) {
	ca := tlstest.NewCA(t, "authority")
	pair := ca.Issue(t, tlstest.Spec{})
	cert, key := pair.Files(t)
	for _, tc := range []struct {
		min       string
		peer      uint16 // the only version that the other side speaks
		connected bool
	}{
		{"1.2", stdtls.VersionTLS10, false},
		{"1.2", stdtls.VersionTLS11, false},
		{"1.2", stdtls.VersionTLS12, true},
		{"1.2", stdtls.VersionTLS13, true},
		{"", stdtls.VersionTLS11, false},
		{"", stdtls.VersionTLS12, true},
		{"1.3", stdtls.VersionTLS12, false},
		{"1.3", stdtls.VersionTLS13, true},
	} {
		name := tc.min + " with " + stdtls.VersionName(tc.peer)
		s := newServer(t, setting.ServerTLS{CertFile: cert, KeyFile: key, MinVersion: tc.min}, Options{})
		_, st, serverErr, err := handshake(t, s.Config(), &stdtls.Config{
			RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tc.peer, MaxVersion: tc.peer,
		})
		if connected := err == nil && serverErr == nil; connected != tc.connected ||
			connected && st.Version != tc.peer {
			t.Errorf("server %s: %v, server's error %v", name, err, serverErr)
		}
		c, err := NewClient(setting.ClientTLS{CAFile: ca.File(t), MinVersion: tc.min}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		server := &stdtls.Config{
			Certificates: []stdtls.Certificate{pair.Certificate(t)}, MinVersion: tc.peer, MaxVersion: tc.peer,
		}
		_, st, serverErr, err = handshake(t, server, c.ConfigFor("localhost"))
		if connected := err == nil && serverErr == nil; connected != tc.connected ||
			connected && st.Version != tc.peer {
			t.Errorf("client %s: %v, server's error %v", name, err, serverErr)
		}
	}
}

func TestClientCertificates(t *testing.T) {
	ca, stranger := tlstest.NewCA(t, "authority"), tlstest.NewCA(t, "stranger")
	cert, key := ca.Issue(t, tlstest.Spec{}).Files(t)
	agent := tlstest.Spec{CommonName: "agent", DNS: []string{"seoul.agents"}}
	expired := agent
	expired.NotBefore, expired.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	forServers := agent
	forServers.Usage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	good, names := ca.Issue(t, agent), []string{"seoul.agents", "agent"}
	for _, tc := range []struct {
		name  string
		ca    bool // client_ca_file is set
		auth  string
		shown *tlstest.Pair
		names []string
		fail  string // in the server's error
	}{
		{"not asked, none", false, "require", nil, nil, ""},
		{"not asked, has one", false, "require", &good, nil, ""},
		{"required", true, "require", &good, names, ""},
		{"required by default", true, "", nil, nil, "didn't provide a certificate"},
		{"required, none", true, "require", nil, nil, "didn't provide a certificate"},
		{"required, of a stranger", true, "require", issue(t, stranger, agent), nil, "unknown authority"},
		{"required, expired", true, "require", issue(t, ca, expired), nil, "expired"},
		{"required, a server's", true, "require", issue(t, ca, forServers), nil, "incompatible key usage"},
		{"requested", true, "request", &good, names, ""},
		{"requested, none", true, "request", nil, nil, ""},
		{"requested, of a stranger", true, "request", issue(t, stranger, agent), nil, "unknown authority"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set := setting.ServerTLS{CertFile: cert, KeyFile: key, ClientAuth: tc.auth}
			if tc.ca {
				set.ClientCAFile = ca.File(t)
			}
			client := setting.ClientTLS{CAFile: ca.File(t)}
			if tc.shown != nil {
				client.CertFile, client.KeyFile = tc.shown.Files(t)
			}
			for _, version := range []string{"1.2", "1.3"} {
				client.MinVersion = version
				c, err := NewClient(client, Options{})
				if err != nil {
					t.Fatal(err)
				}
				cfg := c.ConfigFor("127.0.0.1")
				cfg.MaxVersion = cfg.MinVersion
				atServer, _, err, clientErr := handshake(t, newServer(t, set, Options{}).Config(), cfg)
				if (err == nil) != (tc.fail == "") || (clientErr == nil) != (tc.fail == "") ||
					err != nil && !strings.Contains(err.Error(), tc.fail) {
					t.Errorf("TLS %s: server %v, client %v; want %q", version, err, clientErr, tc.fail)
				}
				if err == nil && !slices.Equal(Names(&atServer), tc.names) {
					t.Errorf("TLS %s: names %q, want %q", version, Names(&atServer), tc.names)
				}
			}
		})
	}
}

func issue(t *testing.T, ca *tlstest.CA, spec tlstest.Spec) *tlstest.Pair {
	t.Helper()
	p := ca.Issue(t, spec)
	return &p
}

func TestNames(t *testing.T) {
	ca := tlstest.NewCA(t, "authority")
	for _, tc := range []struct {
		name string
		spec tlstest.Spec
		want []string
	}{
		{
			"all kinds",
			tlstest.Spec{
				CommonName: "agent", DNS: []string{"b.agents", "a.agents"}, URIs: []string{"spiffe://x/ns/logging"},
				IPs: []string{"10.0.0.1"},
			},
			[]string{"b.agents", "a.agents", "spiffe://x/ns/logging", "agent"},
		},
		{"common name alone", tlstest.Spec{CommonName: "agent", IPs: []string{"10.0.0.1"}}, []string{"agent"}},
		{"common name repeated", tlstest.Spec{CommonName: "a.agents", DNS: []string{"a.agents"}}, []string{"a.agents"}},
		{"no name", tlstest.Spec{IPs: []string{"10.0.0.1"}}, nil},
	} {
		leaf := ca.Issue(t, tc.spec).Leaf
		state := &stdtls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
		if got := Names(state); got != nil {
			t.Errorf("%s: not verified, but names %q", tc.name, got)
		}
		state.VerifiedChains = [][]*x509.Certificate{{leaf, ca.Cert}}
		if got := Names(state); !slices.Equal(got, tc.want) {
			t.Errorf("%s: names %q, want %q", tc.name, got, tc.want)
		}
	}
	if got := Names(nil); got != nil {
		t.Errorf("plain connection: names %q", got)
	}
}

func TestClientVerifies(t *testing.T) {
	ca := tlstest.NewCA(t, "authority")
	pair := ca.Issue(t, tlstest.Spec{DNS: []string{"es.example"}, IPs: []string{"10.0.0.1"}})
	server := &stdtls.Config{Certificates: []stdtls.Certificate{pair.Certificate(t)}}
	trusted := ca.File(t)
	for _, tc := range []struct {
		name, host string
		set        setting.ClientTLS
		fail       string
	}{
		{"name", "es.example", setting.ClientTLS{CAFile: trusted}, ""},
		{"address", "10.0.0.1", setting.ClientTLS{CAFile: trusted}, ""},
		{"other name", "os.example", setting.ClientTLS{CAFile: trusted}, "not os.example"},
		{"server_name", "10.9.9.9", setting.ClientTLS{CAFile: trusted, ServerName: "es.example"}, ""},
		{
			"other server_name", "es.example",
			setting.ClientTLS{CAFile: trusted, ServerName: "os.example"},
			"not os.example",
		},
		{
			"other authority", "es.example",
			setting.ClientTLS{CAFile: tlstest.NewCA(t, "other").File(t)},
			"unknown authority",
		},
		{"the system's authorities", "es.example", setting.ClientTLS{}, "unknown authority"},
		{"insecure", "os.example", setting.ClientTLS{InsecureSkipVerify: true}, ""},
	} {
		var log logs
		c, err := NewClient(tc.set, Options{Log: log.logger()})
		if err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(log.String(), "not verified"); warned != tc.set.InsecureSkipVerify {
			t.Errorf("%s: warned: %v", tc.name, warned)
		}
		_, _, _, err = handshake(t, server, c.ConfigFor(tc.host))
		if (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.fail)
		}
	}
}

// What a client proved once counts no longer when its authority is gone, and no connection is shown
// an old certificate: so sessions are not resumed.
func TestNoResumption(t *testing.T) {
	old, fresh := tlstest.NewCA(t, "old"), tlstest.NewCA(t, "new")
	cert, key := old.Issue(t, tlstest.Spec{}).Files(t)
	authorities := old.File(t)
	s := newServer(t, setting.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: authorities}, Options{})
	for _, version := range []uint16{stdtls.VersionTLS12, stdtls.VersionTLS13} {
		tlstest.Write(t, authorities, old.PEM)
		if _, err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		client := &stdtls.Config{
			RootCAs: old.Pool(), ServerName: "localhost", MaxVersion: version,
			ClientSessionCache: stdtls.NewLRUClientSessionCache(0),
			Certificates:       []stdtls.Certificate{old.Issue(t, tlstest.Spec{CommonName: "agent"}).Certificate(t)},
		}
		listener := s.Config()
		for range 2 {
			st, _, err, clientErr := handshake(t, listener, client)
			if err != nil || clientErr != nil || st.DidResume {
				t.Fatalf("%s: server %v, client %v, resumed %v", stdtls.VersionName(version), err, clientErr,
					st.DidResume)
			}
		}
		tlstest.Write(t, authorities, fresh.PEM)
		if changed, err := s.Reload(); err != nil || !changed {
			t.Fatal(changed, err)
		}
		// crypto/tls as a client holds it back.
		if _, _, err, _ := handshake(t, listener, client); err == nil ||
			!strings.Contains(err.Error(), "provide a certificate") {
			t.Errorf("%s: authority is gone, but: %v", stdtls.VersionName(version), err)
		}
	}
}

func TestSettingsRefused(t *testing.T) {
	for _, tc := range []struct {
		set  any
		want string
	}{
		{setting.ServerTLS{CertFile: "c"}, "set cert_file and key_file"},
		{setting.ServerTLS{KeyFile: "k"}, "set cert_file and key_file"},
		{setting.ServerTLS{CertFile: "c", KeyFile: "k", MinVersion: "1.1"}, "write 1.2 or 1.3"},
		{
			setting.ServerTLS{CertFile: "c", KeyFile: "k", ClientCAFile: "a", ClientAuth: "maybe"},
			"write require or request",
		},
		{setting.ClientTLS{CertFile: "c"}, "set both"},
		{setting.ClientTLS{KeyFile: "k"}, "set both"},
		{setting.ClientTLS{MinVersion: "1"}, "write 1.2 or 1.3"},
	} {
		var err error
		switch set := tc.set.(type) {
		case setting.ServerTLS:
			_, err = NewServer(set, Options{})
		case setting.ClientTLS:
			_, err = NewClient(set, Options{})
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.set, err, tc.want)
		}
	}
}
