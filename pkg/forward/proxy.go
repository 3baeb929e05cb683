package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// proxyPatience is how long a listener with an optional PROXY header waits for the first byte of a connection from
	// a trusted proxy, before it takes it for one that has none: clients with a shared key wait for the server to speak.
	proxyPatience = time.Second
	// proxySignature begins a PROXY header of version 2.
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	// maxProxyLine is the longest PROXY header of version 1, in bytes, its end included.
	maxProxyLine = 107
)

// noProxyHeader is readProxyHeader's error for bytes that are none.
type noProxyHeader struct{ read []byte }

func (*noProxyHeader) Error() string { return "it does not begin with a PROXY header" }

// readProxyHeader reads a PROXY header of version 1 or 2 (haproxy.org, proxy-protocol.txt), and not a byte more, and returns the
// address of the client. It is not valid where the proxy speaks for itself, as in its health checks, or does not say
// for whom: the connection is the proxy's then. Bytes that are no header come back in a *noProxyHeader.
func readProxyHeader(r io.Reader) (netip.AddrPort, error) {
	b := make([]byte, maxProxyLine)
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return netip.AddrPort{}, err
	}
	switch b[0] {
	case 'P':
		return readProxyLine(r, b[:1])
	case proxySignature[0]:
		return readProxyBlock(r, b[:16])
	}
	return netip.AddrPort{}, &noProxyHeader{b[:1]}
}

// readProxyLine reads the rest of version 1: a line of text. b has its first byte.
func readProxyLine(r io.Reader, b []byte) (netip.AddrPort, error) {
	const prefix = "PROXY "
	for b[len(b)-1] != '\n' {
		if n := len(b); n <= len(prefix) && b[n-1] != prefix[n-1] {
			return netip.AddrPort{}, &noProxyHeader{b}
		}
		if len(b) == maxProxyLine {
			return netip.AddrPort{}, fmt.Errorf("its line is longer than %d bytes", maxProxyLine)
		}
		if _, err := io.ReadFull(r, b[len(b):len(b)+1]); err != nil {
			return netip.AddrPort{}, cutHeader(err)
		}
		b = b[:len(b)+1]
	}
	line, ok := strings.CutSuffix(string(b), "\r\n")
	fields := strings.Split(line, " ")
	switch {
	case !ok:
		return netip.AddrPort{}, errors.New(`its line must end with \r\n`)
	case fields[1] == "UNKNOWN":
		return netip.AddrPort{}, nil
	case len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6":
		return netip.AddrPort{}, fmt.Errorf("its line %q is not of the form PROXY TCP4 source destination port port", line)
	}
	source, err := proxyAddress(fields[2], fields[4], fields[1] == "TCP4")
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("its source: %w", err)
	}
	if _, err = proxyAddress(fields[3], fields[5], fields[1] == "TCP4"); err != nil {
		return netip.AddrPort{}, fmt.Errorf("its destination: %w", err)
	}
	return source, nil
}

// proxyAddress reads an address of version 1. Some proxies write an IPv4 address after TCP6, which is taken.
func proxyAddress(host, port string, only4 bool) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return netip.AddrPort{}, err
	case addr.Zone() != "" || only4 && !addr.Is4():
		return netip.AddrPort{}, fmt.Errorf("%q is not such an address", host)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, fmt.Errorf("%q is no port", port)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}

// readProxyBlock reads the rest of version 2: a signature, four bytes, and a block of addresses and extensions. b has
// room for all but the block, and its first byte.
func readProxyBlock(r io.Reader, b []byte) (netip.AddrPort, error) {
	for n := 1; n < len(b); n++ { // byte by byte: what is no header may end anywhere
		if n <= len(proxySignature) && b[n-1] != proxySignature[n-1] {
			return netip.AddrPort{}, &noProxyHeader{b[:n]}
		}
		if _, err := io.ReadFull(r, b[n:n+1]); err != nil {
			return netip.AddrPort{}, cutHeader(err)
		}
	}
	const local, proxied = 0x20, 0x21
	command, family, size := b[12], b[13], int64(binary.BigEndian.Uint16(b[14:]))
	if command != local && command != proxied {
		return netip.AddrPort{}, fmt.Errorf("its version and command are %#02x", command)
	}
	var addresses [36]byte
	ip, known := 0, addresses[:0] // bytes of an address, and of two with their ports
	switch family {
	case 0x11:
		ip, known = 4, addresses[:12]
	case 0x21:
		ip, known = 16, addresses[:36]
	case 0x00, 0x31: // unspecified, Unix socket
	default:
		if command == proxied {
			return netip.AddrPort{}, fmt.Errorf("its family and protocol are %#02x, not those of a TCP connection", family)
		}
	}
	if command == local {
		ip, known = 0, addresses[:0] // whatever stands there is to be passed over
	}
	if size < int64(len(known)) {
		return netip.AddrPort{}, fmt.Errorf("its addresses have %d bytes, not %d", size, len(known))
	}
	if _, err := io.ReadFull(r, known); err != nil {
		return netip.AddrPort{}, cutHeader(err)
	}
	if _, err := io.CopyN(io.Discard, r, size-int64(len(known))); err != nil {
		return netip.AddrPort{}, cutHeader(err)
	}
	if ip == 0 {
		return netip.AddrPort{}, nil
	}
	addr, _ := netip.AddrFromSlice(known[:ip])
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(known[2*ip:])), nil
}

// cutHeader tells an end within a header from one before it.
func cutHeader(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
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

// takeProxyHeader finds out whose connection it is where a proxy may stand between. deadline is that of the handshake.
func (c *conn) takeProxyHeader(deadline time.Time) error {
	opts := &c.server.opts
	trusted := c.client.source.IsValid() && slices.ContainsFunc(c.server.proxies, func(p netip.Prefix) bool { return p.Contains(c.client.source.Addr()) })
	switch {
	case opts.ProxyProtocol != "optional" && opts.ProxyProtocol != "required":
		return nil
	case !trusted && opts.ProxyProtocol == "optional":
		return nil
	case !trusted:
		if _, err := io.ReadFull(&c.socket, make([]byte, 1)); err != nil {
			return err // it did not try: a probe
		}
		return refuse(reasonProxy, "a PROXY header is required here, and %v is not among the trusted_proxies: send through the load balancer, or name it there", c.client.source.Addr())
	}
	if opts.ProxyProtocol == "optional" {
		_ = c.socket.SetReadDeadline(time.Now().Add(min(proxyPatience, time.Until(deadline)))) // fails on a closed connection, as will Read
		first := make([]byte, 1)
		_, err := io.ReadFull(&c.socket, first)
		_ = c.socket.SetReadDeadline(deadline)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		c.socket.head = first
	}
	source, err := readProxyHeader(&c.socket)
	var none *noProxyHeader
	switch {
	case errors.As(err, &none) && opts.ProxyProtocol == "optional":
		c.socket.head = none.read
		return nil
	case errors.As(err, &none):
		return refuse(reasonProxy, "%w, which is required here: turn the PROXY protocol on in the load balancer, or take %v out of trusted_proxies", err, c.client.source.Addr())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(reasonProxy, "no PROXY header came within handshake_timeout, %v; a load balancer that sends it only with the client's first bytes can't be used with a shared key without TLS, as the server has to speak first", c.server.limits().HandshakeTimeout)
	case isProbe(err): // as long as not a byte came
		return err
	case err != nil:
		return refuse(reasonProxy, "its PROXY header can't be used: %w", err)
	}
	c.socket.came = false // what the proxy says is not from the client: it may still be a probe
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
