// Package socket is a connection with what its kernel knows of it: whether the peer is still there, and has what was
// written. It also binds what connections come in by.
package socket

import (
	"net"
	"sync/atomic"
	"syscall"

	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// maxHeld is how much room for acks a connection keeps, in bytes.
const maxHeld = 4 << 10

// Socket is a connection as its listener accepted it. It knows whether anything came, and can take back what was read.
type Socket struct {
	net.Conn
	// head is read next.
	head []byte
	// came says that the peer has sent something.
	came bool

	// wrote counts bytes that the kernel was given, or is about to be.
	wrote atomic.Uint64
	// due says that acks are to be written that the kernel was not given.
	due atomic.Bool
	// held is what was written while acks are due.
	held []byte
	// look is at the state that the kernel has of it.
	look   look
	direct direct
}

// Write notes what it writes before it does: a client may have its ack, close, and send the next chunk elsewhere before
// Write returns here. While acks are due it keeps what it is given for Flush.
func (s *Socket) Write(p []byte) (int, error) {
	if s.due.Load() {
		s.held = append(s.held, p...)
		return len(p), nil
	}
	s.wrote.Add(uint64(len(p)))
	return s.direct.write(s.Conn, p)
}

// Acks is a connection's acks; a [resend.Tracker].
type Acks interface {
	// Written returns how far those have come that are not settled. It may be called by anybody at any time.
	Written() resend.Written
}

// Due says that acks are about to be written: until the kernel has the last of them, a peer that closes can't have them
// all. Flush must follow.
func (s *Socket) Due() { s.due.Store(true) }

// Flush gives the kernel what was written while acks are due, at once. last: no more of them follow.
func (s *Socket) Flush(last bool) error {
	s.wrote.Add(uint64(len(s.held)))
	if last {
		s.due.Store(false)
	}
	_, err := s.direct.write(s.Conn, s.held)
	if s.held = s.held[:0]; cap(s.held) > maxHeld {
		s.held = nil
	}
	return err
}

func (s *Socket) Read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	n, err := s.direct.read(s.Conn, p)
	s.came = s.came || n > 0
	return n, err
}

// New returns nc as a Socket.
func New(nc net.Conn) *Socket {
	s := &Socket{Conn: nc}
	raw := rawConn(nc)
	s.look.begin(raw)
	s.direct.begin(raw)
	return s
}

// rawConn returns what the system has of nc; nil: nothing, or it is closed already.
func rawConn(nc net.Conn) syscall.RawConn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// Came reports whether the peer has sent something since the last Forget.
func (s *Socket) Came() bool { return s.came }

// Forget takes what came so far for nothing of the peer's own: a proxy's header.
func (s *Socket) Forget() { s.came = false }

// TakeBack has b, which was read, read again.
func (s *Socket) TakeBack(b []byte) { s.head = b }
