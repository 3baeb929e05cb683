package forward_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
)

// TestTLSClosedWithAckUnread has clients close when their ack has come and they have not read it: they end TLS in good
// order, and only then the connection is reset. The ack is lost.
func TestTLSClosedWithAckUnread(t *testing.T) {
	cert, pool := certificate(t)
	l := listen(t, "127.0.0.1:0", withTLS(cert))
	for i := range 20 {
		raw := l.dial(t).(*net.TCPConn)
		nc := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "localhost"})
		ft.Send(packed("a"))(t, nc)
		ft.ExpectAcks("a")(t, nc)
		ft.Send(packed("b"))(t, nc)
		file, err := raw.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = file.Read(func(fd uintptr) bool {
			n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
			return n > 0 || err != nil && !errors.Is(err, unix.EAGAIN)
		})
		if err := errors.Join(err, nc.Close()); err != nil {
			t.Fatal(err)
		}
		until(t, "settled", func() bool { return len(l.sink.Settled()) == 2*i+2 })
		if l.sink.Settled()[2*i+1].Received {
			t.Fatal("the ack that a client left unread counts as received")
		}
	}
}

// TestSentAheadOfAcks has a client send several messages without waiting, and close before the first one's ack is
// written. That the server finds the next ones in its socket doesn't mean that the client has an ack.
func TestSentAheadOfAcks(t *testing.T) {
	const ahead = 20
	storing, proceed := make(chan struct{}), make(chan struct{})
	l := listen(t, "127.0.0.1:0", func(o *forward.Options) {
		o.Sink.(*ft.Sink).OnCommit = func(context.Context) error {
			storing <- struct{}{}
			<-proceed
			return nil
		}
	})
	nc := l.dial(t)
	ft.Send(packed("a"))(t, nc)
	<-storing
	for range ahead { // more than a read takes, so that each store has its acks alone
		ft.Send(packed("b"), bytes.Repeat([]byte{0xc0}, 8<<10))(t, nc)
	}
	if err := nc.Close(); err != nil {
		t.Fatal(err)
	}
	commits := 1
	proceed <- struct{}{}
	until(t, "ended", func() bool {
		select {
		case <-storing:
			commits++
			proceed <- struct{}{}
		default:
		}
		return l.Stats().Open == 0
	})
	settled := l.sink.Settled()
	if len(settled) != 1 || settled[0].Received || settled[0].Commits != commits {
		t.Errorf("settled %+v after %d commits", settled, commits)
	}
}

// TestClosedWhileFull has clients close while the queue has no room for what they sent: one that will send it again
// ends, one that wanted no ack does not.
func TestClosedWhileFull(t *testing.T) {
	t.Parallel() // it takes as long as clients have
	var (
		waits = make(chan context.Context)
		room  = make(chan struct{})
		l     = listen(t, "127.0.0.1:0", func(o *forward.Options) {
			o.Sink.(*ft.Sink).OnCommit = func(ctx context.Context) error {
				waits <- ctx
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-room:
					return nil
				}
			}
		})
	)
	ft.Run(t, l.dial(t), ft.Send(message("t", ft.Bin(all))))
	keeps := <-waits
	ft.Run(t, l.dial(t), ft.Send(packed("a")))
	<-(<-waits).Done()
	until(t, "ended", func() bool { return l.Stats().Refused["not_stored"] == 1 })
	until(t, "logged", func() bool {
		return strings.Contains(l.log.String(), "the client closed the connection before its messages could be stored")
	})
	if keeps.Err() != nil {
		t.Error("what is never sent again was given up")
	}
	close(room)
	until(t, "stored", func() bool { return len(l.sink.Messages()) == 1 })
}

// TestClosedWhileSlowed has clients of a cluster over its rate send a second message, which is not read for a while.
// The one that closes meanwhile has sent it again elsewhere, the one that wants no ack has not, and the one that waits
// gets its ack.
func TestClosedWhileSlowed(t *testing.T) {
	t.Parallel() // it takes as long as clients have
	// Until then nothing is read, however long the clients take.
	closed := make(chan struct{})
	l := listen(t, "127.0.0.1:0", func(o *forward.Options) {
		o.Clusters = &clusters{charge: func(int64) time.Duration {
			select {
			case <-closed:
			case <-t.Context().Done():
			}
			return 5 * time.Second
		}}
	})
	second := func(again []byte) net.Conn {
		nc := l.dial(t)
		ft.Send(packed("first"))(t, nc)
		ft.ExpectAcks("first")(t, nc)
		ft.Send(again)(t, nc)
		return nc
	}
	waits := second(packed("waits"))
	for _, nc := range []net.Conn{second(packed("closes")), second(message("t", ft.Bin(all)))} {
		if err := nc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(closed)
	ft.ExpectAcks("waits")(t, waits)
	if err := waits.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of all", func() bool { return l.Stats().Open == 0 })
	var stored []string
	for _, m := range l.sink.Messages() {
		stored = append(stored, m.Chunk)
	}
	slices.Sort(stored)
	if want := []string{"", "first", "first", "first", "waits"}; !slices.Equal(stored, want) ||
		l.Stats().Refused["not_stored"] != 1 {
		t.Errorf("stored %q, want %q; %v", stored, want, l.Stats().Refused)
	}
	if s := l.log.String(); !strings.Contains(s, "the client closed the connection before they were read") {
		t.Errorf("it logged %s", s)
	}
}
