package socket

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// States of a connection (include/net/tcp_states.h).
const (
	// tcpEstablished is closed by the peer within TLS, and the rest is on its way.
	tcpEstablished = 1
	// tcpFinWait2 is closed by us, which has been confirmed; the next ones follow it.
	tcpFinWait2 = 5
	tcpTimeWait = 6
	tcpClose    = 7
	// tcpCloseWait is closed by the peer in good order.
	tcpCloseWait = 8
)

// AcksArrived reports whether all that was written to a connection is in the hands of the peer's kernel, after one of
// the two has closed it in good order.
func AcksArrived(nc net.Conn) bool {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		// A Unix socket: written is arrived.
		return true
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var (
		info             *unix.TCPInfo
		reset            int
		infoErr, sockErr error
	)
	err = raw.Control(func(fd uintptr) {
		info, infoErr = unix.GetsockoptTCPInfo(int(fd), syscall.IPPROTO_TCP, unix.TCP_INFO)
		// A peer that closed before the acks were written resets the connection when they come; Read says EOF all the
		// same.
		reset, sockErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	})
	if errors.Join(err, infoErr, sockErr) != nil || reset != 0 {
		return false
	}
	switch info.State {
	case tcpCloseWait, tcpEstablished:
		return info.Unacked == 0
	case tcpFinWait2, tcpTimeWait, tcpClose:
		return true
	}
	return false
}

// PeerGone reports whether the peer can't have the acks that were stored last, or those of them that are written,
// because it has closed the connection in whichever way. It is safe for concurrent use.
func (s *Socket) PeerGone(acks Acks) bool {
	if _, ok := s.Conn.(*net.TCPConn); !ok || s.look.raw == nil {
		return false
	}
	for {
		written, wrote := acks.Written(), s.wrote.Load()
		if written == resend.Nothing {
			return false
		}
		if written == resend.Some && !s.due.Load() {
			return s.leftUnread()
		}
		switch {
		case !s.look.closed():
			return false
		case written == acks.Written() && wrote == s.wrote.Load():
			// It had closed before the kernel was given the last ones.
			return true
		}
		// They were written meanwhile, so the peer may have closed with them read.
	}
}

// leftUnread reports whether the peer has closed with bytes unread that were written.
func (s *Socket) leftUnread() bool {
	var info *unix.TCPInfo
	var infoErr error
	err := s.look.raw.Control(func(fd uintptr) {
		info, infoErr = unix.GetsockoptTCPInfo(int(fd), syscall.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err != nil || infoErr != nil {
		return false
	}
	// A peer that has closed resets the connection when more comes, and doesn't acknowledge it. So what is written
	// after this look at the connection is lost too.
	return info.State == tcpClose || info.State == tcpCloseWait && info.Bytes_acked < s.wrote.Load()
}

// Unread returns how many bytes of the peer's have come and are not read yet, within TLS with its wrapping; 0 where it
// is not known. It is for the connection's goroutine.
func (s *Socket) Unread() uint64 { return s.look.unread() }

// look asks the kernel about a connection, without taking memory for each time, and without telling Go's scheduler, as
// direct does.
type look struct {
	// raw may be nil: not a socket.
	raw syscall.RawConn

	count   func(fd uintptr)
	waiting int32
	errno   syscall.Errno

	// mu is for closed, which anybody may ask.
	mu   sync.Mutex
	poll func(fd uintptr)
	fds  [1]unix.PollFd
	// now is poll's time-out.
	now unix.Timespec
	end bool
}

// begin gets ready to look at a connection; raw may be nil.
func (l *look) begin(raw syscall.RawConn) {
	l.raw = raw
	l.count = func(fd uintptr) {
		at := unsafe.Pointer(&l.waiting) //nolint:gosec // where the kernel puts its answer, an int
		_, _, l.errno = syscall.RawSyscall(syscall.SYS_IOCTL, fd, unix.SIOCINQ, uintptr(at))
	}
	l.poll = func(fd uintptr) {
		l.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
		fds, now := unsafe.Pointer(&l.fds), unsafe.Pointer(&l.now) //nolint:gosec // both are l's own
		n, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(fds), 1, uintptr(now), 0, 0, 0)
		l.end = errno == 0 && n > 0
	}
}

func (l *look) unread() uint64 {
	if l.raw == nil {
		return 0
	}
	l.waiting, l.errno = 0, 0
	if err := l.raw.Control(l.count); err != nil || l.errno != 0 {
		return 0
	}
	return uint64(max(l.waiting, 0))
}

// closed reports whether the peer has closed its side, or the connection is broken.
func (l *look) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = false
	return l.raw.Control(l.poll) == nil && l.end
}
