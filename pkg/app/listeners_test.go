package app

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// TestEndpoint binds the status endpoint, with TLS or without, or says why it can't. There is none after an error.
func TestEndpoint(t *testing.T) {
	cert, key := tlstest.NewCA(t, "our authority").Issue(t, tlstest.Spec{}).Files(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct {
		name, address string
		tls           *setting.ServerTLS
		scheme, err   string
	}{
		{"plain", "127.0.0.1:0", nil, "http://", ""},
		{"TLS", "127.0.0.1:0", &setting.ServerTLS{CertFile: cert, KeyFile: key}, "https://", ""},
		{
			"a certificate that is not there", "127.0.0.1:0", &setting.ServerTLS{CertFile: "none", KeyFile: key}, "",
			"status.tls: ",
		},
		{"an address that is taken", taken.Addr().String(), nil, "", "address already in use"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var e endpoint
			err := e.listen(status.Options{
				Config:   status.Config{Address: tc.address, TLS: tc.tls},
				Snapshot: func() status.Snapshot { return status.Snapshot{} }, Log: zerolog.Nop(),
			}, time.Now)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || e.addr() != nil || e.certificates != nil {
					t.Errorf("got %v, %v", err, e.addr())
				}
				if err := e.shutdown(time.Second); err != nil {
					t.Errorf("the end of none: %v", err)
				}
				return
			}
			if err != nil || e.addr() == nil || e.url() != tc.scheme+e.addr().String() {
				t.Fatalf("got %v, %v", err, e.addr())
			}
			if err := e.shutdown(time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDrainGoesOnWithoutItsEndpoint drains though the endpoint's port is taken, and says so.
func TestDrainGoesOnWithoutItsEndpoint(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	start(t, dir, twoOutputs).end()
	text := strings.Replace(twoOutputs, `status: {address: "127.0.0.1:0"}`,
		`status: {address: "`+taken.Addr().String()+`"}`, 1)
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, text, dir), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	a, err := New(t.Context(), cfg, Options{Log: zerolog.New(&log), Drain: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Drain(t.Context(), func(Drained) {}); err != nil {
		t.Error(err)
	}
	if a.StatusAddr() != nil || !strings.Contains(log.String(), "the drain goes on without it") {
		t.Errorf("%v, the log: %s", a.StatusAddr(), &log)
	}
}
