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

// door is a connection as its listener accepted it. It knows whether anything came, and can take back what was read.
type door struct {
	net.Conn
	head []byte // read next
	came bool   // the client has sent something

	wrote atomic.Uint64 // bytes that the kernel was given, or is about to be
}

// Write notes what it writes before it does: a client may have its ack, close, and send the next chunk elsewhere before
// Write returns here.
func (d *door) Write(p []byte) (int, error) {
	d.wrote.Add(uint64(len(p)))
	return d.Conn.Write(p)
}

func (d *door) Read(p []byte) (int, error) {
	if len(d.head) > 0 {
		n := copy(p, d.head)
		d.head = d.head[n:]
		return n, nil
	}
	n, err := d.Conn.Read(p)
	d.came = d.came || n > 0
	return n, err
}

// open does what comes before the first message, within handshake_timeout: the PROXY header, TLS, the login. It finds
// out whose connection it is and whether there may be one more. Who was let in is let out by leaveDoor.
func (c *conn) open(ctx context.Context) error {
	s := c.server
	deadline := time.Now().Add(s.limits().HandshakeTimeout)
	_ = c.raw.SetDeadline(deadline) // fails on a closed connection, as will all reads
	if err := c.takeProxyHeader(deadline); err != nil {
		return c.doorFault(err)
	}
	if err := s.countSource(c); err != nil {
		return err
	}
	state, err := c.startTLS(deadline)
	if err != nil {
		return c.doorFault(err)
	}
	within, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if c.cluster, c.hostname, err = s.login(within, c.net, Peer{Addr: c.source, TLS: state, Listener: s.opts.Name, Clusters: s.limits().Clusters}); err != nil {
		return c.doorFault(err)
	}
	c.mem.Cluster = c.cluster
	if s.opts.Clusters != nil {
		if c.admitted, err = s.opts.Clusters.Admit(c.cluster); err != nil {
			return &refusal{reason: reasonClusterFull, err: err}
		}
	}
	s.countOpen(c.cluster, 1)
	c.counted = true
	_ = c.raw.SetDeadline(time.Time{}) // as above
	return nil
}

// close undoes open, as far as it came.
func (c *conn) close() {
	if c.counted {
		c.server.countOpen(c.cluster, -1)
	}
	if c.admitted != nil {
		c.admitted()
	}
	c.server.uncountSource(c)
}

// doorFault tells faults from probes: load balancers and agents look whether somebody listens, and some log in
// before they leave.
func (c *conn) doorFault(err error) error {
	switch {
	case isRefusal(err):
		return err
	case !c.door.came && isProbe(err):
		return errProbe
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.door.came && c.server.opts.TLS != nil:
		return refuse(reasonNotTLS, "it said nothing for %v, like a client with a shared key and without TLS, which waits for the server to begin: turn TLS on in it", c.server.limits().HandshakeTimeout)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(reasonHandshake, "it did not finish its handshake within handshake_timeout, %v", c.server.limits().HandshakeTimeout)
	case isProbe(err) || errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(reasonHandshake, "it ended within its handshake: %w", err)
	}
	return refuse(reasonHandshake, "its handshake: %w", err)
}

// isProbe says whether err is what a peer leaves behind that goes away without a word.
func isProbe(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// countSource counts c among the connections of its source, unless there are too many already.
func (s *Server) countSource(c *conn) error {
	most := s.limits().MaxConnectionsPerSource
	if most <= 0 || !c.source.IsValid() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := c.source.Addr()
	if s.sources[addr] >= most {
		return refuse(reasonSourceFull, "%v has %d already, which is max_connections_per_source", addr, most)
	}
	s.sources[addr]++
	c.ofSource = true
	return nil
}

func (s *Server) uncountSource(c *conn) {
	if !c.ofSource {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := c.source.Addr()
	if s.sources[addr]--; s.sources[addr] == 0 {
		delete(s.sources, addr)
	}
}
