// Package jsontext reads JSON (RFC 8259) as msgpack: the one reader for records, for fields' texts and for
// expressions.
package jsontext

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// Errors of a Reader. They are returned as they are, so == is enough.
var (
	// ErrCut is returned where the text ends before the value does.
	ErrCut = errors.New("the JSON is cut off")
	// ErrSyntax is returned for what is no JSON.
	ErrSyntax = errors.New("not valid JSON")
	// ErrDepth is returned for more levels of objects and arrays than Reset allows.
	ErrDepth = errors.New("the JSON is nested too deep")
)

// Reader reads one JSON text. Integers that fit into 64 bits are exact, and those that don't stay text, as
// do numbers beyond a float; other numbers are floats. Bytes that are not UTF-8 are left as they are. Equal
// keys are kept. It takes time and memory in proportion to the text. The zero Reader is ready for Reset.
type Reader struct {
	text     []byte
	at       int
	maxDepth int
	// key is a field's, and str a string's text, where they are not as they stand in text.
	key, str []byte
}

// keepScratch is how many bytes of scratch memory are kept from one text to the next.
const keepScratch = 1 << 20

// Reset begins with text, of which a byte order mark is no part.
func (r *Reader) Reset(text []byte, maxDepth int) {
	if cap(r.key)+cap(r.str) > keepScratch {
		r.key, r.str = nil, nil
	}
	r.text, r.at, r.maxDepth = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), 0, maxDepth
}

// AppendValue appends the one value that the text is, as msgpack.
func (r *Reader) AppendValue(dst []byte) ([]byte, error) {
	r.space()
	dst, err := r.Value(dst, 0)
	if err != nil {
		return dst, err
	}
	return dst, r.End()
}

// End reports what follows the value that was read.
func (r *Reader) End() error {
	if r.space(); r.at < len(r.text) {
		return ErrSyntax
	}
	return nil
}

// Begins reads c, with blanks before it, and reports whether it is there.
func (r *Reader) Begins(c byte) bool {
	r.space()
	return r.next(c)
}

// Member goes to the next member of the object whose first bracket was read, and returns its key, which is
// valid until the next call; the caller reads its value. first says that none was read yet; more is false
// at the object's end, which is read too.
func (r *Reader) Member(first bool) (key []byte, more bool, err error) {
	r.space()
	if r.next('}') {
		return nil, false, nil
	}
	if !first {
		if !r.next(',') {
			return nil, false, r.wrong()
		}
		r.space()
	}
	key, err = r.name(&r.key)
	return key, true, err
}

// Peek returns the byte that comes next, 0 at the end of the text.
func (r *Reader) Peek() byte {
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

// Text reads a string, which is valid until the next one is read.
func (r *Reader) Text() ([]byte, error) { return r.String(&r.str) }

// wrong is the error for what stands here.
func (r *Reader) wrong() error {
	if r.at >= len(r.text) {
		return ErrCut
	}
	return ErrSyntax
}

// name reads a key and the colon behind it.
func (r *Reader) name(buf *[]byte) ([]byte, error) {
	key, err := r.String(buf)
	if err != nil {
		return nil, err
	}
	if r.space(); !r.next(':') {
		return nil, r.wrong()
	}
	r.space()
	return key, nil
}

// Value appends the value that begins here, within depth objects and arrays.
func (r *Reader) Value(dst []byte, depth int) ([]byte, error) {
	if r.at == len(r.text) {
		return dst, ErrCut
	}
	switch c := r.text[r.at]; c {
	case '"':
		value, err := r.Text()
		return msgp.AppendStringFromBytes(dst, value), err
	case '{', '[':
		if depth == r.maxDepth {
			return dst, ErrDepth
		}
		r.at++
		return r.nested(dst, c == '{', depth+1)
	case 't':
		return msgp.AppendBool(dst, true), r.word("true")
	case 'f':
		return msgp.AppendBool(dst, false), r.word("false")
	case 'n':
		return msgp.AppendNil(dst), r.word("null")
	}
	literal, whole, ok := r.Number()
	if !ok {
		return dst, r.wrong()
	}
	return AppendNumber(dst, literal, whole), nil
}

// nested appends the object or array whose first bracket was read.
func (r *Reader) nested(dst []byte, object bool, depth int) ([]byte, error) {
	last, fix, wide := byte(']'), byte(0x90), byte(0xdc)
	if object {
		last, fix, wide = '}', 0x80, 0xde
	}
	head := len(dst)
	dst = append(dst, fix)
	if r.space(); r.next(last) {
		return dst, nil
	}
	for n := 1; ; n++ {
		var err error
		if object {
			var key []byte
			if key, err = r.name(&r.str); err != nil {
				return dst, err
			}
			dst = msgp.AppendStringFromBytes(dst, key)
		}
		if dst, err = r.Value(dst, depth); err != nil {
			return dst, err
		}
		r.space()
		if r.next(last) {
			return SetHeader(dst, head, n, fix, wide), nil
		}
		if !r.next(',') {
			return dst, r.wrong()
		}
		r.space()
	}
}

// SetHeader writes the head of a map or an array of n at dst[at], where one byte is, and makes room
// for it where it takes more.
func SetHeader(dst []byte, at, n int, fix, wide byte) []byte {
	switch {
	case n < 16:
		dst[at] = fix | byte(n)
	case n <= math.MaxUint16:
		dst = append(dst, 0, 0)
		copy(dst[at+3:], dst[at+1:])
		dst[at] = wide
		binary.BigEndian.PutUint16(dst[at+1:], uint16(n))
	default:
		dst = append(dst, 0, 0, 0, 0)
		copy(dst[at+5:], dst[at+1:])
		dst[at] = wide + 1
		binary.BigEndian.PutUint32(dst[at+1:], uint32(n))
	}
	return dst
}

// AppendNumber appends a number as the narrowest type that holds it; whole says that its literal has
// neither a fraction nor an exponent. One that no type holds stays text.
func AppendNumber(dst, literal []byte, whole bool) []byte {
	if whole {
		return appendWhole(dst, literal)
	}
	v, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return msgp.AppendStringFromBytes(dst, literal)
	}
	return msgp.AppendFloat64(dst, v)
}

