package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// OnLoopback reports whether an address is this machine's own.
func OnLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip, errIP := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || errIP == nil && ip.Unmap().IsLoopback())
}

// ListenTCP listens on address and, for heartbeats, on the UDP port of the same number. With port 0, one of the two
// may be taken by somebody else: then it tries others.
func ListenTCP(
	ctx context.Context, lc *net.ListenConfig, address string, heartbeats bool,
) (net.Listener, net.PacketConn, error) {
	for attempt := 1; ; attempt++ {
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil || !heartbeats {
			return l, nil, err
		}
		pc, err := lc.ListenPacket(ctx, "udp", l.Addr().String())
		if err == nil {
			return l, pc, nil
		}
		if err = errors.Join(
			fmt.Errorf("UDP heartbeats (udp_heartbeat: false turns them off): %w", err), l.Close(),
		); attempt == 10 || !strings.HasSuffix(address, ":0") {
			return nil, nil, err
		}
	}
}

// RemoveStale removes the socket at path if nobody listens on it.
func RemoveStale(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return errors.New("there is a file of that name that is no socket")
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = nc.Close()
		return errors.New("another process listens there")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return err
}

// AnswerHeartbeats answers fluentd's UDP heartbeats until pc is closed: a zero byte for each datagram, and nothing but
// an empty datagram for an empty one, so that nobody gets more bytes than he sent.
func AnswerHeartbeats(pc net.PacketConn) {
	var buf [1]byte
	for {
		n, from, err := pc.ReadFrom(buf[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || from == nil {
			// One datagram's trouble, such as a refusal of the last answer.
			continue
		}
		// It is as lossy as UDP itself.
		_, _ = pc.WriteTo(make([]byte, min(n, 1)), from)
	}
}
