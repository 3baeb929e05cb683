package forward

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpCloseWait is the state of a connection whose peer has closed it in good order (include/net/tcp_states.h).
const tcpCloseWait = 8

// acksArrived says whether all that was written to a connection is in the hands of the peer's kernel, after the peer has closed it.
func acksArrived(nc net.Conn) bool {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return true // a Unix socket: written is arrived
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var info *unix.TCPInfo
	var infoErr error
	err = raw.Control(func(fd uintptr) { info, infoErr = unix.GetsockoptTCPInfo(int(fd), syscall.IPPROTO_TCP, unix.TCP_INFO) })
	return err == nil && infoErr == nil && info.State == tcpCloseWait && info.Unacked == 0
}
