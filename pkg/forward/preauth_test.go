package forward_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
)

// from is a connection that comes from an address.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// agentFrom is agent with an address.
func agentFrom(t *testing.T, r *rig, ip string, steps ...ft.Step) {
	t.Helper()
	server, client := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { r.Handle(from{server, &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711}}) })
	ft.Run(t, client, steps...)
	wg.Wait()
}

const (
	proxyLine  = "PROXY TCP4 203.0.113.7 10.0.0.1 4712 24224\r\n"
	proxyLocal = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	balancer   = "10.0.0.9"
	stranger   = "192.0.2.1"
)

// TestProxyProtocol is about whose headers are believed, and what the others are told.
func TestProxyProtocol(t *testing.T) {
	whole := func() []ft.Step { return []ft.Step{ft.Send(packed("a")), ft.ExpectAcks("a")} }
	behind := func(header string, steps ...ft.Step) []ft.Step {
		return append([]ft.Step{ft.SendPieces([]byte(header), 7)}, steps...)
	}
	for _, tc := range []struct {
		name, mode, ip string
		steps          []ft.Step
		proxied        uint64
		why, log       string // reason for closing, and a part of the log
	}{
		{"required", "required", balancer, behind(proxyLine, whole()...), 1, "", ""},
		{
			"required, a broken message", "required", balancer, behind(
				proxyLine, ft.Send([]byte{0xc1}), ft.ExpectClose,
			), 1, "broken", `"peer":"203.0.113.7:4712","reason":"broken","proxy":"10.0.0.9:4711"`,
		},
		{"required, LOCAL and a close", "required", balancer, behind(proxyLocal), 0, "", ""},
		{"required, LOCAL and messages", "required", balancer, behind(proxyLocal, whole()...), 0, "", ""},
		{"required, PROXY and a close", "required", balancer, behind(proxyLine), 1, "", ""},
		{"required, a close", "required", balancer, nil, 0, "", ""},
		{
			"required, none", "required", balancer,
			[]ft.Step{ft.SendPieces(packed("a"), 1), ft.ExpectClose},
			0,
			"proxy", "turn the PROXY protocol on",
		},
		{
			"required, garbage", "required", balancer,
			[]ft.Step{ft.SendPieces([]byte("PROXY TCP4 x\r\n"), 1), ft.ExpectClose},
			0, "proxy", "not of the form",
		},
		{"required, silence", "required", balancer, []ft.Step{ft.ExpectClose}, 0, "proxy", "handshake_timeout"},
		{"required, cut", "required", balancer, []ft.Step{ft.Send([]byte("PROXY T"))}, 0, "proxy", "unexpected EOF"},
		{
			"required, a stranger", "required", stranger,
			[]ft.Step{ft.SendPieces([]byte(proxyLine), 1), ft.ExpectClose},
			0, "proxy", "not among the trusted_proxies",
		},
		{"required, a stranger's probe", "required", stranger, nil, 0, "", ""},
		{"optional", "optional", balancer, behind(proxyLine, whole()...), 1, "", ""},
		{"optional, none", "optional", balancer, whole(), 0, "", ""},
		{
			"optional, none, late", "optional", balancer, append([]ft.Step{ft.Sleep(5 * time.Second)}, whole()...), 0,
			"", "",
		},
		{"optional, a close", "optional", balancer, nil, 0, "", ""},
		{"optional, a stranger", "optional", stranger, whole(), 0, "", ""},
		{
			"optional, a stranger's header", "optional", stranger,
			[]ft.Step{ft.SendPieces([]byte(proxyLine), 100), ft.ExpectClose},
			0, "not_forward", "trusted_proxies",
		},
		{
			"off", "off", balancer,
			[]ft.Step{ft.SendPieces([]byte(proxyLocal), 100), ft.ExpectClose},
			0, "not_forward",
			"set proxy_protocol here",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(
					o *forward.Options,
				) {
					o.ProxyProtocol, o.TrustedProxies = tc.mode, []string{"10.0.0.0/8"}
				})
				agentFrom(t, r, tc.ip, tc.steps...)
				if why := strings.Join(r.refused(), ","); why != tc.why || !strings.Contains(r.log.String(), tc.log) {
					t.Errorf("closed for %q, want %q; log %s", why, tc.why, r.log)
				}
				if n := r.Stats().Proxied; n != tc.proxied {
					t.Errorf("%d proxied, want %d", n, tc.proxied)
				}
				if tc.why == "" {
					quiet(t, r)
				}
				if stored := len(r.sink.Messages()); stored == 0 && tc.why == "" && r.Stats().Probes != 1 {
					t.Error("neither a message nor a probe")
				}
			})
		})
	}
}

// clusters is a forward.Clusters for one cluster.
type clusters struct {
	mu     sync.Mutex
	most   int
	in     int
	charge func(bytes int64) time.Duration
}

