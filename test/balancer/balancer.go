// Package balancer is a TCP load balancer for tests: it spreads connections over servers in turn, passes over those
// that take none, and cuts connections whose server has ended.
package balancer

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// dialTimeout is how long a server may take to accept.
const dialTimeout = time.Second

// Balancer listens on 127.0.0.1. Safe for concurrent use.
type Balancer struct {
	listener net.Listener
	stop     context.CancelFunc
	ctx      context.Context //nolint:containedctx // ends the dials of Close
	running  sync.WaitGroup

	mu      sync.Mutex
	servers []string
	next    int
	open    map[net.Conn]struct{}
}

// New listens. There is nobody to connect to yet: see Set.
func New() (*Balancer, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &Balancer{listener: l, open: map[net.Conn]struct{}{}}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.running.Go(b.accept)
	return b, nil
}

// Addr is where clients connect.
func (b *Balancer) Addr() string { return b.listener.Addr().String() }

// Set replaces the addresses of the servers. Connections to those that are not among them any more go on.
func (b *Balancer) Set(servers ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.servers = append([]string(nil), servers...)
}

// Cut closes all connections at once.
func (b *Balancer) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.open {
		_ = c.Close()
	}
}

// Close ends everything.
func (b *Balancer) Close() {
	b.stop()
	_ = b.listener.Close()
	b.Cut()
	b.running.Wait()
}

func (b *Balancer) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		if !b.track(c) {
			return
		}
		b.running.Go(func() { b.serve(c) })
	}
}

// track notes an open connection; false: the balancer closes, and so was c.
func (b *Balancer) track(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		_ = c.Close()
		return false
	}
	b.open[c] = struct{}{}
	return true
}

func (b *Balancer) release(c net.Conn) {
	_ = c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
}

// serve joins c to a server. Where none takes it, c is closed, and its client tries again.
func (b *Balancer) serve(c net.Conn) {
	defer b.release(c)
	s, err := b.dial()
	if err != nil || !b.track(s) {
		return
	}
	defer b.release(s)
	var both sync.WaitGroup
	both.Go(func() { pass(s, c) })
	both.Go(func() { pass(c, s) })
	both.Wait()
}

// pass copies until an end or an error, which the other side is told.
func pass(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
	_ = from.Close()
}

var errNobody = errors.New("no server takes connections")

// dial connects to the next server that takes connections.
func (b *Balancer) dial() (net.Conn, error) {
	b.mu.Lock()
	n := len(b.servers)
	b.mu.Unlock()
	d := net.Dialer{Timeout: dialTimeout}
	for range n {
		if c, err := d.DialContext(b.ctx, "tcp", b.turn()); err == nil {
			return c, nil
		}
	}
	return nil, errNobody
}

// turn returns the next server's address.
func (b *Balancer) turn() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.servers) == 0 {
		return ""
	}
	b.next++
	return b.servers[b.next%len(b.servers)]
}
