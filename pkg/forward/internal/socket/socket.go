// Package socket is a connection with what its kernel knows of it: whether the peer is still there, and has what was
// written. It also binds what connections come in by.
package socket

import (
	"net"
	"sync/atomic"
	"syscall"
)

// Socket is a connection as its listener accepted it. It knows whether anything came, and can take back what was read.
type Socket struct {
	net.Conn
	// head is read next.
	head []byte
	// came says that the peer has sent something.
	came bool

	// wrote counts bytes that the kernel was given, or is about to be.
	wrote atomic.Uint64
	// look is at the state that the kernel has of it.
	look   look
	direct direct
}

// Write notes what it writes before it does: a client may have its ack, close, and send the next chunk elsewhere before
// Write returns here.
func (s *Socket) Write(p []byte) (int, error) {
	s.wrote.Add(uint64(len(p)))
	return s.direct.write(s.Conn, p)
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
