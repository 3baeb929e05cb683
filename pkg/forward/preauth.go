package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/proxyheader"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

// proxyPatience is how long a listener with an optional PROXY header waits for the first byte of a connection from
// a trusted proxy, before it takes it for one that has none: clients with a shared key wait for the server to speak.
const proxyPatience = time.Second

// open does what comes before the first message, within handshake_timeout: the PROXY header, TLS, the login. It finds
// out whose connection it is and whether there may be one more. Who was let in is let out by close.
func (c *conn) open(ctx context.Context) error {
	s := c.server
	deadline := time.Now().Add(s.limits().HandshakeTimeout)
	// Fails on a closed connection, as will all reads.
	_ = c.socket.SetDeadline(deadline)
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
		if !errors.Is(err, errHandover) {
			return c.handshakeFault(err)
		}
		c.place.handover = true
		_ = c.socket.SetDeadline(time.Time{})
		return nil
	}
	c.mem.Cluster = c.client.cluster
	if s.opts.Clusters != nil {
		if c.place.admitted, err = s.opts.Clusters.Admit(c.client.cluster); err != nil {
			return &refusal.Error{Reason: refusal.ClusterFull, Err: err}
		}
	}
	s.countOpen(c, 1)
	c.place.counted = true
	_ = c.socket.SetDeadline(time.Time{})
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
	case refusal.Is(err):
		return err
	case !c.socket.Came() && isProbe(err):
		return errProbe
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.socket.Came() && c.server.opts.TLS != nil:
		return refusal.New(refusal.NotTLS,
			"it said nothing for %v, like a client with a shared key and without TLS, which waits for the server to "+
				"begin: turn TLS on in it", c.server.limits().HandshakeTimeout)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refusal.New(refusal.Handshake, "it did not finish its handshake within handshake_timeout, %v",
			c.server.limits().HandshakeTimeout)
	case isProbe(err) || errors.Is(err, io.ErrUnexpectedEOF):
		return refusal.New(refusal.Handshake, "it ended within its handshake: %w", err)
	}
	return refusal.New(refusal.Handshake, "its handshake: %w", err)
}

// isProbe reports whether err is what a peer leaves behind that goes away without a word.
func isProbe(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

// takeProxyHeader finds out whose connection it is where a proxy may stand between. deadline is that of the handshake.
func (c *conn) takeProxyHeader(deadline time.Time) error {
	opts := &c.server.opts
	trusted := c.client.source.IsValid() &&
		slices.ContainsFunc(c.server.proxies, func(p netip.Prefix) bool { return p.Contains(c.client.source.Addr()) })
	switch {
	case opts.ProxyProtocol != "optional" && opts.ProxyProtocol != "required":
		return nil
	case !trusted && opts.ProxyProtocol == "optional":
		return nil
	case !trusted:
		if _, err := io.ReadFull(c.socket, make([]byte, 1)); err != nil {
			// It did not try: a probe.
			return err
		}
		return refusal.New(refusal.Proxy,
			"a PROXY header is required here, and %v is not among the trusted_proxies: send through the load "+
				"balancer, or name it there", c.client.source.Addr())
	}
	if opts.ProxyProtocol == "optional" {
		// Fails on a closed connection, as will Read.
		_ = c.socket.SetReadDeadline(time.Now().Add(min(proxyPatience, time.Until(deadline))))
		first := make([]byte, 1)
		_, err := io.ReadFull(c.socket, first)
		_ = c.socket.SetReadDeadline(deadline)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		c.socket.TakeBack(first)
	}
	source, err := proxyheader.Read(c.socket)
	var none *proxyheader.NotThereError
	switch {
	case errors.As(err, &none) && opts.ProxyProtocol == "optional":
		c.socket.TakeBack(none.Bytes)
		return nil
	case errors.As(err, &none):
		return refusal.New(refusal.Proxy,
			"%w, which is required here: turn the PROXY protocol on in the load balancer, or take %v out of "+
				"trusted_proxies", err, c.client.source.Addr())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refusal.New(refusal.Proxy,
			"no PROXY header came within handshake_timeout, %v; a load balancer that sends it only with the client's "+
				"first bytes can't be used with a shared key without TLS, as the server has to speak first",
			c.server.limits().HandshakeTimeout)
	// A probe is one as long as not a byte came.
	case isProbe(err):
		return err
	case err != nil:
		return refusal.New(refusal.Proxy, "its PROXY header can't be used: %w", err)
	}
	// What the proxy says is not from the client: it may still be a probe.
	c.socket.Forget()
	if source.IsValid() {
		c.client.source, c.client.proxy = source, c.socket.RemoteAddr()
		c.server.counters.proxied.Add(1)
	}
	return nil
}

// sourceOf is the address of a peer, not valid for a Unix socket.
func sourceOf(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// parseNetworks reads addresses and networks in CIDR form.
func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if addr, e := netip.ParseAddr(text); e == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}
