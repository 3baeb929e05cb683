package socket

import (
	"net"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// at is how far a connection's acks have come.
type at resend.Written

func (a at) Written() resend.Written { return resend.Written(a) }

// TestAckLostWhileWritten has a client close at each moment between the commit and the ack's arrival.
func TestAckLostWhileWritten(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		acks   resend.Written
		before func(*testing.T, *Socket, net.Conn) // the client closes
		lost   bool
		after  func(*Socket) // it has closed
	}{
		{"before its ack is made", resend.Pending, nothing, true, idle},
		{"before its ack is written", resend.Some, nothing, true, (*Socket).Due},
		{"before its second ack is written", resend.Some, ackAndRead, true, (*Socket).Due},
		{"with its ack written", resend.Some, nothing, true, ackHeld},
		{"before the rest of its acks is written", resend.Some, partAndRead, true, idle},
		{"just before the kernel has its ack", resend.Some, nothing, true, writing},
		{"just before the kernel has its second ack", resend.Some, ackAndRead, true, writing},
		{"with its ack read", resend.Some, ackAndRead, false, idle},
		{"when the server has closed too", resend.Nothing, ackAndRead, false, writing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d, client := pair(t)
			tc.before(t, d, client)
			if d.PeerGone(at(tc.acks)) {
				t.Error("lost, though the client is there")
			}
			if err := client.Close(); err != nil {
				t.Fatal(err)
			}
			if n, err := d.Conn.Read(make([]byte, 1)); err == nil {
				t.Fatalf("the client sent %d bytes", n)
			}
			tc.after(d)
			if got := d.PeerGone(at(tc.acks)); got != tc.lost {
				t.Errorf("lost: %t, want %t", got, tc.lost)
			}
		})
	}
}

// pair returns a connection as its listener has it, and its other end.
func pair(t *testing.T) (*Socket, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return New(server), client
}

func nothing(*testing.T, *Socket, net.Conn) {}

func idle(*Socket) {}

// writing is about to give an ack to the kernel.
func writing(d *Socket) { d.wrote.Add(3) }

// ackHeld has written an ack that the kernel was not given.
func ackHeld(d *Socket) {
	d.Due()
	_, _ = d.Write([]byte("ack"))
}

// ackAndRead is an ack that arrives.
func ackAndRead(t *testing.T, d *Socket, client net.Conn) {
	t.Helper()
	send(t, d, client, true)
}

// partAndRead is the first of two parts of acks, which arrives.
func partAndRead(t *testing.T, d *Socket, client net.Conn) {
	t.Helper()
	send(t, d, client, false)
}

func send(t *testing.T, d *Socket, client net.Conn, last bool) {
	t.Helper()
	d.Due()
	if _, err := d.Write([]byte("ack")); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(last); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
}

// clientLeaves is acks that are written, and then read by a client that closes, between two looks.
type clientLeaves struct {
	t      *testing.T
	d      *Socket
	client net.Conn
	looked bool
}

func (c *clientLeaves) Written() resend.Written {
	if c.looked {
		return resend.Some
	}
	c.looked = true
	ackAndRead(c.t, c.d, c.client)
	_ = c.client.Close()
	if n, err := c.d.Conn.Read(make([]byte, 1)); err == nil {
		c.t.Errorf("the client sent %d bytes", n)
	}
	return resend.Pending
}

// An ack that is written, and read by a client that closes then, while somebody looks is not lost: what the client
// sends next is another chunk.
func TestAckReadWhileLooking(t *testing.T) {
	t.Parallel()
	d, client := pair(t)
	if d.PeerGone(&clientLeaves{t: t, d: d, client: client}) {
		t.Error("lost, though the client had its ack before it closed")
	}
}
