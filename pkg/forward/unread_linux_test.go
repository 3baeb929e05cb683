package forward_test

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

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