func (*clusters) Identify(forward.Peer) (string, bool, error) { return "default", false, nil }

func (*clusters) Login(forward.Peer, forward.Login) (cluster, proof string, err error) {
	return "", "", errors.New("nobody logs in here")
}

func (c *clusters) Admit(string) (func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most > 0 && c.in >= c.most {
		return nil, errors.New("there are enough of the cluster")
	}
	c.in++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.in--
	}, nil
}

func (c *clusters) Charge(_ string, bytes int64) time.Duration {
	if c.charge == nil {
		return 0
	}
	return c.charge(bytes)
}

// TestConnectionLimits counts by source and by cluster, and forgets who has left.
func TestConnectionLimits(t *testing.T) {
	for _, tc := range []struct {
		name, ip, why string
		perSource     int
		perCluster    int
	}{
		{"of one source", stranger, "max_connections_per_source", 2, 0},
		{"of another source", "192.0.2.2", "", 2, 0},
		{"of a cluster", "192.0.2.2", "cluster_limit", 0, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &clusters{most: tc.perCluster}
				r := newRig(func(o *forward.Options) { o.MaxConnectionsPerSource, o.Clusters = tc.perSource, c })
				leave := make(chan struct{})
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						agentFrom(t, r, stranger, ft.Send(packed("a")), ft.ExpectAcks("a"), func(
							testing.TB, net.Conn,
						) {
							<-leave
						})
					})
				}
				synctest.Wait()
				if n := r.Stats().Clusters["default"]; n != 2 {
					t.Errorf("%d connections are counted", n)
				}
				for range 3 {
					step := ft.ExpectClose
					if tc.why == "" {
						step = ft.ExpectAcks("b")
					}
					agentFrom(t, r, tc.ip, ft.SendPieces(packed("b"), 1000), step)
				}
				if why := strings.Join(r.refused(), ","); why != tc.why ||
					tc.why != "" && strings.Count(r.log.String(), "\n") != 1 {
					t.Errorf("closed for %q, want %q; log %s", why, tc.why, r.log)
				}
				close(leave)
				wg.Wait()
				agentFrom(t, r, stranger, ft.Send(packed("c")), ft.ExpectAcks("c"))
				if st := r.Stats(); c.in != 0 || st.Clusters["default"] != 0 || st.Open != 0 {
					t.Errorf("%d are in; %+v", c.in, st)
				}
			})
		})
	}
}

// certificate returns one for localhost and what trusts it.
func certificate(tb testing.TB) (tls.Certificate, *x509.CertPool) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// withTLS makes a listener speak TLS.
func withTLS(cert tls.Certificate) func(*forward.Options) {
	return func(o *forward.Options) {
		o.Config.TLS = &setting.ServerTLS{}
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	}
}

// TestTLS is about clients that get through: their acks, and how they end.
func TestTLS(t *testing.T) {
	cert, pool := certificate(t)
	l := listen(t, "127.0.0.1:0", withTLS(cert))
	for name, client := range map[string]*tls.Config{
		"1.2":           {RootCAs: pool, ServerName: "localhost", MaxVersion: tls.VersionTLS12},
		"1.3":           {RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS13},
		"no name":       {InsecureSkipVerify: true},
		"another name":  {InsecureSkipVerify: true, ServerName: "elsewhere.example"},
		"other classes": {RootCAs: pool, ServerName: "localhost", NextProtos: []string{"h2"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(l.sink.Settled())
			nc := tls.Client(l.dial(t), client)
			ft.Run(t, nc, ft.Send(packed("a")), ft.ExpectAcks("a"), ft.Send(packed("b")), ft.ExpectAcks("b"))
			raw := l.dial(t) // ends without close_notify
			nc = tls.Client(raw, client)
			ft.Send(packed("c"))(t, nc)
			ft.ExpectAcks("c")(t, nc)
			_ = raw.Close()
			until(t, "settled", func() bool { return len(l.sink.Settled()) == before+3 })
			for _, s := range l.sink.Settled() {
				if !s.Received {
					t.Error("acks that the client had count as lost")
				}
			}
		})
	}
	if st := l.Stats(); st.TLS != 10 || l.log.String() != "" {
		t.Errorf("stats %+v, log %s", st, l.log)
	}
}

