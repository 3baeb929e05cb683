package forward_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
)

// takesOver reads the HELO of a listener with handover, which says so besides.
func (k *talk) takesOver(tb testing.TB, nc net.Conn) {
	tb.Helper()
	buf := make([]byte, 512)
	n, err := nc.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "\x92\xa4HELO\x84\xa5nonce\xc4\x10") ||
		!strings.HasSuffix(string(buf[:n]), "\xa8handover\x01") {
		tb.Fatalf("HELO: %q, %v", buf[:n], err)
	}
	k.nonce, k.auth = string(buf[15:31]), string(buf[38:54])
}

// A listener with handover asks everybody to log in: agents with their cluster's key, another aggregator with the key
// for that, which no agent's connection is served with.
func TestHandoverLogin(t *testing.T) {
	for _, tc := range []struct {
		name, ip, key string
		cluster       string // whose agent it is
		served        bool   // as a handover
		why, log      string
	}{
		{name: "another aggregator", ip: "192.0.2.1", key: "hand over", served: true},
		{name: "another aggregator in a cluster's network", ip: "10.1.1.1", key: "hand over", served: true},
		{name: "an agent", ip: "192.0.2.1", key: "new", cluster: "one"},
		{
			name: "an agent whose cluster needs no login", ip: "10.1.1.1", key: "new", why: "login",
			log: "cluster net needs no login",
		},
		{name: "a wrong key", ip: "192.0.2.1", key: "guess", why: "shared_key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				served := 0
				r := newRig(func(o *forward.Options) {
					o.Clusters, o.Hostname = tenants(t), "srv"
					o.Config.Handover = &forward.HandoverConfig{
						SharedKey: setting.NewSecret("hand over"), Clusters: []string{"one"},
					}
					o.Handover = func(_ context.Context, conn net.Conn, set *forward.Config) error {
						served++
						b := make([]byte, 5)
						n, err := conn.Read(b)
						if string(b[:n]) != "chunk" || set.Handover.Clusters[0] != "one" {
							t.Errorf("got %q, %v, of %+v", b[:n], err, set.Handover)
						}
						_, err = conn.Write([]byte("thanks"))
						return err
					}
				})
				k := talk{key: tc.key, hostname: "other", salt: "0123456789abcdef"}
				agentFrom(t, r, tc.ip, k.takesOver, func(tb testing.TB, nc net.Conn) {
					tb.Helper()
					ft.Send(k.ping())(tb, nc)
					switch {
					case tc.served:
						k.pong(tb, nc, "", "srv")
						ft.Send([]byte("chunk"))(tb, nc)
						b := make([]byte, 6)
						if n, err := nc.Read(b); string(b[:n]) != "thanks" {
							tb.Errorf("got %q, %v", b[:n], err)
						}
					case tc.cluster != "":
						k.pong(tb, nc, "", "srv")
						ft.Send(packed("a"))(tb, nc)
						ft.ExpectAcks("a")(tb, nc)
					default:
						k.pong(tb, nc, badLogin, "")
						ft.ExpectClose(tb, nc)
					}
				})
				if why := strings.Join(r.refused(), ","); why != tc.why || !strings.Contains(r.log.String(), tc.log) {
					t.Errorf("closed for %q, want %q; log %s", why, tc.why, r.log)
				}
				m := r.sink.Messages()
				if (served == 1) != tc.served || (len(m) == 1 && m[0].Cluster == tc.cluster) != (tc.cluster != "") {
					t.Errorf("served %d times, stored %+v", served, m)
				}
				if tc.why == "" {
					quiet(t, r)
				}
			})
		})
	}
}

// A handover ends with the server, between two messages; a fault of it is counted and logged.
func TestHandoverEnds(t *testing.T) {
	for _, tc := range []struct {
		name  string
		serve forward.Handover
		aged  bool
		why   string
	}{
		{"with max_connection_age", func(_ context.Context, conn net.Conn, _ *forward.Config) error {
			_ = conn.SetReadDeadline(time.Now().Add(time.Hour))
			_, err := conn.Read(make([]byte, 1))
			return err
		}, true, ""},
		{"idle", func(_ context.Context, conn net.Conn, _ *forward.Config) error {
			_ = conn.SetReadDeadline(time.Now().Add(time.Hour))
			_, err := conn.Read(make([]byte, 1))
			return err
		}, false, ""},
		{
			"with a fault", func(
				context.Context, net.Conn, *forward.Config,
			) error {
				return errors.New("made to fail")
			}, false, "handover",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(o *forward.Options) {
					o.Clusters, o.Hostname, o.Handover = tenants(t), "srv", tc.serve
					o.Config.Handover = &forward.HandoverConfig{
						SharedKey: setting.NewSecret("hand over"), Clusters: []string{"one"},
					}
					if tc.aged {
						o.MaxConnectionAge = 10 * time.Minute
					}
				})
				began := time.Now()
				k := talk{key: "hand over", hostname: "other"}
				agentFrom(t, r, "192.0.2.1", k.takesOver, func(tb testing.TB, nc net.Conn) {
					tb.Helper()
					ft.Send(k.ping())(tb, nc)
					k.pong(tb, nc, "", "srv")
					ft.ExpectClose(tb, nc)
				})
				if took := time.Since(began); tc.why == "" && (took < 12*time.Minute) != tc.aged {
					t.Errorf("it took %v", took)
				}
				if why := strings.Join(r.refused(), ","); why != tc.why {
					t.Errorf("closed for %q, want %q", why, tc.why)
				}
			})
		})
	}
}
