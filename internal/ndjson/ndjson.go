// Package ndjson turns lines into records: a line that is a JSON object, or any other text.
package ndjson

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/internal/jsontext"
)

// maxDepth is how deep a JSON line may be nested.
const maxDepth = 1000

// byteOrderMark is what editors put in front of a file's first line.
const byteOrderMark = "\xef\xbb\xbf"

// IsObject reports whether line looks like a JSON object.
func IsObject(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(line, []byte(byteOrderMark)), " \t"), []byte{'{'})
}

// AppendText appends {"log": line} as a msgpack map. Bytes that are not UTF-8 stay.
func AppendText(dst, line []byte) []byte {
	to := bytes.NewBuffer(dst)
	e := msgpack.GetEncoder()
	defer msgpack.PutEncoder(e)
	e.Reset(to)
	if err := errors.Join(e.EncodeMapLen(1), e.EncodeString("log"), e.EncodeString(string(line))); err != nil {
		panic("writing msgpack to memory, which takes everything: " + err.Error())
	}
	return to.Bytes()
}

// AppendObject appends the JSON object line as a msgpack map, see jsontext.Reader. when is the time under
// the key timeKey, zero if there is none. After an error dst is returned as it was.
func AppendObject(dst, line []byte, timeKey string) (out []byte, when time.Time, err error) {
	var r jsontext.Reader
	r.Reset(line, maxDepth)
	if !r.Begins('{') {
		if r.Peek() == 0 {
			return dst, when, jsontext.ErrCut
		}
		return dst, when, errors.New("it begins with something else")
	}
	// The header, whose length is known only at the end, gets five bytes first, of which the members then
	// take what is too much.
	start := len(dst)
	out = append(dst, 0, 0, 0, 0, 0)
	for n := uint32(0); ; n++ {
		key, more, err := r.Member(n == 0)
		switch {
		case err != nil:
			return dst, time.Time{}, err
		case !more && r.End() != nil:
			return dst, time.Time{}, errors.New("something follows the object")
		case !more:
			// Writes over the five bytes.
			header := len(msgp.AppendMapHeader(out[start:start], n))
			return append(out[:start+header], out[start+5:]...), when, nil
		}
		holdsTime := timeKey != "" && string(key) == timeKey
		out = msgp.AppendStringFromBytes(out, key)
		if holdsTime {
			out, when, err = appendTime(out, &r)
		} else {
			out, err = r.Value(out, 1)
		}
		if err != nil {
			return dst, time.Time{}, err
		}
	}
}

// appendTime appends the value that begins here, and returns what time it is, with all its digits.
func appendTime(dst []byte, r *jsontext.Reader) (out []byte, when time.Time, err error) {
	switch c := r.Peek(); {
	case c == '"':
		text, err := r.Text()
		return msgp.AppendStringFromBytes(dst, text), parseTime(string(text)), err
	case c == '-' || c >= '0' && c <= '9':
		if literal, whole, ok := r.Number(); ok {
			return jsontext.AppendNumber(dst, literal, whole), parseTime(string(literal)), nil
		}
	}
	out, err = r.Value(dst, 1)
	return out, when, err
}

// parseTime reads RFC 3339 text or a number since 1970, in seconds, or by its size in milli-, micro- or
// nanoseconds. It returns the zero time for anything else and for what an EventTime can't hold.
func parseTime(text string) (t time.Time) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		whole, fraction, _ := strings.Cut(text, ".")
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil {
			return time.Time{}
		}
		nanos, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
		if err != nil {
			return time.Time{}
		}
		switch {
		case n < 1e11:
			t = time.Unix(n, int64(nanos))
		case n < 1e14:
			t = time.UnixMilli(n)
		case n < 1e17:
			t = time.UnixMicro(n)
		default:
			t = time.Unix(0, n)
		}
	}
	if s := t.Unix(); s < 0 || s > math.MaxUint32-2 {
		// The last two mark groups in Fluent Bit.
		return time.Time{}
	}
	return t
}
