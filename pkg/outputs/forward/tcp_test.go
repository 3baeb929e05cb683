package forward

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// listen serves the network's "a" on a real port.
func (n *network) listen(t *testing.T, secure *tls.Config) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.mu.Lock()
			n.dials["a"]++
			n.mu.Unlock()
			go n.serve(conn, "a")
		}
	}()
	return l.Addr().String()
}

func TestWithoutAck(t *testing.T) {
	n := newNetwork(t)
	cfg := settings(n.listen(t, nil))
	cfg.Ack, cfg.ConnectTimeout = false, time.Minute
	o, err := New(cfg, Options{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	b := outputtest.Batch(outputtest.Chunk(1, "c", "t", 3, 0, 9), outputtest.Chunk(2, "c", "t", 3, 3, 9))
	if err := o.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := n.numbers(); len(got) != 6 || n.dials["a"] != 2 || n.got[0].chunk != "" {
		t.Errorf("events %v over %d connections, chunk %q; want 6, 2 and none", got, n.dials["a"], n.got[0].chunk)
	}
	// A server that resets has not read everything, for all that is known.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_, _ = conn.Read(make([]byte, 1))
			conn.Close()
		}
	}()
	cfg.Servers[0].Address = l.Addr().String()
	o, err = New(cfg, Options{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(3, "c", "t", 3, 0, 9))); err == nil {
		t.Error("a reset counts as delivered")
	}
}

func TestTLS(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	wantsCertificate := certified.TLS.Clone()
	wantsCertificate.ClientAuth = tls.RequireAnyClientCert
	for _, tc := range []struct {
		name           string
		server, client *tls.Config
		want           outputs.Reason // "": delivered
	}{
		{"trusted", certified.TLS, &tls.Config{RootCAs: roots}, ""},
		{"unknown authority", certified.TLS, &tls.Config{}, outputs.ReasonAuth},
		{"no client certificate", wantsCertificate, &tls.Config{RootCAs: roots}, outputs.ReasonAuth},
		{
			"client certificate", wantsCertificate,
			&tls.Config{RootCAs: roots, Certificates: certified.TLS.Certificates}, "",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNetwork(t)
			n.mayFail = true
			cfg := settings(n.listen(t, tc.server))
			cfg.TLS, cfg.ConnectTimeout = &setting.ClientTLS{}, time.Minute
			host := ""
			o, err := New(cfg, Options{
				Log: zerolog.Nop(), TLS: func(h string) *tls.Config { host = h; return tc.client },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			err = o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "c", "t", 3, 0, 9)))
			if (err != nil) != (tc.want != "") || err != nil && outputs.AsSendError(err).Reason != tc.want ||
				host != "127.0.0.1" {
				t.Errorf("error %v, want %q; TLS to %q", err, tc.want, host)
			}
		})
	}
	if _, err := New(
		func() Config { c := settings("a"); c.TLS = &setting.ClientTLS{}; return c }(), Options{},
	); err == nil {
		t.Error("settings with TLS and no way to it are accepted")
	}
}
