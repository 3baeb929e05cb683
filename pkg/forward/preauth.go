package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is a connection as its listener accepted it. It knows whether anything came, and can take back what was read.
type socket struct {
	net.Conn
	head []byte // read next
	came bool   // the client has sent something

	wrote atomic.Uint64 // bytes that the kernel was given, or is about to be
	look  look          // at the state that the kernel has of it
}

// Write notes what it writes before it does: a client may have its ack, close, and send the next chunk elsewhere before
// Write returns here.
func (s *socket) Write(p []byte) (int, error) {
	s.wrote.Add(uint64(len(p)))
	return s.Conn.Write(p)
}

func (s *socket) Read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	n, err := s.Conn.Read(p)
	s.came = s.came || n > 0
	return n, err
}

// open does what comes before the first message, within handshake_timeout: the PROXY header, TLS, the login. It finds
// out whose connection it is and whether there may be one more. Who was let in is let out by close.
func (c *conn) open(ctx context.Context) error {
	s := c.server
	deadline := time.Now().Add(s.limits().HandshakeTimeout)
	_ = c.socket.SetDeadline(deadline) // fails on a closed connection, as will all reads
	if err := c.takeProxyHeader(deadline); err != nil {
		return c.handshakeFault(err)
	}
	if err := s.conns.countSource(c, s.limits().MaxConnectionsPerSource); err != nil {
		return err
	}
	state, err := c.startTLS(deadline)
	if err != nil {
		return c.handshakeFault(err)
	}
	within, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	peer := Peer{Addr: c.client.source, TLS: state, Clusters: s.limits().Clusters}
	if c.client.cluster, c.client.hostname, err = s.login(within, c.net, peer); err != nil {
		return c.handshakeFault(err)
	}
	c.mem.Cluster = c.client.cluster
	if s.opts.Clusters != nil {
		if c.place.admitted, err = s.opts.Clusters.Admit(c.client.cluster); err != nil {
			return &refusal{reason: reasonClusterFull, err: err}
		}
	}
	s.countOpen(c, 1)
	c.place.counted = true
	_ = c.socket.SetDeadline(time.Time{}) // as above
	return nil
}

// close undoes open, as far as it came.
func (c *conn) close() {
	if c.place.counted {
		c.server.countOpen(c, -1)
	}
	if c.place.admitted != nil {
		c.place.admitted()
	}
	c.server.conns.uncountSource(c)
}

// handshakeFault tells faults from probes: load balancers and agents look whether somebody listens, and some log in
// before they leave.
func (c *conn) handshakeFault(err error) error {
	switch {
	case isRefusal(err):
		return err
	case !c.socket.came && isProbe(err):
		return errProbe
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.socket.came && c.server.opts.TLS != nil:
		return refuse(reasonNotTLS, "it said nothing for %v, like a client with a shared key and without TLS, which waits for the server to begin: turn TLS on in it", c.server.limits().HandshakeTimeout)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(reasonHandshake, "it did not finish its handshake within handshake_timeout, %v", c.server.limits().HandshakeTimeout)
	case isProbe(err) || errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(reasonHandshake, "it ended within its handshake: %w", err)
	}
	return refuse(reasonHandshake, "its handshake: %w", err)
}

// isProbe reports whether err is what a peer leaves behind that goes away without a word.
func isProbe(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
