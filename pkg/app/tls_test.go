package app

import (
	stdtls "crypto/tls"
	"fmt"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// TestCertificates replaces the listener's certificate twenty times while agents send: no connection breaks, no event
// is lost, and whoever connects anew sees the new one.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := tlstest.NewCA(t, "test")
	issue := func() tlstest.Pair { return ca.Issue(t, tlstest.Spec{DNS: []string{"localhost"}}) }
	pair := issue()
	certFile, keyFile := pair.Files(t)
	text := fmt.Sprintf(`
listeners: [{address: "127.0.0.1:0", tls: {cert_file: %q, key_file: %q}}]
buffer: {path: "%s/data", min_free_disk: 1MiB}
outputs: {all: {type: file, path: "%s/all", batch: {max_wait: 1ms}}}
status: {address: "127.0.0.1:0"}
`, certFile, keyFile, dir, dir)
	cfg, err := config.Parse("test.yaml", []byte(text), config.Options{Verify: Verify})
	if err != nil {
		t.Fatal(err)
	}
	p := startWith(t, cfg, Options{
		Log: zerolog.Nop(), Load: func() (Loaded, error) { return Loaded{Config: cfg}, nil },
	})
	connect := func() (*client.Client, string) {
		t.Helper()
		var shown string
		agent, err := client.Dial(t.Context(), client.Config{
			Address: p.ListenerAddrs()[0].String(), Timeout: patience,
			TLS: &stdtls.Config{
				RootCAs: ca.Pool(), ServerName: "localhost", VerifyConnection: func(s stdtls.ConnectionState) error {
					shown = s.PeerCertificates[0].SerialNumber.String()
					return nil
				},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return agent, shown
	}
	const agents, perSwap, swaps = 3, 10, 20
	one := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1, Nsec: 1}), nil, []byte{0x80})
	var clients []*client.Client
	for range agents {
		agent, _ := connect()
		t.Cleanup(func() { agent.Close() })
		clients = append(clients, agent)
	}
	for swap := range swaps {
		var wg sync.WaitGroup
		for i, agent := range clients {
			wg.Go(func() {
				for n := range perSwap {
					m := client.Message{Tag: "t", Entries: one, Events: 1, Chunk: fmt.Sprint(i, swap, n)}
					if err := agent.Send(t.Context(), &m); err != nil {
						t.Errorf("agent %d: %v", i, err)
						return
					}
				}
			})
		}
		pair = issue()
		tlstest.Write(t, certFile, pair.CertPEM) // now they do not fit, and the old pair stays
		if _, err := p.Reload(); err != nil {
			t.Error(err)
		}
		if s := p.snapshot().Certificates[0]; s.Failing.Text == "" {
			t.Errorf("half of a new pair was taken: %+v", s)
		}
		tlstest.Write(t, keyFile, pair.KeyPEM)
		if _, err := p.Reload(); err != nil {
			t.Error(err)
		}
		agent, shown := connect()
		if shown != pair.Leaf.SerialNumber.String() {
			t.Error("a new connection was shown an old certificate")
		}
		if err := agent.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
	s := p.await("all events", func(s status.Snapshot) bool { return delivered(s, "all") == agents*perSwap*swaps })
	if c := s.Certificates[0]; c.Reloads != swaps || c.Failing.Text != "" || c.DaysLeft <= 0 {
		t.Errorf("certificate: %+v", c)
	}
	if n := s.Listeners[0].ConnectionsTotal; n != agents+swaps {
		t.Errorf("%d connections, want %d", n, agents+swaps)
	}
}
