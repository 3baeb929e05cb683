package parse

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// The reasons of texts that are no JSON objects.
const (
	errNotObject = reason("not a JSON object")
	errJSON      = reason("not valid JSON")
	errJSONDepth = reason("the JSON is nested too deep")
)

// maxJSONDepth leaves room in a record for the maps that the object is put into.
const maxJSONDepth = event.MaxDepth - 2

// jsonFormat reads an object (RFC 8259). Integers that fit into 64 bits are exact, other numbers are
// floats, those beyond a float stay text. Bytes that are not UTF-8 are left as they are.
type jsonFormat struct {
	text []byte
	at   int
	key  []byte // of a field, and a string's text, where they are not as they stand in text
	str  []byte
}

func (j *jsonFormat) parse(dst *fields, text []byte) error {
	j.text, j.at = text, 0
	defer j.done()
	j.space()
	if !j.next('{') {
		return errNotObject
	}
	if err := j.members(dst); err != nil {
		return err
	}
	j.space()
	if j.at < len(text) {
		return errJSON
	}
	return nil
}

// done lets go of the text, and of memory that an unusual one took.
func (j *jsonFormat) done() {
	if j.text = nil; cap(j.key)+cap(j.str) > keepScratch {
		j.key, j.str = nil, nil
	}
}

// members reads the fields of the object up to its end.
func (j *jsonFormat) members(dst *fields) error {
	if j.space(); j.next('}') {
		return nil
	}
	for {
		key, err := j.name(&j.key)
		if err != nil {
			return err
		}
		if err := j.field(dst, key); err != nil {
			return err
		}
		j.space()
		if j.next('}') {
			return nil
		}
		if !j.next(',') {
			return errJSON
		}
		j.space()
	}
}

// field reads the value of a field: numbers may be the event's time, or have a type, as texts do.
func (j *jsonFormat) field(dst *fields, key []byte) (err error) {
	if j.at == len(j.text) {
		return errJSON
	}
	switch c := j.text[j.at]; {
	case c == '"':
		value, err := j.string(&j.str)
		if err == nil {
			dst.member(key, value)
		}
		return err
	case c == '-' || c-'0' <= 9:
		literal, integer, ok := j.number()
		switch {
		case !ok:
			return errJSON
		case string(key) == dst.timeKey:
			if dst.takeTime(literal) {
				return nil
			}
		case dst.typed(key):
			dst.member(key, literal)
			return nil
		}
		dst.keyBytes(key)
		dst.pairs = appendNumber(dst.pairs, literal, integer)
		return nil
	}
	dst.keyBytes(key)
	dst.pairs, err = j.value(dst.pairs, 1)
	return err
}

// name reads a key and the colon behind it.
func (j *jsonFormat) name(buf *[]byte) ([]byte, error) {
	key, err := j.string(buf)
	if err != nil {
		return nil, err
	}
	if j.space(); !j.next(':') {
		return nil, errJSON
	}
	j.space()
	return key, nil
}

// value appends the value that begins here, within depth objects and arrays.
func (j *jsonFormat) value(dst []byte, depth int) ([]byte, error) {
	if j.at == len(j.text) {
		return dst, errJSON
	}
	switch c := j.text[j.at]; c {
	case '"':
		value, err := j.string(&j.str)
		return filter.AppendString(dst, value), err
	case '{', '[':
		if depth == maxJSONDepth {
			return dst, errJSONDepth
		}
		j.at++
		return j.nested(dst, c == '{', depth+1)
	case 't':
		return filter.AppendBool(dst, true), j.word("true")
	case 'f':
		return filter.AppendBool(dst, false), j.word("false")
	case 'n':
		return filter.AppendNil(dst), j.word("null")
	}
	literal, integer, ok := j.number()
	if !ok {
		return dst, errJSON
	}
	return appendNumber(dst, literal, integer), nil
}

