// Package ndjson turns lines into records: a line that is a JSON object, or any other text.
package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// maxDepth is how deep a JSON line may be nested.
const maxDepth = 1000

// jsonEncoder turns one JSON object into a msgpack map, token by token: keys keep their order and
// integers their digits.
type jsonEncoder struct {
	tokens  *json.Decoder
	timeKey string
	when    time.Time // what timeKey held; zero: nothing that is a time
}

// IsObject says whether line looks like a JSON object.
func IsObject(line []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte{'{'}) }

// AppendText appends {"log": line} as a msgpack map.
func AppendText(dst, line []byte) []byte {
	dst = msgp.AppendMapHeader(dst, 1)
	return msgp.AppendStringFromBytes(msgp.AppendString(dst, "log"), line)
}

// AppendObject appends the JSON object line as a msgpack map. Integers beyond 64 bits and numbers
// beyond a float64's range become strings. when is the time under the key timeKey, zero if there is
// none. After an error dst is returned as it was.
func AppendObject(dst, line []byte, timeKey string) (out []byte, when time.Time, err error) {
	e := jsonEncoder{tokens: json.NewDecoder(bytes.NewReader(line)), timeKey: timeKey}
	e.tokens.UseNumber()
	first, err := e.tokens.Token()
	if err != nil {
		return dst, when, notEOF(err)
	}
	if first != json.Delim('{') {
		return dst, when, errors.New("it begins with something else")
	}
	if out, err = e.appendValue(dst, first, 1); err != nil {
		return dst, when, notEOF(err)
	}
	if _, err := e.tokens.Token(); !errors.Is(err, io.EOF) {
		return dst, when, errors.New("something follows the object")
	}
	return out, e.when, nil
}

// notEOF keeps a line that is cut off from being taken for the end of the input.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("it is cut off")
	}
	return err
}

// appendValue appends the value that token begins.
func (e *jsonEncoder) appendValue(dst []byte, token json.Token, depth int) ([]byte, error) {
	switch v := token.(type) {
	case json.Delim:
		return e.appendContainer(dst, v, depth)
	case string:
		return msgp.AppendString(dst, v), nil
	case json.Number:
		return appendNumber(dst, v.String()), nil
	case bool:
		return msgp.AppendBool(dst, v), nil
	default:
		return msgp.AppendNil(dst), nil
	}
}

// appendContainer appends the object or array that open begins. Its header, whose length is known
// only at the end, gets five bytes first, of which the elements then take what is too much.
func (e *jsonEncoder) appendContainer(dst []byte, open json.Delim, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, errors.New("it is nested too deep")
	}
	start, n := len(dst), uint32(0)
	dst = append(dst, 0, 0, 0, 0, 0)
	for e.tokens.More() {
		token, err := e.tokens.Token()
		if err != nil {
			return dst, err
		}
		if open == '{' {
			key := token.(string)
			dst = msgp.AppendString(dst, key)
			if token, err = e.tokens.Token(); err != nil {
				return dst, err
			}
			if depth == 1 && key == e.timeKey {
				e.when = parseTime(token)
			}
		}
		if dst, err = e.appendValue(dst, token, depth+1); err != nil {
			return dst, err
		}
		n++
	}
	if _, err := e.tokens.Token(); err != nil { // the closing bracket
		return dst, err
	}
	appendHeader := msgp.AppendArrayHeader
	if open == '{' {
		appendHeader = msgp.AppendMapHeader
	}
	header := len(appendHeader(dst[start:start], n)) // writes over the five bytes
	return append(dst[:start+header], dst[start+5:]...), nil
}

// appendNumber appends a JSON number as the narrowest type that holds it without damage.
func appendNumber(dst []byte, text string) []byte {
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return msgp.AppendUint64(dst, u)
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && i < 0 { // not -0
		return msgp.AppendInt64(dst, i)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || text != "-0" && !strings.ContainsAny(text, ".eE") {
		return msgp.AppendString(dst, text)
	}
	return msgp.AppendFloat64(dst, f)
}

// parseTime reads RFC 3339 text or a number since 1970, in seconds, or by its size in milli-, micro- or
// nanoseconds. It returns the zero time for anything else and for what an EventTime can't hold.
func parseTime(token json.Token) (t time.Time) {
	switch v := token.(type) {
	case string:
		var err error
		if t, err = time.Parse(time.RFC3339Nano, v); err != nil {
			return parseTime(json.Number(v))
		}
	case json.Number:
		whole, fraction, _ := strings.Cut(v.String(), ".")
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
	if s := t.Unix(); s < 0 || s > math.MaxUint32-2 { // the last two mark groups in Fluent Bit
		return time.Time{}
	}
	return t
}
