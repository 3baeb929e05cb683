package event

import (
	"encoding/binary"
	"errors"
	"math"
)

// Errors of the msgpack readers. They are returned as they are, so == is enough.
var (
	// ErrTruncated is returned when b ends before the value does: more bytes are needed, or a length
	// in it is larger than what is left. Which of the two only the caller can know.
	ErrTruncated = errors.New("msgpack: the value is cut")
	// ErrReserved is returned for the byte 0xc1, which stands for nothing and can't be skipped.
	ErrReserved = errors.New("msgpack: the byte 0xc1 is no value")
	// ErrDepth is returned for more than 1000 levels of arrays and maps.
	ErrDepth = errors.New("msgpack: nested deeper than 1000 levels")
	// ErrType is returned when the value is of another type than the reader's.
	ErrType = errors.New("msgpack: value of another type")
)

// maxSkipDepth is how many levels a value may have to be skipped at all.
const maxSkipDepth = 1000

// Type is a family of msgpack values.
type Type uint8

// The types.
const (
	TypeNil Type = iota
	TypeBool
	TypeInt
	TypeFloat
	TypeStr
	TypeBin
	TypeArray
	TypeMap
	TypeExt
	TypeReserved
)

// TypeOf returns the type of the value that begins with c.
func TypeOf(c byte) Type {
	switch {
	case c <= 0x7f || c >= 0xe0:
		return TypeInt
	case c <= 0x8f:
		return TypeMap
	case c <= 0x9f:
		return TypeArray
	case c <= 0xbf:
		return TypeStr
	}
	return highTypes[c-0xc0]
}

// highTypes are the types of the lead bytes 0xc0 to 0xdf.
//
//nolint:gochecknoglobals // a table, never written
var highTypes = [32]Type{
	TypeNil, TypeReserved, TypeBool, TypeBool, TypeBin, TypeBin, TypeBin, TypeExt,
	TypeExt, TypeExt, TypeFloat, TypeFloat, TypeInt, TypeInt, TypeInt, TypeInt,
	TypeInt, TypeInt, TypeInt, TypeInt, TypeExt, TypeExt, TypeExt, TypeExt,
	TypeExt, TypeStr, TypeStr, TypeStr, TypeArray, TypeArray, TypeMap, TypeMap,
}

// sizes[c] is the whole length of a value that begins with c; 0: more than the lead byte decides.
//
//nolint:gochecknoglobals // a table, never written
var sizes = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c <= 0x7f, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
			t[c] = 1
		case c >= 0xa0 && c <= 0xbf:
			t[c] = uint8(1 + c&0x1f)
		}
	}
	for c, n := range map[byte]uint8{
		0xca: 5, 0xcb: 9, 0xcc: 2, 0xcd: 3, 0xce: 5, 0xcf: 9, 0xd0: 2, 0xd1: 3, 0xd2: 5, 0xd3: 9,
		0xd4: 3, 0xd5: 4, 0xd6: 6, 0xd7: 10, 0xd8: 18,
	} {
		t[c] = n
	}
	return t
}()

// head reads the head of the value at b[i]. For str, bin and ext, n is the length of the payload,
// which begins at j (after ext's type) and lies within b; for arrays and maps n is the claimed
// number of elements or pairs, which fit into b if each has one byte, and j the first one's place;
// for all others the payload is b[j:j+n].
func head(b []byte, i int) (t Type, n, j int, err error) {
	if uint(i) >= uint(len(b)) {
		return 0, 0, 0, ErrTruncated
	}
	c := b[i]
	t = TypeOf(c)
	left := len(b) - i
	if s := int(sizes[c]); s != 0 {
		if s > left {
			return t, 0, 0, ErrTruncated
		}
		if t == TypeExt {
			return t, s - 2, i + 2, nil
		}
		return t, s - 1, i + 1, nil
	}
	if t == TypeReserved {
		return t, 0, 0, ErrReserved
	}
	var size uint64
	h := 1
	switch c {
	case 0xc4, 0xc7, 0xd9:
		h = 2
		if left >= h {
			size = uint64(b[i+1])
		}
	case 0xc5, 0xc8, 0xda, 0xdc, 0xde:
		h = 3
		if left >= h {
			size = uint64(binary.BigEndian.Uint16(b[i+1:]))
		}
	case 0xc6, 0xc9, 0xdb, 0xdd, 0xdf:
		h = 5
		if left >= h {
			size = uint64(binary.BigEndian.Uint32(b[i+1:]))
		}
	default:
		// Fixarray, fixmap.
		size = uint64(c & 0x0f)
	}
	if t == TypeExt {
		h++
	}
	need := size
	if t == TypeMap {
		need *= 2
	}
	if left < h || need > uint64(left-h) {
		return t, 0, 0, ErrTruncated
	}
	return t, int(size), i + h, nil
}

// walker skips values and remembers how deep they were nested.
type walker struct {
	b       []byte
	deepest int
}