// TestWrongDoor has who does not belong on a TLS listener, and TLS on a plain one. Each is logged once, however often
// it tries.
func TestWrongDoor(t *testing.T) {
	cert, _ := certificate(t)
	raw := func(b []byte) ft.Step {
		return func(tb testing.TB, nc net.Conn) {
			tb.Helper()
			ft.SendPieces(b, 1000)(tb, nc)
		}
	}
	handshake := func(c *tls.Config) ft.Step {
		return func(_ testing.TB, nc net.Conn) {
			tc := tls.Client(nc, c)
			if tc.Handshake() == nil {
				_, _ = io.ReadAll(tc) // with TLS 1.3, the server learns of the fault after the handshake
			}
		}
	}
	for _, tc := range []struct {
		name     string
		plain    bool
		step     ft.Step
		why, log string
	}{
		{"Forward without TLS", false, raw(packed("a")), "not_tls", "turn TLS on in the client"},
		{"HTTP without TLS", false, raw([]byte("GET / HTTP/1.1\r\n\r\n")), "not_tls", "HTTP"},
		{"PROXY header", false, raw([]byte(proxyLine)), "not_tls", "set proxy_protocol"},
		{"noise", false, raw([]byte("\x00\x01\x02\x03\x04\x05\x06\x07")), "not_tls", "TLS only"},
		{"half a ClientHello", false, raw([]byte("\x16\x03\x01\x02\x00\x01\x00")), "tls", "ended within"},
		{
			"TLS 1.0", false, handshake(&tls.Config{
				InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
			}), "tls", "unsupported versions",
		},
		{
			"no trust, 1.2", false, handshake(&tls.Config{ServerName: "localhost", MaxVersion: tls.VersionTLS12}),
			"tls", "certificate",
		},
		{"no trust, 1.3", false, handshake(&tls.Config{ServerName: "localhost"}), "tls", "certificate"},
		{"a probe", false, nil, "", ""},
		{"a reset", false, func(_ testing.TB, nc net.Conn) { _ = nc.(*net.TCPConn).SetLinger(0) }, "", ""},
		{
			"TLS on a plain listener", true, handshake(&tls.Config{InsecureSkipVerify: true}), "not_forward",
			"turn TLS off in the client",
		},
		{"a probe of a plain listener", true, nil, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			change := withTLS(cert)
			if tc.plain {
				change = nil
			}
			l := listen(t, "127.0.0.1:0", change)
			for range 3 {
				nc := l.dial(t)
				if tc.step != nil {
					tc.step(t, nc)
				}
				_ = nc.Close()
			}
			var st forward.Stats
			until(t, "ended", func() bool {
				st = l.Stats()
				ended := st.Probes
				for _, n := range st.Refused {
					ended += n
				}
				return ended == 3
			})
			for reason, n := range st.Refused {
				if want := map[bool]uint64{true: 3}[reason == tc.why]; n != want {
					t.Errorf("%d closed for %s, want %d; log %s", n, reason, want, l.log)
				}
			}
			if tc.why == "" && st.Probes != 3 {
				t.Errorf("%d probes", st.Probes)
			}
			if s := l.log.String(); !strings.Contains(s, tc.log) || strings.Count(s, "\n") > 1 ||
				(s == "") != (tc.log == "") {
				t.Errorf("log %s, want one line with %q", s, tc.log)
			}
		})
	}
}

// TestSlowHandshakes has clients that stop in theirs: they end by themselves, and others are served at once.
func TestSlowHandshakes(t *testing.T) {
	cert, pool := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(withTLS(cert))
		var wg sync.WaitGroup
		for range 99 {
			wg.Go(func() { agent(t, r, ft.Send([]byte("\x16\x03\x01\x02\x00\x01\x00")), ft.ExpectClose) })
		}
		synctest.Wait()
		server, client := net.Pipe()
		wg.Go(func() { r.Handle(server) })
		began := time.Now()
		ft.Run(t,
			tls.Client(client, &tls.Config{
				RootCAs: pool, ServerName: "localhost", Time: func() time.Time { return time.Time{} },
				InsecureSkipVerify: true,
			}), ft.Send(packed("a")), ft.ExpectAcks("a"))
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		wg.Wait()
		if st := r.Stats(); st.Refused["handshake"] != 99 || time.Since(began) != 10*time.Second {
			t.Errorf("%v, %+v", time.Since(began), st.Refused)
		}
	})
}

// TestTLSOverProxy has a header in front of a ClientHello.
func TestTLSOverProxy(t *testing.T) {
	cert, pool := certificate(t)
	l := listen(t, "127.0.0.1:0", func(o *forward.Options) {
		withTLS(cert)(o)
		o.ProxyProtocol, o.TrustedProxies = "required", []string{"127.0.0.1"}
	})
	nc := l.dial(t)
	ft.Send([]byte(proxyLine))(t, nc)
	ft.Run(t, tls.Client(nc, &tls.Config{RootCAs: pool, ServerName: "localhost"}), ft.Send(packed("a")),
		ft.ExpectAcks("a"), ft.Send([]byte{0xc1}), ft.ExpectClose)
	until(t, "refused", func() bool { return l.Stats().Refused["broken"] == 1 })
	if st, s := l.Stats(), l.log.String(); st.Proxied != 1 || st.TLS != 1 ||
		!strings.Contains(s, `"peer":"203.0.113.7:4712"`) {
		t.Errorf("%+v, %s", st, s)
	}
}
