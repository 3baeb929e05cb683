package parse

import (
	"bytes"
	"strconv"

	"github.com/seed-afc6a195/aggregator/internal/jsontext"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// The reasons of texts that are no JSON objects.
const (
	errNotObject = reason("not a JSON object")
	errJSON      = reason("not valid JSON")
	errJSONDepth = reason("the JSON is nested too deep")
)

// maxJSONDepth leaves room in a record for the maps that the object is put into.
const maxJSONDepth = event.MaxDepth - 2

// jsonFormat reads an object, see jsontext.Reader.
type jsonFormat struct{ reader jsontext.Reader }

func (j *jsonFormat) parse(dst *fields, text []byte) error {
	r := &j.reader
	r.Reset(text, maxJSONDepth)
	// Lets go of the text.
	defer r.Reset(nil, 0)
	if !r.Begins('{') {
		return errNotObject
	}
	for first := true; ; first = false {
		key, more, err := r.Member(first)
		if err == nil && !more {
			err = r.End()
		} else if err == nil {
			err = j.field(dst, key)
		}
		switch {
		case err == jsontext.ErrDepth: //nolint:errorlint // returned as it is
			return errJSONDepth
		case err != nil:
			return errJSON
		case !more:
			return nil
		}
	}
}

// field reads the value of a field: numbers may be the event's time, or have a type, as texts do.
func (j *jsonFormat) field(dst *fields, key []byte) (err error) {
	r := &j.reader
	switch c := r.Peek(); {
	case c == '"':
		value, err := r.Text()
		if err == nil {
			dst.member(key, value)
		}
		return err
	case c == '-' || c-'0' <= 9:
		literal, whole, ok := r.Number()
		switch {
		case !ok:
			return errJSON
		case string(key) == dst.timeKey:
			if dst.takeTime(plainNumber(literal)) {
				return nil
			}
		case dst.typed(key):
			dst.member(key, literal)
			return nil
		}
		dst.keyBytes(key)
		dst.pairs = jsontext.AppendNumber(dst.pairs, literal, whole)
		return nil
	}
	dst.keyBytes(key)
	dst.pairs, err = r.Value(dst.pairs, 1)
	return err
}

// plainNumber returns a number without its exponent: Java has one in 1.700000000123E9, which times are not read with.
func plainNumber(literal []byte) []byte {
	if !bytes.ContainsAny(literal, "eE") {
		return literal
	}
	v, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return literal
	}
	return strconv.AppendFloat(nil, v, 'f', -1, 64)
}
