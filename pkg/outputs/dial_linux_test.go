package outputs

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Connections end soon after their peers: what the kernel was told is what it is asked for here.
func TestDialer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := Dialer(0).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	if err := raw.Control(func(fd uintptr) {
		for name, option := range map[string]int{
			"user time-out": unix.TCP_USER_TIMEOUT, "idle": unix.TCP_KEEPIDLE, "interval": unix.TCP_KEEPINTVL,
			"count": unix.TCP_KEEPCNT,
		} {
			if got[name], err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); err != nil {
				t.Error(name, err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if got["user time-out"] != 15_000 || got["idle"]+got["interval"]*got["count"] > 15 {
		t.Errorf("the kernel has %v, want what finds a dead peer within 15 s", got)
	}
}
