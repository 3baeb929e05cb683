package wire

import (
	"encoding/binary"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// valueScanner finds the end of one msgpack value that comes in pieces. It looks at each byte once, however small the
// pieces are, and takes no memory whatever the value claims. It does not know how deep it is.
type valueScanner struct {
	active bool
	// pos is that of the next value to look at; may lie behind what has come.
	pos int
	// values counts those that must follow from pos on.
	values uint64
}

func (s *valueScanner) start(pos int) { *s = valueScanner{active: true, pos: pos, values: 1} }

// want is the least length that the bytes will have at the value's end, by what its headers claim.
func (s *valueScanner) want() uint64 {
	if !s.active {
		return 0
	}
	return uint64(s.pos) + s.values
}

// run goes on in b, of which all before s.pos is known, and reports whether the value ends there, at s.pos.
func (s *valueScanner) run(b []byte) (done bool, err error) {
	for s.values > 0 {
		if s.pos >= len(b) {
			return false, nil
		}
		size, inner, ok := headOf(b[s.pos:])
		if !ok {
			return false, nil
		}
		if size == 0 {
			return false, event.ErrReserved
		}
		s.pos += size
		s.values += inner - 1
	}
	return s.pos <= len(b), nil
}

// headOf returns the length of the value at the start of b without the values within it, and how many these are.
// Not ok: its header is cut. A size of 0 stands for the reserved byte.
func headOf(b []byte) (size int, inner uint64, ok bool) {
	c := b[0]
	switch {
	case c <= 0x7f || c >= 0xe0:
		// Fixints.
		return 1, 0, true
	case c <= 0x8f:
		// Fixmap.
		return 1, 2 * uint64(c&0x0f), true
	case c <= 0x9f:
		// Fixarray.
		return 1, uint64(c & 0x0f), true
	case c <= 0xbf:
		// Fixstr.
		return 1 + int(c&0x1f), 0, true
	case c == 0xc1:
		return 0, 0, true
	case c <= 0xc3:
		// Nil, bool.
		return 1, 0, true
	case c <= 0xc6:
		// Bin.
		return sized(b, 1<<(c-0xc4), 0)
	case c <= 0xc9:
		// Ext, with a type.
		return sized(b, 1<<(c-0xc7), 1)
	case c <= 0xcb:
		// float32, float64.
		return 1 + 4<<(c-0xca), 0, true
	case c <= 0xcf:
		// uint8 to uint64.
		return 1 + 1<<(c-0xcc), 0, true
	case c <= 0xd3:
		// int8 to int64.
		return 1 + 1<<(c-0xd0), 0, true
	case c <= 0xd8:
		// fixext1 to fixext16.
		return 2 + 1<<(c-0xd4), 0, true
	case c <= 0xdb:
		// Str.
		return sized(b, 1<<(c-0xd9), 0)
	case c <= 0xdd:
		// Array.
		n, ok := length(b, 2<<(c-0xdc))
		return 1 + 2<<(c-0xdc), n, ok
	default:
		// Map.
		n, ok := length(b, 2<<(c-0xde))
		return 1 + 2<<(c-0xde), 2 * n, ok
	}
}

// sized is headOf for a value with a payload, whose length is given in width bytes, and extra bytes before it.
func sized(b []byte, width, extra int) (size int, inner uint64, ok bool) {
	n, ok := length(b, width)
	return 1 + width + extra + int(n), 0, ok
}

func length(b []byte, width int) (n uint64, ok bool) {
	if len(b) < 1+width {
		return 0, false
	}
	switch width {
	case 1:
		return uint64(b[1]), true
	case 2:
		return uint64(binary.BigEndian.Uint16(b[1:])), true
	default:
		return uint64(binary.BigEndian.Uint32(b[1:])), true
	}
}