func appendWhole(dst, literal []byte) []byte {
	if n := len(literal); n < 19 {
		// It can't overflow.
		v, digits, minus := int64(0), literal, literal[0] == '-'
		if minus {
			digits = literal[1:]
		}
		for _, c := range digits {
			v = v*10 + int64(c-'0')
		}
		if minus {
			return msgp.AppendInt64(dst, -v)
		}
		return msgp.AppendUint64(dst, uint64(v))
	}
	if v, err := strconv.ParseUint(string(literal), 10, 64); err == nil {
		return msgp.AppendUint64(dst, v)
	}
	if v, err := strconv.ParseInt(string(literal), 10, 64); err == nil {
		return msgp.AppendInt64(dst, v)
	}
	return msgp.AppendStringFromBytes(dst, literal)
}

// Number reads a number, which is a part of the text; whole says that it has neither a fraction nor an
// exponent.
func (r *Reader) Number() (literal []byte, whole, ok bool) {
	from := r.at
	r.next('-')
	if !r.next('0') && !r.digits() {
		return nil, false, false
	}
	whole = true
	if r.next('.') {
		if whole = false; !r.digits() {
			return nil, false, false
		}
	}
	if r.next('e') || r.next('E') {
		whole = false
		if !r.next('+') {
			r.next('-')
		}
		if !r.digits() {
			return nil, false, false
		}
	}
	return r.text[from:r.at], whole, true
}

func (r *Reader) digits() bool {
	from := r.at
	for r.at < len(r.text) && r.text[r.at]-'0' <= 9 {
		r.at++
	}
	return r.at > from
}

func (r *Reader) word(word string) error {
	if left := r.text[r.at:]; !bytes.HasPrefix(left, []byte(word)) {
		if bytes.HasPrefix([]byte(word), left) {
			return ErrCut
		}
		return ErrSyntax
	}
	r.at += len(word)
	return nil
}

func (r *Reader) next(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *Reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// String reads a string. What it returns is a part of the text, or of buf where there are escapes; bytes
// that are not UTF-8 are left as they are.
func (r *Reader) String(buf *[]byte) ([]byte, error) {
	if !r.next('"') {
		return nil, r.wrong()
	}
	from := r.at
	for i := from; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			r.at = i + 1
			return r.text[from:i], nil
		case c == '\\':
			r.at = i
			*buf = append((*buf)[:0], r.text[from:i]...)
			return r.escaped(buf)
		case c < ' ':
			return nil, ErrSyntax
		}
	}
	return nil, ErrCut
}

// escaped is String from the first escape on.
func (r *Reader) escaped(buf *[]byte) ([]byte, error) {
	out := *buf
	defer func() { *buf = out }()
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return out, nil
		case c < ' ':
			return nil, ErrSyntax
		case c != '\\':
			out = append(out, c)
			continue
		}
		if r.at == len(r.text) {
			break
		}
		c = r.text[r.at]
		r.at++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			c := r.hex4(r.at)
			if c < 0 {
				return nil, ErrSyntax
			}
			r.at += 4
			if utf16.IsSurrogate(c) {
				low := rune(-1)
				if r.at+1 < len(r.text) && r.text[r.at] == '\\' && r.text[r.at+1] == 'u' {
					low = r.hex4(r.at + 2)
				}
				if c = utf16.DecodeRune(c, low); c != utf8.RuneError {
					r.at += 6
				}
			}
			out = utf8.AppendRune(out, c)
		default:
			return nil, ErrSyntax
		}
	}
	return nil, ErrCut
}

func (r *Reader) hex4(i int) rune { return Hex4(r.text[min(i, len(r.text)):]) }

// Hex4 returns the number of the four hexadecimal digits that text begins with, or -1.
func Hex4(text []byte) (n rune) {
	if len(text) < 4 {
		return -1
	}
	for _, c := range text[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		n = n<<4 | rune(c)
	}
	return n
}
