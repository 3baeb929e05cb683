package forward

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/proxyheader"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

// startTLS does the server's part of a TLS handshake, until deadline. On a connection that is not TLS it says what that
// looks like.
func (c *conn) startTLS(deadline time.Time) (*tls.ConnectionState, error) {
	if c.server.opts.Config.TLS == nil {
		return nil, nil //nolint:nilnil // no TLS is no fault
	}
	t := tls.Server(c.socket, c.server.opts.TLS)
	// Fails on a closed connection, as will the handshake.
	_ = c.socket.SetDeadline(deadline)
	if err := t.Handshake(); err != nil { //nolint:noctx // the deadline ends it, as does closing the connection
		return nil, c.tlsHandshakeFault(err)
	}
	c.server.counters.tls.Add(1)
	c.net = t
	slimTLS(t)
	state := t.ConnectionState()
	return &state, nil
}

func (c *conn) tlsHandshakeFault(err error) error {
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return refusal.New(refusal.NotTLS, "%s", notTLS(record.RecordHeader[:]))
	case !c.socket.Came():
		// A probe, or one that said nothing until the deadline.
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refusal.New(refusal.Handshake, "its TLS handshake took longer than handshake_timeout, %v",
			c.server.limits().HandshakeTimeout)
	case isProbe(err) || errors.Is(err, io.ErrUnexpectedEOF):
		return refusal.New(refusal.TLS,
			"it ended within the TLS handshake: it may not trust this server's certificate, or be no TLS client: %w",
			err)
	}
	return refusal.New(refusal.TLS, "TLS handshake: %w", err)
}

// slimTLS gives back what a TLS connection keeps of its handshake and of the largest record that it has read, which
// crypto/tls never does: tens of KiB for each idle connection. They are fields of it that it does not show; where it
// has none of these names and types, nothing happens. A buffer that holds something stays as it is. Only the goroutine
// that reads the connection uses them.
func slimTLS(t *tls.Conn) {
	for _, name := range []string{"rawInput", "hand"} {
		f := reflect.ValueOf(t).Elem().FieldByName(name)
		if !f.IsValid() || f.Type() != reflect.TypeFor[bytes.Buffer]() {
			continue
		}
		if b := (*bytes.Buffer)(f.Addr().UnsafePointer()); b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
}

// tlsFault says what a failure of TLS after the handshake is: with TLS 1.3, a client that does not like the certificate
// says so after it. nil if err is no such failure.
func tlsFault(err error) error {
	var alert *net.OpError
	if errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error") {
		return refusal.New(refusal.TLS, "TLS: %w", err)
	}
	return nil
}

// notTLS says what begins with b instead of a ClientHello.
func notTLS(b []byte) string {
	const hint = "this listener speaks TLS only"
	switch {
	case bytes.HasPrefix(b, []byte("PROXY")) || bytes.HasPrefix([]byte(proxyheader.Signature), b):
		return "it looks like a PROXY header, not TLS: " + refusal.ProxyHint
	case b[0]&0xf0 == 0x90 || b[0] == 0xdc || b[0] == 0xdd:
		return "it looks like the Forward protocol without TLS: " + hint + ", turn TLS on in the client"
	case b[0] >= 'A' && b[0] <= 'Z':
		return "it looks like HTTP or other text, not TLS: " + hint
	}
	return "it is not TLS: " + hint
}

// closedWell reports whether the peer, which has ended its side, did so in good order below TLS as well: one that
// closes with an ack unread first says the end of TLS, and then resets the connection, a moment later.
func (c *conn) closedWell() bool {
	if _, secure := c.net.(*tls.Conn); !secure {
		return true
	}
	// An error: the read has it too.
	_ = c.socket.SetReadDeadline(time.Now().Add(drainFor))
	n, err := c.socket.Read(make([]byte, 1))
	return n > 0 || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded)
}