// walk returns where the n values end that follow each other in w.b from i on, within depth levels
// of arrays and maps. It recurses once for each level, maxSkipDepth times at most.
func (w *walker) walk(i, n, depth int) (int, error) {
	b := w.b
	for ; n > 0; n-- {
		if uint(i) >= uint(len(b)) {
			return 0, ErrTruncated
		}
		c := b[i]
		if c&0xe0 == 0xa0 {
			// A short str; a look into the table would take longer.
			i += 1 + int(c&0x1f)
			continue
		}
		if s := int(sizes[c]); s != 0 {
			i += s
			continue
		}
		if c == 0xd9 && i+1 < len(b) {
			// str8: most values of log records.
			i += 2 + int(b[i+1])
			continue
		}
		t, m, j, err := head(b, i)
		if err != nil {
			return 0, err
		}
		i = j
		switch t {
		case TypeMap, TypeArray:
			if depth >= w.deepest {
				if depth >= maxSkipDepth {
					return 0, ErrDepth
				}
				w.deepest = depth + 1
			}
			if t == TypeMap {
				m *= 2
			}
			if m > 0 {
				if i, err = w.walk(i, m, depth+1); err != nil {
					return 0, err
				}
			}
		default:
			i += m
		}
	}
	if i > len(b) {
		return 0, ErrTruncated
	}
	return i, nil
}

// ValueEnd returns where the value at b[i] ends, or -1 where there is no whole one. It is Skip for
// bytes that were checked before: quicker, but it does not look at the depth.
func ValueEnd(b []byte, i int) int {
	for need := 1; need > 0; need-- {
		if uint(i) >= uint(len(b)) {
			return -1
		}
		c := b[i]
		if c&0xe0 == 0xa0 {
			// A short str; a look into the table would take longer.
			i += 1 + int(c&0x1f)
			continue
		}
		if s := int(sizes[c]); s != 0 {
			i += s
			continue
		}
		if c == 0xd9 && i+1 < len(b) {
			i += 2 + int(b[i+1])
			continue
		}
		if c < 0xa0 {
			// Fixmap, fixarray.
			n := int(c & 0x0f)
			if c < 0x90 {
				n *= 2
			}
			need += n
			i++
			continue
		}
		t, m, j, err := head(b, i)
		if err != nil {
			return -1
		}
		i = j
		switch t {
		case TypeMap:
			need += 2 * m
		case TypeArray:
			need += m
		default:
			i += m
		}
	}
	if i > len(b) {
		return -1
	}
	return i
}

// Skip returns what follows the first value of b. It takes time for the value's bytes, and no
// memory whatever lengths the value claims. Errors: ErrTruncated, ErrReserved, ErrDepth.
func Skip(b []byte) (rest []byte, err error) {
	w := walker{b: b}
	i, err := w.walk(0, 1, 0)
	if err != nil {
		return nil, err
	}
	return b[i:], nil
}

// ReadArrayHeader returns the number of elements that the array at the start of b claims, and its
// first element. n is a claim: it must never size an allocation. ErrTruncated is only for a header
// that is cut, not for elements that are missing.
func ReadArrayHeader(b []byte) (n int, rest []byte, err error) {
	return readHeader(b, TypeArray, 0x90, 0xdc)
}

// ReadMapHeader is ReadArrayHeader for maps; n counts pairs.
func ReadMapHeader(b []byte) (n int, rest []byte, err error) {
	return readHeader(b, TypeMap, 0x80, 0xde)
}

func readHeader(b []byte, t Type, fix, wide byte) (n int, rest []byte, err error) {
	switch {
	case len(b) == 0:
		return 0, nil, ErrTruncated
	case b[0]&0xf0 == fix:
		return int(b[0] & 0x0f), b[1:], nil
	case b[0] == wide && len(b) >= 3:
		return int(binary.BigEndian.Uint16(b[1:])), b[3:], nil
	case b[0] == wide+1 && len(b) >= 5:
		return int(binary.BigEndian.Uint32(b[1:])), b[5:], nil
	}
	if TypeOf(b[0]) == t {
		return 0, nil, ErrTruncated
	}
	return 0, nil, typeError(b[0])
}

// ReadBytes returns the payload of the str or bin at the start of b; v is a part of b.
func ReadBytes(b []byte) (v, rest []byte, err error) {
	t, n, j, err := head(b, 0)
	if len(b) > 0 && t != TypeStr && t != TypeBin {
		return nil, nil, typeError(b[0])
	}
	if err != nil {
		return nil, nil, err
	}
	return b[j : j+n : j+n], b[j+n:], nil
}

// ReadInt returns the integer at the start of b. ErrType also stands for those over 2⁶³-1.
func ReadInt(b []byte) (v int64, rest []byte, err error) {
	t, n, j, err := head(b, 0)
	if len(b) > 0 && t != TypeInt {
		return 0, nil, typeError(b[0])
	}
	if err != nil {
		return 0, nil, err
	}
	v, u := integer(b[0], b[j:j+n])
	if u > math.MaxInt64 {
		return 0, nil, ErrType
	}
	return v, b[j+n:], nil
}

func typeError(c byte) error {
	if c == 0xc1 {
		return ErrReserved
	}
	return ErrType
}

// integer returns the integer of the lead byte c and the payload p: v, or u where it does not fit
// into v (u is 0 otherwise).
func integer(c byte, p []byte) (v int64, u uint64) {
	switch c {
	case 0xcc:
		return int64(p[0]), 0
	case 0xcd:
		return int64(binary.BigEndian.Uint16(p)), 0
	case 0xce:
		return int64(binary.BigEndian.Uint32(p)), 0
	case 0xcf:
		if u = binary.BigEndian.Uint64(p); u > math.MaxInt64 {
			return 0, u
		}
		return int64(u), 0
	case 0xd0:
		return int64(int8(p[0])), 0
	case 0xd1:
		return int64(int16(binary.BigEndian.Uint16(p))), 0
	case 0xd2:
		return int64(int32(binary.BigEndian.Uint32(p))), 0
	case 0xd3:
		return int64(binary.BigEndian.Uint64(p)), 0
	}
	return int64(int8(c)), 0
}
