package socket

import (
	"net"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// TestAckLostWhileWritten has a client close at each moment between the commit and the ack's arrival.
func TestAckLostWhileWritten(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		acks    resend.Written
		before  func(*testing.T, *Socket, net.Conn) // the client closes
		lost    bool
		writing uint64 // bytes that are about to be given to the kernel when the client has closed
	}{
		{"before its ack is made", resend.Pending, nothing, true, 0},
		{"just before the kernel has its ack", resend.Some, nothing, true, 3},
		{"just before the kernel has its second ack", resend.Some, ackAndRead, true, 3},
		{"with its ack read", resend.Some, ackAndRead, false, 0},
		{"when the server has closed too", resend.Nothing, ackAndRead, false, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			client, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			d := New(server)
			tc.before(t, d, client)
			if d.PeerGone(tc.acks) {
				t.Error("lost, though the client is there")
			}
			if err := client.Close(); err != nil {
				t.Fatal(err)
			}
			if n, err := server.Read(make([]byte, 1)); err == nil {
				t.Fatalf("the client sent %d bytes", n)
			}
			d.wrote.Add(tc.writing)
			if got := d.PeerGone(tc.acks); got != tc.lost {
				t.Errorf("lost: %t, want %t", got, tc.lost)
			}
		})
	}
}

func nothing(*testing.T, *Socket, net.Conn) {}

// ackAndRead is an ack that arrives.
func ackAndRead(t *testing.T, d *Socket, client net.Conn) {
	t.Helper()
	if _, err := d.Write([]byte("ack")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
}
