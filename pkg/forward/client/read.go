package client

import (
	"errors"
	"fmt"
	"io"

	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/handshake"
)

// maxValue is the most that a client reads for one HELO, PONG or ack, in bytes; real ones have
// less than 512.
const maxValue = 16 << 10

// reader cuts what a server sends into msgpack values, however the network split or joined them.
type reader struct {
	from io.Reader
	// buf is room of maxValue, made with the first read.
	buf []byte
	// pos is where the next value begins.
	pos int
}

// buffered returns the next value's bytes if it has arrived, else nil; valid until the next call.
func (r *reader) buffered() ([]byte, error) {
	pending := r.buf[r.pos:]
	if len(pending) == 0 {
		return nil, nil
	}
	rest, err := msgp.Skip(pending)
	switch {
	case err == nil:
		r.pos = len(r.buf) - len(rest)
		return pending[:len(pending)-len(rest)], nil
	case !errors.Is(err, msgp.ErrShortBytes):
		return nil, fmt.Errorf("the server sent something else than msgpack: %w", err)
	case len(pending) == maxValue:
		return nil, fmt.Errorf("the server sent a value of more than %d bytes", maxValue)
	}
	return nil, nil
}

// next returns the next value's bytes, valid until the next call. A stream that ends within a value
// is io.ErrUnexpectedEOF.
func (r *reader) next() ([]byte, error) {
	for {
		if value, err := r.buffered(); value != nil || err != nil {
			return value, err
		}
		if r.buf == nil {
			r.buf = make([]byte, 0, maxValue)
		}
		r.buf, r.pos = append(r.buf[:0], r.buf[r.pos:]...), 0
		n, err := r.from.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if n > 0 {
			// An error will come again.
			continue
		}
		if errors.Is(err, io.EOF) && len(r.buf) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
}

// readAck reads {"ack": chunk}; chunk points into value.
func readAck(value []byte) (chunk []byte, err error) {
	n, rest, err := msgp.ReadMapHeaderBytes(value)
	if err != nil {
		if _, err := handshake.ParseHelo(value); err == nil {
			return nil, fmt.Errorf("%w: the server wants a shared key", ErrLogin)
		}
		return nil, fmt.Errorf("the server sent something else than an ack: %w", err)
	}
	for range n {
		var key []byte
		if key, rest, err = msgp.ReadStringZC(rest); err == nil && string(key) == "ack" {
			chunk, _, err = msgp.ReadStringZC(rest)
			if err == nil {
				return chunk, nil
			}
		}
		if err == nil {
			rest, err = msgp.Skip(rest)
		}
		if err != nil {
			return nil, fmt.Errorf("the server sent a broken ack: %w", err)
		}
	}
	return nil, errors.New("the server sent a map without an ack")
}
