// Package proxyheader reads the headers by which a proxy says for whom it speaks (haproxy.org, proxy-protocol.txt).
package proxyheader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

const (
	// Signature begins a PROXY header of version 2.
	Signature = "\r\n\r\n\x00\r\nQUIT\n"
	// maxLine is the longest PROXY header of version 1, in bytes, its end included.
	maxLine = 107
)

// NotThereError is Read's error for bytes that are no header.
type NotThereError struct{ Bytes []byte }

func (*NotThereError) Error() string { return "it does not begin with a PROXY header" }

// Read reads a PROXY header of version 1 or 2 (haproxy.org, proxy-protocol.txt), and not a byte more, and returns the
// address of the client. It is not valid where the proxy speaks for itself, as in its health checks, or does not say
// for whom: the connection is the proxy's then. Bytes that are no header come back in a *NotThereError.
func Read(r io.Reader) (netip.AddrPort, error) {
	b := make([]byte, maxLine)
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return netip.AddrPort{}, err
	}
	switch b[0] {
	case 'P':
		return readLine(r, b[:1])
	case Signature[0]:
		return readBlock(r, b[:16])
	}
	return netip.AddrPort{}, &NotThereError{b[:1]}
}

// readLine reads the rest of version 1: a line of text. b has its first byte.
func readLine(r io.Reader, b []byte) (netip.AddrPort, error) {
	const prefix = "PROXY "
	for b[len(b)-1] != '\n' {
		if n := len(b); n <= len(prefix) && b[n-1] != prefix[n-1] {
			return netip.AddrPort{}, &NotThereError{b}
		}
		if len(b) == maxLine {
			return netip.AddrPort{}, fmt.Errorf("its line is longer than %d bytes", maxLine)
		}
		if _, err := io.ReadFull(r, b[len(b):len(b)+1]); err != nil {
			return netip.AddrPort{}, cut(err)
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
		return netip.AddrPort{}, fmt.Errorf("its line %q is not of the form PROXY TCP4 source destination port port",
			line)
	}
	source, err := address(fields[2], fields[4], fields[1] == "TCP4")
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("its source: %w", err)
	}
	if _, err = address(fields[3], fields[5], fields[1] == "TCP4"); err != nil {
		return netip.AddrPort{}, fmt.Errorf("its destination: %w", err)
	}
	return source, nil
}

// address reads an address of version 1. Some proxies write an IPv4 address after TCP6, which is taken.
func address(host, port string, only4 bool) (netip.AddrPort, error) {
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

// readBlock reads the rest of version 2: a signature, four bytes, and a block of addresses and extensions. b has
// room for all but the block, and its first byte.
func readBlock(r io.Reader, b []byte) (netip.AddrPort, error) {
	// Byte by byte: what is no header may end anywhere.
	for n := 1; n < len(b); n++ {
		if n <= len(Signature) && b[n-1] != Signature[n-1] {
			return netip.AddrPort{}, &NotThereError{b[:n]}
		}
		if _, err := io.ReadFull(r, b[n:n+1]); err != nil {
			return netip.AddrPort{}, cut(err)
		}
	}
	const local, proxied = 0x20, 0x21
	command, family, size := b[12], b[13], int64(binary.BigEndian.Uint16(b[14:]))
	if command != local && command != proxied {
		return netip.AddrPort{}, fmt.Errorf("its version and command are %#02x", command)
	}
	var addresses [36]byte
	// These are bytes of an address, and of two with their ports.
	ip, known := 0, addresses[:0]
	switch family {
	case 0x11:
		ip, known = 4, addresses[:12]
	case 0x21:
		ip, known = 16, addresses[:36]
	case 0x00, 0x31:
		// Unspecified, Unix socket.
	default:
		if command == proxied {
			return netip.AddrPort{}, fmt.Errorf("its family and protocol are %#02x, not those of a TCP connection",
				family)
		}
	}
	if command == local {
		// Whatever stands there is to be passed over.
		ip, known = 0, addresses[:0]
	}
	if size < int64(len(known)) {
		return netip.AddrPort{}, fmt.Errorf("its addresses have %d bytes, not %d", size, len(known))
	}
	if _, err := io.ReadFull(r, known); err != nil {
		return netip.AddrPort{}, cut(err)
	}
	if _, err := io.CopyN(io.Discard, r, size-int64(len(known))); err != nil {
		return netip.AddrPort{}, cut(err)
	}
	if ip == 0 {
		return netip.AddrPort{}, nil
	}
	addr, _ := netip.AddrFromSlice(known[:ip])
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(known[2*ip:])), nil
}

// cut tells an end within a header from one before it.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
