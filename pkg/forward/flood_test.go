package forward_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// A flood of wrong logins is answered slowly only as far as memory allows, logged in a line, and harms nobody.
func TestHandshakeFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const flood = 1000
		r := newRig(func(o *forward.Options) {
			o.Clusters, o.Hostname, o.MaxConnections = tenants(t), "srv", 2*flood
		})
		start := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		slow := 0
		for range flood {
			wg.Go(func() {
				k := talk{key: "guess", hostname: "evil"}
				agentFrom(t, r, "192.0.2.1", k.helo, func(tb testing.TB, nc net.Conn) {
					tb.Helper()
					ft.Send(k.ping())(tb, nc)
					k.pong(tb, nc, badLogin, "")
					ft.ExpectClose(tb, nc)
				})
				mu.Lock()
				defer mu.Unlock()
				if time.Since(start) >= time.Second {
					slow++
				}
			})
		}
		wg.Wait()
		if slow != 256 {
			t.Errorf("%d answers were delayed, want 256", slow)
		}
		if n := r.Stats().Refused["shared_key"]; n != flood {
			t.Errorf("%d were counted", n)
		}
		if lines := strings.Count(r.log.String(), "\n"); lines != 1 ||
			!strings.Contains(r.log.String(), `"peer":"192.0.2.1:4711"`) {
			t.Errorf("%d log lines:\n%s", lines, r.log)
		}
		k := talk{key: "new", hostname: "good"}
		agentFrom(t, r, "192.0.2.1", k.helo, func(tb testing.TB, nc net.Conn) {
			tb.Helper()
			ft.Send(k.ping())(tb, nc)
			k.pong(tb, nc, "", "srv")
		})
	})
}

// Strangers who say nothing fill no listener: who came first of them makes room, and clients that have logged in stay.
func TestSilentFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 20
		r := newRig(func(o *forward.Options) { o.Clusters, o.Hostname, o.MaxConnections = tenants(t), "srv", most })
		start := time.Now()
		var wg sync.WaitGroup
		silent := func(n int) {
			for range n {
				wg.Go(func() {
					agentFrom(t, r, "192.0.2.66", func(_ testing.TB, nc net.Conn) { _, _ = io.Copy(io.Discard, nc) })
				})
			}
			synctest.Wait()
		}
		agent := func(then ft.Step) {
			k := talk{key: "new", hostname: "good"}
			wg.Go(func() {
				agentFrom(t, r, "192.0.2.1", k.helo, func(tb testing.TB, nc net.Conn) {
					tb.Helper()
					ft.Send(k.ping())(tb, nc)
					k.pong(tb, nc, "", "srv")
				}, ft.Send(packed("a")), ft.ExpectAcks("a"), then)
			})
			synctest.Wait()
		}
		leave := make(chan struct{})
		stay := func(tb testing.TB, nc net.Conn) {
			tb.Helper()
			<-leave
			ft.Run(tb, nc, ft.Send(packed("b")), ft.ExpectAcks("b"))
		}
		agent(stay)
		silent(3 * most)
		for range most - 1 {
			agent(stay)
			silent(1)
		}
		if open, stored := r.Stats().Open, len(r.sink.Messages()); open != most || stored != most ||
			time.Since(start) != 0 {
			t.Errorf("%d are open and %d messages stored of %d after %v; log %s", open, stored, most, time.Since(start),
				r.log)
		}
		agentFrom(t, r, "192.0.2.1", ft.ExpectClose) // all have logged in: one more is too many
		close(leave)
		wg.Wait()
		if lines := strings.Count(r.log.String(), "\n"); len(r.sink.Messages()) != 2*most || r.Stats().Open != 0 ||
			lines != 2 || !strings.Contains(r.log.String(), `"peer":"192.0.2.66:4711"`) {
			t.Errorf("%d messages, %d open, %d lines: %s", len(r.sink.Messages()), r.Stats().Open, lines, r.log)
		}
	})
}

// Stopping does not wait for refused logins that have not been answered yet.
func TestHandshakeCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(o *forward.Options) { o.Clusters = tenants(t) })
		k := talk{key: "guess"}
		start := time.Now()
		agentFrom(t, r, "192.0.2.1", k.helo, func(tb testing.TB, nc net.Conn) {
			tb.Helper()
			ft.Send(k.ping())(tb, nc)
			synctest.Wait()
			r.Cut()
			_, _ = io.Copy(io.Discard, nc)
		})
		if waited := time.Since(start); waited != 0 {
			t.Errorf("it took %v", waited)
		}
	})
}

// The client of this package, over a socket.
func TestHandshakeWithClient(t *testing.T) {
	sink := &ft.Sink{}
	s, err := forward.Listen(t.Context(), forward.Options{
		Config: forward.Config{
			Name: "test", Address: "127.0.0.1:0", MaxConnections: 10, IdleTimeout: time.Minute,
			HandshakeTimeout: patience, MaxMessageSize: 1 << 20, MaxDecompressedSize: 1 << 20,
		},
		Clusters: tenants(t), Hostname: "srv", Sink: sink, Budget: ingest.NewBudget(64 << 20),
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(t.Context()) })
	defer wg.Wait()
	defer s.Shutdown(t.Context())
	for _, tc := range []struct {
		login client.Login
		want  string
	}{
		{client.Login{SharedKey: "old"}, "one"},
		{client.Login{SharedKey: "k2", User: "alice", Password: "s3cret"}, "two"},
		{client.Login{SharedKey: "k2", User: "alice", Password: "wrong"}, ""},
		{client.Login{SharedKey: "srv"}, ""},
	} {
		sink.Forget()
		c, err := client.Dial(t.Context(), client.Config{Address: s.Addr().String(), Login: &tc.login})
		if tc.want == "" {
			if !errors.Is(err, client.ErrLogin) || !strings.Contains(fmt.Sprint(err), badLogin) {
				t.Errorf("got %v", err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if err = errors.Join(c.Write(t.Context(), packed("x")), c.ReadAck(t.Context(), "x"), c.Close()); err != nil {
			t.Error(err)
		}
		if m := sink.Messages(); len(m) != 1 || m[0].Cluster != tc.want {
			t.Errorf("stored %+v, want it from %s", m, tc.want)
		}
	}
}
