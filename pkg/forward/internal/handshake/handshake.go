// Package handshake has the three messages by which a Forward server and its client come to trust each other (Forward
// protocol v1, handshake phase): HELO, PING and PONG. Texts may be str or bin on the wire, as peers differ in which
// they send; they are written as str. No length that a peer declares has memory taken for bytes that did not come.
package handshake

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Errors of ParsePing.
var (
	ErrShort   = errors.New("more has to come")
	ErrPing    = errors.New("not a valid PING")
	ErrNotPing = errors.New("no PING")
)

// Helo is what the server says first: ["HELO", {nonce, auth, keepalive}].
type Helo struct {
	Nonce string
	// Auth may be empty where no user is asked for.
	Auth string
	// Handover is the version of the extension by which the server takes over another's queue; 0: it doesn't.
	Handover int
}

// Ping is the client's answer: ["PING", hostname, salt, key digest, user, password digest].
type Ping struct{ Hostname, Salt, KeyDigest, User, PasswordDigest string }

// Pong is whether the server lets the client in: ["PONG", ok, reason, hostname, digest].
type Pong struct {
	OK     bool
	Reason string
	// Hostname and Digest may be missing where it is not OK.
	Hostname, Digest string
}

// Digest returns SHA-512 over parts, without separators, in lower-case hex.
func Digest(parts ...string) string {
	h := sha512.New()
	for _, p := range parts {
		// A hash takes everything.
		_, _ = io.WriteString(h, p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Append appends h, with keepalive and its texts as bin, as fluentd does.
func (h *Helo) Append(dst []byte) []byte {
	return write(dst, func(e *msgpack.Encoder) error {
		size := 3
		if h.Handover > 0 {
			size++
		}
		err := errors.Join(
			e.EncodeArrayLen(2), e.EncodeString("HELO"), e.EncodeMapLen(size),
			e.EncodeString("nonce"), e.EncodeBytes([]byte(h.Nonce)),
			e.EncodeString("auth"), e.EncodeBytes([]byte(h.Auth)),
			e.EncodeString("keepalive"), e.EncodeBool(true),
		)
		if h.Handover > 0 {
			err = errors.Join(err, e.EncodeString("handover"), e.EncodeInt(int64(h.Handover)))
		}
		return err
	})
}

// Append appends p.
func (p *Ping) Append(dst []byte) []byte {
	return write(dst, func(e *msgpack.Encoder) error {
		err := errors.Join(e.EncodeArrayLen(6), e.EncodeString("PING"))
		for _, text := range []string{p.Hostname, p.Salt, p.KeyDigest, p.User, p.PasswordDigest} {
			err = errors.Join(err, e.EncodeString(text))
		}
		return err
	})
}

// Append appends p.
func (p *Pong) Append(dst []byte) []byte {
	return write(dst, func(e *msgpack.Encoder) error {
		return errors.Join(e.EncodeArrayLen(5), e.EncodeString("PONG"), e.EncodeBool(p.OK),
			e.EncodeString(p.Reason), e.EncodeString(p.Hostname), e.EncodeString(p.Digest))
	})
}

// write appends what encode writes, which can't fail: memory takes everything.
func write(dst []byte, encode func(*msgpack.Encoder) error) []byte {
	to := bytes.NewBuffer(dst)
	if err := encode(msgpack.NewEncoder(to)); err != nil {
		panic(fmt.Sprintf("writing msgpack to memory: %v", err))
	}
	return to.Bytes()
}

// ParseHelo reads a HELO that is a whole msgpack value. Keys that it does not know are passed over.
func ParseHelo(value []byte) (h Helo, err error) {
	r := newReader(value)
	if n, err := r.DecodeArrayLen(); err != nil || n < 2 {
		return h, errors.New("not an array of two")
	}
	if word, err := r.text(); err != nil || word != "HELO" {
		return h, fmt.Errorf("it begins with %.40q", word)
	}
	n, err := r.DecodeMapLen()
	if err == nil && n < 0 {
		// nil.
		err = errType
	}
	if err != nil {
		return h, fmt.Errorf("what should be its map: %w", err)
	}
	for range n {
		key, err := r.text()
		if err != nil {
			return h, fmt.Errorf("a key: %w", err)
		}
		switch key {
		case "nonce":
			h.Nonce, err = r.text()
		case "auth":
			h.Auth, err = r.text()
		case "handover":
			h.Handover, err = r.DecodeInt()
		default:
			err = r.Skip()
		}
		if err != nil {
			return h, fmt.Errorf("%s: %w", key, err)
		}
	}
	return h, nil
}

// ParsePing reads a PING at the beginning of b, and returns what follows it. Errors: ErrShort while b may become one,
// ErrNotPing if it is something else, ErrPing if it begins like one.
func ParsePing(b []byte) (p Ping, rest []byte, err error) {
	r := newReader(b)
	n, err := r.DecodeArrayLen()
	if err != nil {
		return p, nil, shortOr(err, ErrNotPing)
	}
	if n <= 0 {
		return p, nil, ErrNotPing
	}
	word, err := r.text()
	if err != nil {
		return p, nil, shortOr(err, ErrNotPing)
	}
	if word != "PING" {
		return p, nil, ErrNotPing
	}
	if n != 6 {
		return p, nil, fmt.Errorf("%w: it has %d elements instead of 6", ErrPing, n)
	}
	for i, text := range []*string{&p.Hostname, &p.Salt, &p.KeyDigest, &p.User, &p.PasswordDigest} {
		if *text, err = r.text(); err != nil {
			return p, nil, shortOr(err, fmt.Errorf("%w: element %d is no text", ErrPing, i+2))
		}
	}
	return p, b[len(b)-r.from.Len():], nil
}

// ParsePong reads a PONG that is a whole msgpack value.
func ParsePong(value []byte) (p Pong, err error) {
	r := newReader(value)
	n, err := r.DecodeArrayLen()
	if err != nil || n < 3 {
		return p, errors.New("not an array of five")
	}
	if word, err := r.text(); err != nil || word != "PONG" {
		return p, fmt.Errorf("it begins with %.40q", word)
	}
	if p.OK, err = r.bool(); err != nil {
		return p, fmt.Errorf("result: %w", err)
	}
	if p.Reason, err = r.text(); err != nil {
		return p, fmt.Errorf("reason: %w", err)
	}
	if !p.OK {
		return p, nil
	}
	if n < 5 {
		return p, errors.New("not an array of five")
	}
	if p.Hostname, err = r.text(); err != nil {
		return p, fmt.Errorf("hostname: %w", err)
	}
	if p.Digest, err = r.text(); err != nil {
		return p, fmt.Errorf("digest: %w", err)
	}
	return p, nil
}

// FirstText returns the text that the array at the beginning of b begins with: a message's tag.
func FirstText(b []byte) (text string, err error) {
	r := newReader(b)
	if _, err = r.DecodeArrayLen(); err != nil {
		return "", err
	}
	return r.text()
}

// reader decodes msgpack that is in memory.
type reader struct {
	*msgpack.Decoder
	from *bytes.Reader
}

func newReader(b []byte) reader {
	from := bytes.NewReader(b)
	return reader{msgpack.NewDecoder(from), from}
}

// errType is that of a value that is none of those that may stand there.
var errType = errors.New("a value of another type")

// text reads a str or a bin. Where it is cut the error is io.ErrUnexpectedEOF, before memory is taken for it.
func (r reader) text() (string, error) {
	n, err := r.DecodeBytesLen()
	switch {
	case err != nil:
		return "", err
	case n < 0:
		// Nil.
		return "", errType
	case n > r.from.Len():
		return "", io.ErrUnexpectedEOF
	}
	text := make([]byte, n)
	if err = r.ReadFull(text); err != nil {
		return "", err
	}
	return string(text), nil
}

// bool reads a bool. Numbers and nil are none.
func (r reader) bool() (bool, error) {
	code, err := r.PeekCode()
	if err == nil && code != msgpcode.True && code != msgpcode.False {
		err = errType
	}
	if err != nil {
		return false, err
	}
	return r.DecodeBool()
}

// shortOr returns ErrShort where bytes are missing, else fault.
func shortOr(err, fault error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrShort
	}
	return fault
}
