package tls

import (
	"context"
	stdtls "crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// Certificates of both sides are swapped while connections are made: none fails, none that is open
// is disturbed, and what connects after a swap is shown the new certificate.
func TestSwapsUnderLoad(t *testing.T) {
	const swaps, dialers = 20, 4
	ca := tlstest.NewCA(t, "authority")
	issue := func() tlstest.Pair { return ca.Issue(t, tlstest.Spec{}) }
	atServer, atClient, authorities := newSecret(t, pairFiles(issue())), newSecret(t, pairFiles(issue())), ca.File(t)
	server := newServer(t,
		setting.ServerTLS{
			CertFile: atServer.path("tls.crt"), KeyFile: atServer.path("tls.key"), ClientCAFile: authorities,
		}, Options{})
	client, err := NewClient(
		setting.ClientTLS{CertFile: atClient.path("tls.crt"), KeyFile: atClient.path("tls.key"), CAFile: authorities},
		Options{},
	)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving, dialing sync.WaitGroup
	defer serving.Wait()
	defer listener.Close()
	serving.Go(func() {
		l := stdtls.NewListener(listener, server.Config())
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if _, err := io.Copy(conn, conn); err != nil && !errors.Is(err, net.ErrClosed) {
					t.Errorf("server: %v", err)
				}
			})
		}
	})
	dial := func() *stdtls.Conn {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", listener.Addr().String())
		if err != nil {
			t.Error(err)
			return nil
		}
		secure := stdtls.Client(conn, client.ConfigFor("127.0.0.1"))
		if err := ping(secure); err != nil {
			t.Error(err)
		}
		return secure
	}
	long := dial()
	defer long.Close()
	var stop atomic.Bool
	var connections atomic.Int64
	for range dialers {
		dialing.Go(func() {
			for !stop.Load() {
				if conn := dial(); conn != nil {
					conn.Close()
				}
				connections.Add(1)
			}
		})
	}
	for range swaps {
		// Some finish between two swaps.
		for before := connections.Load(); connections.Load() < before+dialers && !t.Failed(); {
			dial().Close()
		}
		next, nextClient := issue(), issue()
		atServer.swap(t, pairFiles(next))
		atClient.swap(t, pairFiles(nextClient))
		for _, r := range []Reloader{server, client} {
			if changed, err := r.Reload(); err != nil || !changed {
				t.Error(changed, err)
			}
		}
		conn := dial()
		if got := conn.ConnectionState().PeerCertificates[0]; !got.Equal(next.Leaf) {
			t.Error("a connection after a swap is shown an old certificate")
		}
		conn.Close()
		if err := ping(long); err != nil {
			t.Errorf("the open connection: %v", err)
		}
	}
	stop.Store(true)
	dialing.Wait()
	if server.State().Reloads != swaps || client.State().Reloads != swaps {
		t.Errorf("reloads: %d and %d, want %d", server.State().Reloads, client.State().Reloads, swaps)
	}
}

// A Reload amid a swap of a directory's link finds the old pair or the new one, never one of each.
func TestReadIsConsistent(t *testing.T) {
	ca := tlstest.NewCA(t, "authority")
	s := newSecret(t, pairFiles(ca.Issue(t, tlstest.Spec{})))
	server := newServer(t, setting.ServerTLS{CertFile: s.path("tls.crt"), KeyFile: s.path("tls.key")}, Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			s.swap(t, pairFiles(ca.Issue(t, tlstest.Spec{})))
		}
	}()
	for {
		if _, err := server.Reload(); err != nil && !errors.Is(err, errUnsettled) {
			t.Errorf("reload: %v", err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func BenchmarkReloadUnchanged(b *testing.B) {
	ca := tlstest.NewCA(b, "authority")
	cert, key := ca.Issue(b, tlstest.Spec{}).Files(b)
	s := newServer(b, setting.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: ca.File(b)}, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if changed, err := s.Reload(); changed || err != nil {
			b.Fatal(changed, err)
		}
	}
}
