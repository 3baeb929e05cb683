// Package msgview shows msgpack to people: what a dead letter holds that is no event.
package msgview

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

const (
	// maxDepth is how deep values are shown. What is deeper shows as "…".
	maxDepth = 32
	// maxText is how many bytes of one str, bin or ext are shown.
	maxText = 1 << 10
)

// errFull ends the rendering where there is no more room.
var errFull = errors.New("as much as there is room for is shown")

// Text returns the values of b, one a line, in a notation close to JSON: a str that is no UTF-8, a bin and an ext show
// as base64, with what they are. It stops where b ends or is no msgpack, and says so, and after about limit bytes. No
// length that b declares has memory taken for bytes that are not there.
func Text(b []byte, limit int) string {
	from := bytes.NewReader(b)
	v := viewer{Decoder: msgpack.NewDecoder(from), from: from, limit: limit}
	for from.Len() > 0 {
		err := v.value(0)
		switch {
		case errors.Is(err, errFull):
			v.out = append(v.out, "…\n"...)
			return string(v.out)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			v.out = append(v.out, " (cut here)"...)
		case err != nil:
			v.out = append(v.out, " (no msgpack from here on)"...)
		}
		v.out = append(v.out, '\n')
		if err != nil {
			break
		}
	}
	return string(v.out)
}

type viewer struct {
	*msgpack.Decoder
	from  *bytes.Reader
	out   []byte
	limit int
}

// value shows the next value.
func (v *viewer) value(depth int) error {
	if len(v.out) >= v.limit {
		return errFull
	}
	code, err := v.PeekCode()
	if err != nil {
		return err
	}
	switch {
	case msgpcode.IsString(code) || msgpcode.IsBin(code):
		return v.text(msgpcode.IsBin(code))
	case msgpcode.IsExt(code):
		return v.ext()
	case msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32:
		n, err := v.DecodeArrayLen()
		return v.list('[', ']', n, err, depth, v.value)
	case msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32:
		n, err := v.DecodeMapLen()
		return v.list('{', '}', n, err, depth, v.member)
	}
	return v.scalar(code)
}

// scalar shows the next value, which is nil, a bool or a number.
func (v *viewer) scalar(code byte) (err error) {
	var (
		is       bool
		signed   int64
		unsigned uint64
		short    float32
		long     float64
	)
	switch code {
	case msgpcode.Nil:
		err = v.DecodeNil()
		v.out = append(v.out, "nil"...)
	case msgpcode.False, msgpcode.True:
		is, err = v.DecodeBool()
		v.out = strconv.AppendBool(v.out, is)
	case msgpcode.Float:
		if short, err = v.DecodeFloat32(); err == nil {
			v.out = strconv.AppendFloat(v.out, float64(short), 'g', -1, 32)
		}
	case msgpcode.Double:
		if long, err = v.DecodeFloat64(); err == nil {
			v.out = strconv.AppendFloat(v.out, long, 'g', -1, 64)
		}
	case msgpcode.Uint8, msgpcode.Uint16, msgpcode.Uint32, msgpcode.Uint64:
		if unsigned, err = v.DecodeUint64(); err == nil {
			v.out = strconv.AppendUint(v.out, unsigned, 10)
		}
	default:
		if signed, err = v.DecodeInt64(); err == nil {
			v.out = strconv.AppendInt(v.out, signed, 10)
		}
	}
	return err
}

// list shows the n members of an array or a map; err is of reading how many there are.
func (v *viewer) list(begin, end byte, n int, err error, depth int, member func(depth int) error) error {
	if err != nil {
		return err
	}
	v.out = append(v.out, begin)
	for i := range n {
		if i > 0 {
			v.out = append(v.out, ", "...)
		}
		if depth+1 >= maxDepth {
			v.out = append(v.out, "…"...)
			return errFull
		}
		if err := member(depth + 1); err != nil {
			return err
		}
	}
	v.out = append(v.out, end)
	return nil
}

// member shows the next key and its value.
func (v *viewer) member(depth int) error {
	if err := v.value(depth); err != nil {
		return err
	}
	v.out = append(v.out, ": "...)
	return v.value(depth)
}

// text shows a str or a bin.
func (v *viewer) text(bin bool) error {
	n, err := v.DecodeBytesLen()
	if err != nil {
		return err
	}
	text, err := v.read(n)
	if !bin && utf8.Valid(text) {
		v.out = strconv.AppendQuote(v.out, string(text))
	} else {
		v.encoded(map[bool]string{true: "bin", false: "str"}[bin], text)
	}
	return v.rest(n, len(text), err)
}

// ext shows an extension: its type and its bytes.
func (v *viewer) ext() error {
	id, n, err := v.DecodeExtHeader()
	if err != nil {
		return err
	}
	data, err := v.read(n)
	v.encoded("ext "+strconv.Itoa(int(id)), data)
	return v.rest(n, len(data), err)
}

func (v *viewer) encoded(what string, data []byte) {
	v.out = append(append(v.out, what...), '(')
	v.out = append(base64.StdEncoding.AppendEncode(v.out, data), ')')
}

// read returns as many of the next n bytes as are there, and are shown.
func (v *viewer) read(n int) ([]byte, error) {
	b := make([]byte, min(n, v.from.Len(), maxText))
	return b, v.ReadFull(b)
}

// rest passes over what is not shown of n bytes.
func (v *viewer) rest(n, shown int, err error) error {
	switch missing := n - shown; {
	case err != nil:
		return err
	case missing > v.from.Len():
		return io.ErrUnexpectedEOF
	case missing > 0:
		v.out = append(v.out, "…"...)
		_, err = v.from.Seek(int64(missing), io.SeekCurrent)
	}
	return err
}
