package forward

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// States of a connection (include/net/tcp_states.h).
const (
	tcpEstablished = 1 // closed by the peer within TLS, and the rest is on its way
	tcpFinWait2    = 5 // closed by us, which has been confirmed; the next ones follow it
	tcpTimeWait    = 6
	tcpClose       = 7
	tcpCloseWait   = 8 // closed by the peer in good order
)

// acksArrived reports whether all that was written to a connection is in the hands of the peer's kernel, after one of the
// two has closed it in good order.
func acksArrived(nc net.Conn) bool {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return true // a Unix socket: written is arrived
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
		// A peer that closed before the acks were written resets the connection when they come; Read says EOF all the same.
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

// peerGone reports whether the peer can't have the acks that were stored last, or those of them that are written, because it
// has closed the connection in whichever way.
func peerGone(d *socket, acks resend.Written) bool {
	tcp, ok := d.Conn.(*net.TCPConn)
	if !ok || acks == resend.Nothing {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var info *unix.TCPInfo
	var infoErr error
	err = raw.Control(func(fd uintptr) { info, infoErr = unix.GetsockoptTCPInfo(int(fd), syscall.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil || infoErr != nil {
		return false
	}
	// A peer that has closed resets the connection when more comes, and doesn't acknowledge it. So what is written after
	// this look at the connection is lost too.
	return info.State == tcpClose || info.State == tcpCloseWait && (acks == resend.Pending || info.Bytes_acked < d.wrote.Load())
}

// unread returns how many bytes of the peer's have come and are not read yet, within TLS with its wrapping; 0 where it is
// not known.
func unread(nc net.Conn) uint64 {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	var inqErr error
	err = raw.Control(func(fd uintptr) { n, inqErr = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	if err != nil || inqErr != nil {
		return 0
	}
	return uint64(max(n, 0))
}
