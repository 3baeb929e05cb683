package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// connect returns both ends of a connection, the first as a Socket.
func connect(t *testing.T, network, address string) (*Socket, net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return New(server), client
}

// TestDirect holds that a Socket reads and writes as package net does.
func TestDirect(t *testing.T) {
	t.Parallel()
	read := func(s *Socket) error { _, err := s.Read(make([]byte, 10)); return err }
	for _, tc := range []struct {
		name string
		do   func(*Socket, net.Conn) error
		want error
	}{
		{"the peer has closed", func(s *Socket, c net.Conn) error { c.Close(); return read(s) }, io.EOF},
		{"the peer sends nothing", func(s *Socket, _ net.Conn) error {
			return errors.Join(s.SetReadDeadline(time.Now().Add(time.Millisecond)), read(s))
		}, os.ErrDeadlineExceeded},
		{"it is closed", func(s *Socket, _ net.Conn) error { s.Close(); return read(s) }, net.ErrClosed},
		{"it is closed meanwhile", func(s *Socket, c net.Conn) error {
			c.Write([]byte("x"))
			err := read(s)
			time.AfterFunc(time.Millisecond, func() { s.Close() })
			return errors.Join(err, read(s))
		}, net.ErrClosed},
		{"the peer has closed with something unread", func(s *Socket, c net.Conn) error {
			s.Write([]byte("ack"))
			io.ReadFull(c, make([]byte, 1))
			c.Close()
			return read(s)
		}, syscall.ECONNRESET},
		{"nobody reads what is written", func(s *Socket, _ net.Conn) error {
			s.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			_, err := s.Write(make([]byte, 16<<20))
			return err
		}, os.ErrDeadlineExceeded},
		{"nothing to read into", func(s *Socket, _ net.Conn) error { _, err := s.Read(nil); return err }, nil},
		{"nothing to write", func(s *Socket, _ net.Conn) error { _, err := s.Write(nil); return err }, nil},
	} {
		for network, address := range map[string]string{
			"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s"),
		} {
			t.Run(tc.name+"/"+network, func(t *testing.T) {
				t.Parallel()
				s, client := connect(t, network, address)
				if err := tc.do(s, client); !errors.Is(err, tc.want) {
					t.Errorf("%v, want %v", err, tc.want)
				}
			})
		}
	}
}

// TestDirectWhole has more written than a socket's buffers hold, to a peer that reads it a little at a time.
func TestDirectWhole(t *testing.T) {
	t.Parallel()
	s, client := connect(t, "tcp", "127.0.0.1:0")
	sent := make([]byte, 8<<20)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	var got []byte
	read := make(chan error)
	go func() {
		var err error
		got, err = io.ReadAll(io.LimitReader(client, int64(len(sent))))
		read <- err
	}()
	if n, err := s.Write(sent); n != len(sent) || err != nil {
		t.Fatal(n, err)
	}
	if err := <-read; err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came, %v", len(got), err)
	}
}
