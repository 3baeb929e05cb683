package forward

import (
	"errors"
	"io"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/handshake"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/wire"
)

const (
	// maxPing is the most that is read of a client that has not logged in, in bytes.
	maxPing = 16 << 10
	// firstPing is the first buffer for it: the PINGs of all known clients fit.
	firstPing = 1 << 10
)

// readPing reads one PING into l, whatever pieces it comes in. An error that wraps handshake.ErrPing deserves a PONG,
// others only the end of the connection. Data behind the PING is a fault: no client sends any before the PONG, and
// nothing is taken.
func readPing(from io.Reader, l *Login) error {
	buf := make([]byte, 0, firstPing)
	for {
		if len(buf) == maxPing {
			return refusal.New(refusal.Handshake, "it sent %d KiB that are no PING", maxPing>>10)
		}
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(2*cap(buf), maxPing)), buf...)
		}
		n, readErr := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if n == 0 {
			switch {
			case readErr == nil:
				// May be, and means nothing.
				continue
			case errors.Is(readErr, io.EOF) && len(buf) > 0:
				readErr = io.ErrUnexpectedEOF
			}
			return readErr
		}
		ping, rest, err := handshake.ParsePing(buf)
		switch {
		case err == nil && len(rest) > 0:
			return refusal.New(refusal.Handshake, "%w: it sent more before it had an answer", handshake.ErrPing)
		case err == nil:
			l.Hostname, l.Salt, l.User = ping.Hostname, ping.Salt, ping.User
			l.KeyDigest, l.PasswordDigest = ping.KeyDigest, ping.PasswordDigest
			return nil
		case errors.Is(err, handshake.ErrNotPing):
			return notPing(buf)
		case !errors.Is(err, handshake.ErrShort):
			return &refusal.Error{Reason: refusal.Handshake, Err: err}
		}
	}
}

// notPing says what b, sent where a PING belongs, is likely to be.
func notPing(b []byte) error {
	if b[0] == 0xc0 {
		return refusal.New(refusal.Handshake, "it sent nil instead of a PING")
	}
	if event.TypeOf(b[0]) != event.TypeArray {
		return wire.NotForward(b)
	}
	if tag, err := handshake.FirstText(b); err == nil {
		return refusal.New(refusal.Handshake,
			`it sent messages, tag "%s", without a login: give it the shared_key of its cluster`, sanitize(tag))
	}
	return refusal.New(refusal.Handshake, "it sent an array that is no PING")
}
