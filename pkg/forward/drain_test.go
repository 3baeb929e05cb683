package forward_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
)

// TestMaxConnectionAge ends connections within a tenth of the age, between messages, and takes their acks for received.
func TestMaxConnectionAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(o *forward.Options) { o.MaxConnectionAge = 10 * time.Minute })
		began, ages := time.Now(), map[time.Duration]bool{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				agent(t, r, ft.Send(packed("a")), ft.ExpectAcks("a"), ft.Sleep(8*time.Minute), ft.Send(packed("b")),
					ft.ExpectAcks("b"), ft.ExpectClose)
				mu.Lock()
				defer mu.Unlock()
				ages[time.Since(began)] = true
			})
		}
		wg.Wait()
		for age := range ages {
			if age < 9*time.Minute || age > 11*time.Minute+time.Second {
				t.Errorf("one lived for %v", age)
			}
		}
		settled := r.sink.Settled()
		for _, s := range settled {
			if !s.Received {
				t.Error("acks that were read count as lost")
			}
		}
		if len(ages) < 40 || len(settled) != 100 {
			t.Errorf("%d different ages, %d settled", len(ages), len(settled))
		}
		quiet(t, r)
	})
}

// TestLeaveWithMessageInHand takes a message to its end, and its ack, though the age is reached within it; one that
// goes on sending gets a second more.
func TestLeaveWithMessageInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(o *forward.Options) { o.MaxConnectionAge = time.Minute })
		m := packed("a")
		agent(t, r, ft.Send(m[:50]), ft.Sleep(25*time.Second), ft.Send(m[50:60]), ft.Sleep(25*time.Second),
			ft.Send(m[60:70]), ft.Sleep(25*time.Second),
			ft.Send(m[70:]), ft.ExpectAcks("a"), ft.ExpectClose)
		began := time.Now()
		agent(t, r, func(tb testing.TB, nc net.Conn) {
			tb.Helper()
			for n := 0; ; n++ {
				if _, err := nc.Write(packed("b")); err != nil {
					if n < 5400 || time.Since(began) > 68*time.Second {
						tb.Errorf("it ended after %d messages and %v", n, time.Since(began))
					}
					return
				}
				ft.ExpectAcks("b")(tb, nc)
				time.Sleep(10 * time.Millisecond)
			}
		})
		quiet(t, r)
	})
}

// TestMaxMessages ends a connection after the ack of the last message that it may have.
func TestMaxMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(o *forward.Options) { o.MaxMessages = 3 })
		began := time.Now()
		agent(t, r, ft.Send(packed("a")), ft.ExpectAcks("a"), ft.Send(packed("b"), packed("c")),
			ft.ExpectAcks("b", "c"), ft.ExpectClose)
		if took := time.Since(began); took > time.Second || len(r.sink.Messages()) != 3 {
			t.Errorf("it took %v; %d messages", took, len(r.sink.Messages()))
		}
		quiet(t, r)
	})
}

// TestPartingLosesNothing has clients without acks that write until they learn of the end: all of it is stored. With
// acks, what comes after that is not.
func TestPartingLosesNothing(t *testing.T) {
	cert, _ := certificate(t)
	for name, change := range map[string]func(*forward.Options){
		"plain": func(*forward.Options) {}, "TLS": withTLS(cert),
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, "127.0.0.1:0", func(o *forward.Options) {
				change(o)
				o.MaxMessages = 1
			})
			dial := func() net.Conn {
				nc := l.dial(t)
				if name == "TLS" {
					return tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
				}
				return nc
			}
			wave := func(chunk string) (sent int) {
				nc := dial()
				defer nc.Close()
				m := message("t", ft.Bin(all))
				ft.Send(m)(t, nc)
				if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
					t.Errorf("read %d, %v", n, err)
				}
				if chunk != "" {
					ft.SendPieces(packed(chunk), 1000)(t, nc)
					return 1
				}
				ft.Send(bytes.Repeat(m, 10))(t, nc) // on its way when the server told of the end
				return 11
			}
			sent := wave("")
			until(t, "stored", func() bool {
				return len(merged(l.sink.Messages())) == 1 && merged(l.sink.Messages())[0].Events == 3*sent
			})
			wave("late")
			until(t, "ended", func() bool { return l.Stats().Open == 0 && l.Stats().Connections == 2 })
			for _, m := range l.sink.Messages() {
				if m.Chunk != "" {
					t.Error("it stored what it can't acknowledge")
				}
			}
			if s := l.log.String(); s != "" {
				t.Errorf("it logged %s", s)
			}
		})
	}
}

// TestDrainSpreads ends connections one after the other, over a few seconds.
func TestDrainSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(nil)
		var wg sync.WaitGroup
		var mu sync.Mutex
		ends := map[int]int{} // connections, by second
		began := time.Now()
		for range 60 {
			wg.Go(func() {
				agent(t, r, ft.Send(packed("a")), ft.ExpectAcks("a"), ft.ExpectClose)
				mu.Lock()
				defer mu.Unlock()
				ends[int(time.Since(began).Seconds())]++
			})
		}
		synctest.Wait()
		r.Drain()
		wg.Wait()
		if len(ends) != 3 || ends[0] == 0 || ends[1] == 0 || ends[2] == 0 {
			t.Errorf("they ended by seconds: %v", ends)
		}
		if n := len(r.sink.Settled()); n != 0 {
			t.Errorf("%d acks were settled, though none is confirmed", n)
		}
		quiet(t, r)
	})
}

// TestRate slows a cluster to its rate, without a message lost and with no memory held meanwhile.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, n, conns = 1000, 40, 4 // bytes a second, messages of each connection
		var mu sync.Mutex
		var free time.Time // when all that was charged is within the rate
		c := &clusters{charge: func(bytes int64) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(bytes) * time.Second / rate)
			return time.Until(free)
		}}
		r := newRig(func(o *forward.Options) { o.Clusters = c })
		began := time.Now()
		var wg sync.WaitGroup
		for range conns {
			wg.Go(func() {
				var steps []ft.Step
				for range n {
					steps = append(steps, ft.Send(packed("a")), ft.ExpectAcks("a"))
				}
				agent(t, r, steps...)
			})
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if used := r.Stats().Budget.Used; used != 0 {
			t.Errorf("%d bytes are held while all wait", used)
		}
		wg.Wait()
		bytes := float64(n * conns * len(packed("a")))
		if got := bytes / time.Since(began).Seconds(); got < 0.95*rate || got > 1.05*rate {
			t.Errorf("%.0f bytes/s, want %d", got, rate)
		}
		if got := len(r.sink.Messages()); got != n*conns {
			t.Errorf("%d messages", got)
		}
		quiet(t, r)
	})
}
