package status

import (
	"net"
	"net/netip"
	"sync"
)

// How many connections may be open: few beside what the listeners have, so that who reaches this
// endpoint can't take their descriptors, and fewer of one source, so that nobody keeps probes out.
const (
	maxConnections          = 512
	maxConnectionsPerSource = 100
)

// limitedListener closes what is over the limits as soon as it is accepted. It doesn't wait, as that
// would hold up those who are not over theirs.
type limitedListener struct {
	net.Listener
	total, perSource int
	// refused is told of each, and must not block.
	refused func(source netip.Prefix)

	mu       sync.Mutex
	open     int
	bySource map[netip.Prefix]int
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source := sourceOf(conn.RemoteAddr().String())
		if l.enter(source) {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(source) })}, nil
		}
		// Nothing was said on it.
		_ = conn.Close()
		l.refused(source)
	}
}

func (l *limitedListener) enter(source netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.total || l.bySource[source] >= l.perSource {
		return false
	}
	l.open++
	l.bySource[source]++
	return true
}

func (l *limitedListener) leave(source netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.bySource[source]--; l.bySource[source] == 0 {
		delete(l.bySource, source)
	}
}

// limitedConn counts until it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
