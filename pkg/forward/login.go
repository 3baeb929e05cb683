package forward

import (
	"errors"
	"fmt"
	"io"

	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// maxPing is the most that is read of a client that has not logged in, in bytes.
	maxPing = 16 << 10
	// firstPing is the first buffer for it: the PINGs of all known clients fit.
	firstPing = 1 << 10
)

var (
	errShort   = errors.New("more has to come")
	errPing    = errors.New("not a valid PING")
	errNotPing = errors.New("no PING")
)

// readPing reads one PING into l, whatever pieces it comes in. An error that wraps errPing deserves a PONG, others only
// the end of the connection. Data behind the PING is a fault: no client sends any before the PONG, and nothing is taken.
func readPing(from io.Reader, l *Login) error {
	buf := make([]byte, 0, firstPing)
	for {
		if len(buf) == maxPing {
			return refuse(reasonHandshake, "it sent %d KiB that are no PING", maxPing>>10)
		}
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(2*cap(buf), maxPing)), buf...)
		}
		n, readErr := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if n == 0 {
			switch {
			case readErr == nil: // may be, and means nothing
				continue
			case errors.Is(readErr, io.EOF) && len(buf) > 0:
				readErr = io.ErrUnexpectedEOF
			}
			return readErr
		}
		rest, err := parsePing(buf, l)
		switch {
		case err == nil && len(rest) > 0:
			return refuse(reasonHandshake, "%w: it sent more before it had an answer", errPing)
		case err == nil:
			return nil
		case errors.Is(err, errNotPing):
			return notPing(buf)
		case !errors.Is(err, errShort):
			return &refusal{reason: reasonHandshake, err: err}
		}
	}
}

// notPing says what b, sent where a PING belongs, is likely to be.
func notPing(b []byte) error {
	if b[0] == 0xc0 {
		return refuse(reasonHandshake, "it sent nil instead of a PING")
	}
	if event.TypeOf(b[0]) != event.TypeArray {
		return notForward(b)
	}
	_, rest, _ := msgp.ReadArrayHeaderBytes(b)
	if tag, _, err := pingText(rest); err == nil {
		return refuse(reasonHandshake, `it sent messages, tag "%s", without a login: give it the shared_key of its cluster`, sanitize(tag))
	}
	return refuse(reasonHandshake, "it sent an array that is no PING")
}

// parsePing reads ["PING", hostname, salt, key digest, user, password digest], whose texts may be str or bin. Errors:
// errShort while b may become a PING, errNotPing if it is something else, errPing if it begins like one.
func parsePing(b []byte, l *Login) (rest []byte, err error) {
	n, rest, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil {
		return nil, shortOr(err, errNotPing)
	}
	if n == 0 {
		return nil, errNotPing
	}
	word, rest, err := pingText(rest)
	if err != nil {
		return nil, shortOr(err, errNotPing)
	}
	if word != "PING" {
		return nil, errNotPing
	}
	if n != 6 {
		return nil, fmt.Errorf("%w: it has %d elements instead of 6", errPing, n)
	}
	for i, text := range []*string{&l.Hostname, &l.Salt, &l.KeyDigest, &l.User, &l.PasswordDigest} {
		if *text, rest, err = pingText(rest); err != nil {
			return nil, shortOr(err, fmt.Errorf("%w: element %d is no text", errPing, i+2))
		}
	}
	return rest, nil
}

// pingText reads a str or a bin.
func pingText(b []byte) (text string, rest []byte, err error) {
	read := msgp.ReadStringZC
	if msgp.NextType(b) == msgp.BinType {
		read = msgp.ReadBytesZC
	}
	v, rest, err := read(b)
	return string(v), rest, err
}

// shortOr returns errShort where bytes are missing, else fault.
func shortOr(err, fault error) error {
	if errors.Is(err, msgp.ErrShortBytes) {
		return errShort
	}
	return fault
}