// nested appends the object or array whose first bracket was read.
func (j *jsonFormat) nested(dst []byte, object bool, depth int) ([]byte, error) {
	last, fix, wide := byte(']'), byte(0x90), byte(0xdc)
	if object {
		last, fix, wide = '}', 0x80, 0xde
	}
	head := len(dst)
	dst = append(dst, fix)
	if j.space(); j.next(last) {
		return dst, nil
	}
	for n := 1; ; n++ {
		var err error
		if object {
			var key []byte
			if key, err = j.name(&j.str); err != nil {
				return dst, err
			}
			dst = filter.AppendString(dst, key)
		}
		if dst, err = j.value(dst, depth); err != nil {
			return dst, err
		}
		j.space()
		if j.next(last) {
			return setHeader(dst, head, n, fix, wide), nil
		}
		if !j.next(',') {
			return dst, errJSON
		}
		j.space()
	}
}

// setHeader writes the head of a map or an array of n at dst[at], where one byte is, and makes room
// for it where it takes more.
func setHeader(dst []byte, at, n int, fix, wide byte) []byte {
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

func appendNumber(dst, literal []byte, integer bool) []byte {
	if integer {
		if v, ok := parseInt(literal); ok {
			return filter.AppendInt(dst, v)
		}
		if v, err := strconv.ParseInt(string(literal), 10, 64); err == nil {
			return filter.AppendInt(dst, v)
		}
		if v, err := strconv.ParseUint(string(literal), 10, 64); err == nil {
			return filter.AppendUint(dst, v)
		}
	}
	v, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return filter.AppendString(dst, literal)
	}
	return filter.AppendFloat(dst, v)
}

// number reads a number; integer says that it has neither a fraction nor an exponent.
func (j *jsonFormat) number() (literal []byte, integer, ok bool) {
	from := j.at
	j.next('-')
	if !j.next('0') && !j.digits() {
		return nil, false, false
	}
	integer = true
	if j.next('.') {
		if integer = false; !j.digits() {
			return nil, false, false
		}
	}
	if j.next('e') || j.next('E') {
		integer = false
		if !j.next('+') {
			j.next('-')
		}
		if !j.digits() {
			return nil, false, false
		}
	}
	return j.text[from:j.at], integer, true
}

func (j *jsonFormat) digits() bool {
	from := j.at
	for j.at < len(j.text) && j.text[j.at]-'0' <= 9 {
		j.at++
	}
	return j.at > from
}

func (j *jsonFormat) word(word string) error {
	if !bytes.HasPrefix(j.text[j.at:], []byte(word)) {
		return errJSON
	}
	j.at += len(word)
	return nil
}

func (j *jsonFormat) next(c byte) bool {
	if j.at < len(j.text) && j.text[j.at] == c {
		j.at++
		return true
	}
	return false
}

func (j *jsonFormat) space() {
	for j.at < len(j.text) {
		switch j.text[j.at] {
		case ' ', '\t', '\n', '\r':
			j.at++
		default:
			return
		}
	}
}

// string reads a string. What it returns is a part of the text, or of buf where there are escapes.
func (j *jsonFormat) string(buf *[]byte) ([]byte, error) {
	if !j.next('"') {
		return nil, errJSON
	}
	from := j.at
	for i := from; i < len(j.text); i++ {
		switch c := j.text[i]; {
		case c == '"':
			j.at = i + 1
			return j.text[from:i], nil
		case c == '\\':
			j.at = i
			*buf = append((*buf)[:0], j.text[from:i]...)
			return j.escaped(buf)
		case c < ' ':
			return nil, errJSON
		}
	}
	return nil, errJSON
}

// escaped is string from the first escape on.
func (j *jsonFormat) escaped(buf *[]byte) ([]byte, error) {
	out := *buf
	defer func() { *buf = out }()
	for j.at < len(j.text) {
		c := j.text[j.at]
		j.at++
		switch {
		case c == '"':
			return out, nil
		case c < ' ':
			return nil, errJSON
		case c != '\\':
			out = append(out, c)
			continue
		}
		if j.at == len(j.text) {
			break
		}
		c = j.text[j.at]
		j.at++
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
			r := j.hex4(j.at)
			if r < 0 {
				return nil, errJSON
			}
			j.at += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if j.at+1 < len(j.text) && j.text[j.at] == '\\' && j.text[j.at+1] == 'u' {
					low = j.hex4(j.at + 2)
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					j.at += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, errJSON
		}
	}
	return nil, errJSON
}

// hex4 returns the number of the four hexadecimal digits at i, or -1.
func (j *jsonFormat) hex4(i int) (r rune) {
	if i+4 > len(j.text) {
		return -1
	}
	for _, c := range j.text[i : i+4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
