package forward

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// says answers every connection with hello, waits until the client has said all, and closes.
func says(t *testing.T, hello string) (address string) {
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
			_, _ = io.WriteString(conn, hello)
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestConnect(t *testing.T) {
	const helo = "\x92\xa4HELO\x81\xa5nonce\xa1n"
	ca := tlstest.NewCA(t, "own authority")
	mutual := &tls.Config{
		Certificates: []tls.Certificate{ca.Issue(t, tlstest.Spec{}).Certificate(t)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
	}
	handshakes := newNetwork(t)
	handshakes.mayFail = true
	gone := says(t, "")
	const refusing = "127.0.0.1:1" // a port that was free a moment ago may be another's by now
	for _, tc := range []struct {
		name    string
		address string
		change  func(*Config)
		tls     func(string) *tls.Config
		want    string   // "" where it fails
		wrong   []string // parts of the error
	}{
		{name: "plain", address: gone, want: "connected to ADDRESS"},
		{name: "refused", address: refusing, wrong: []string{"server ADDRESS: ", "refused"}},
		{
			name: "no TLS there", address: says(t, "hello"), tls: func(
				string,
			) *tls.Config {
				return &tls.Config{RootCAs: ca.Pool()}
			}, wrong: []string{"server ADDRESS: it does not speak TLS there: leave tls out"},
		},
		{name: "no login there", address: says(t, ""), change: func(c *Config) {
			c.SharedKey, c.ConnectTimeout = setting.NewSecret("key"), 100*time.Millisecond
		}, wrong: []string{"server ADDRESS: ", "(a server with TLS waits too: is tls missing?)"}},
		{
			name: "wants a key", address: says(t, helo),
			wrong: []string{"server ADDRESS: login failed", "(check shared_key, username and password)"},
		},
		{
			name: "wrong key", address: says(t, helo+"\x95\xa4PONG\xc2\xb3shared_key mismatch\xa0\xa0"),
			change: func(c *Config) { c.SharedKey = setting.NewSecret("key") },
			wrong:  []string{`the server says "shared_key mismatch" (check shared_key`},
		},
		{
			name: "says the key", address: says(t, helo+"\x95\xa4PONG\xc2\xafno keyring here\xa0\xa0"),
			change: func(c *Config) { c.SharedKey = setting.NewSecret("keyring") },
			wrong:  []string{`the server says "no ******* here" (check shared_key`},
		},
		{
			name: "wants a certificate", address: handshakes.listen(t, mutual), tls: func(host string) *tls.Config {
				return &tls.Config{RootCAs: ca.Pool(), ServerName: host}
			}, wrong: []string{"server ADDRESS: ", "certificate"},
		},
		{
			name: "unknown authority", address: handshakes.listen(t, &tls.Config{Certificates: mutual.Certificates}),
			tls: func(host string) *tls.Config {
				return &tls.Config{RootCAs: tlstest.NewCA(t, "other").Pool(), ServerName: host}
			}, wrong: []string{"server ADDRESS: ", "authority"},
		},
		{
			name: "TLS", address: handshakes.listen(t, &tls.Config{Certificates: mutual.Certificates}),
			tls: func(host string) *tls.Config {
				return &tls.Config{RootCAs: ca.Pool(), ServerName: host}
			}, want: "connected to ADDRESS",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := settings(tc.address)
			cfg.ConnectTimeout = time.Minute
			if tc.change != nil {
				tc.change(&cfg)
			}
			if tc.tls != nil {
				cfg.TLS = &setting.ClientTLS{}
			}
			o, err := New(cfg, Options{Hostname: "sender", TLS: tc.tls, Log: zerolog.Nop()})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			o.lastWord = time.Minute // what each of these servers says ends it
			found, err := o.Connect(t.Context(), nil)
			if got := strings.ReplaceAll(found, tc.address, "ADDRESS"); got != tc.want ||
				(err == nil) == (len(tc.wrong) > 0) {
				t.Errorf("found %q, error %v; want %q", found, err, tc.want)
			}
			for _, part := range tc.wrong {
				if err != nil && !strings.Contains(strings.ReplaceAll(err.Error(), tc.address, "ADDRESS"), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if err != nil && strings.Count(err.Error(), tc.address) != 1 {
				t.Errorf("error %q names the server more than once", err)
			}
		})
	}
}

// TestSaid: of a refused login everybody sees the reasons that are known, and no other words of a server.
func TestSaid(t *testing.T) {
	for text, want := range map[string]string{
		`login refused: the server says "shared_key mismatch" (check shared_key)`: `login refused: the server says ` +
			`"shared_key mismatch" (check shared_key)`,
		`login refused: the server says "hunter2"`: `login refused`,
		"connection refused":                       "connection refused",
	} {
		if got := outputs.Public(said(text)); got != want || outputs.Whole(said(text)) != text {
			t.Errorf("%s: %q, %q", text, got, outputs.Whole(said(text)))
		}
	}
}
