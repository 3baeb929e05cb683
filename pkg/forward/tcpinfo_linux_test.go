package forward

import (
	"net"
	"testing"
)

// TestAckLostWhileWritten has a client close at each moment between the commit and the ack's arrival.
func TestAckLostWhileWritten(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		before  func(*testing.T, *door, net.Conn) // the client closes
		lost    bool
		writing uint64 // bytes that are about to be given to the kernel when the client has closed
	}{
		{"before its ack is made", func(_ *testing.T, d *door, _ net.Conn) { d.acks.Store(acksUnwritten) }, true, 0},
		{"just before the kernel has its ack", func(_ *testing.T, d *door, _ net.Conn) { d.acks.Store(acksWritten) }, true, 3},
		{"just before the kernel has its second ack", ackAndRead, true, 3},
		{"with its ack read", ackAndRead, false, 0},
		{"when the server has closed too", func(t *testing.T, d *door, client net.Conn) {
			t.Helper()
			ackAndRead(t, d, client)
			d.acks.Store(acksSettled)
		}, false, 3},
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
			d := &door{Conn: server}
			tc.before(t, d, client)
			if acksLost(d) {
				t.Error("lost, though the client is there")
			}
			if err := client.Close(); err != nil {
				t.Fatal(err)
			}
			if n, err := server.Read(make([]byte, 1)); err == nil {
				t.Fatalf("the client sent %d bytes", n)
			}
			d.wrote.Add(tc.writing)
			if got := acksLost(d); got != tc.lost {
				t.Errorf("lost: %t, want %t", got, tc.lost)
			}
		})
	}
}

// ackAndRead is an ack that arrives.
func ackAndRead(t *testing.T, d *door, client net.Conn) {
	t.Helper()
	d.acks.Store(acksUnwritten)
	if _, err := d.Write([]byte("ack")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
}
