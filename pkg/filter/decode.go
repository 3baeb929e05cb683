package filter

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// maxDecoded is how many values, those within maps and arrays included, are decoded for one
// evaluation: whatever an agent sends, an expression has no more to walk through.
const maxDecoded = 4096

// decodeValue decodes the msgpack value at the start of b as expressions have it, and takes the
// number of values in it from left: nil, bool, int, uint64 over 2⁶³-1, float64, string (of str, bin
// and ext, as event.AppendText has them), time.Time for an EventTime, []any, and map[string]any,
// whose keys are text as well. Nothing is nil.
func decodeValue(b []byte, left *int) (v any, rest []byte, err error) {
	if *left--; *left < 0 {
		return nil, nil, fmt.Errorf("a field has more than %d values in it: too many for an expression", maxDecoded)
	}
	if len(b) == 0 {
		return nil, nil, nil
	}
	if rest, err = event.Skip(b); err != nil {
		return nil, nil, fmt.Errorf("read a field: %w", err)
	}
	switch event.TypeOf(b[0]) {
	case event.TypeMap:
		m := map[string]any{}
		for name, inner := range Members(b[:len(b)-len(rest)]) {
			if m[textOf(name)], _, err = decodeValue(inner, left); err != nil {
				return nil, nil, err
			}
		}
		return m, rest, nil
	case event.TypeArray:
		n, inner, _ := event.ReadArrayHeader(b)
		a := []any{}
		for range n {
			var item any
			if item, inner, err = decodeValue(inner, left); err != nil {
				return nil, nil, err
			}
			a = append(a, item)
		}
		return a, rest, nil
	default:
		return decodeScalar(b[:len(b)-len(rest)]), rest, nil
	}
}

// decodeScalar decodes what is neither map nor array; b is one whole value.
func decodeScalar(b []byte) any {
	switch c := b[0]; event.TypeOf(c) {
	case event.TypeNil:
		return nil
	case event.TypeBool:
		return c == 0xc3
	case event.TypeInt:
		if v, _, err := event.ReadInt(b); err == nil {
			return int(v)
		}
		return binary.BigEndian.Uint64(b[1:])
	case event.TypeFloat:
		if c == 0xca {
			return float64(math.Float32frombits(binary.BigEndian.Uint32(b[1:])))
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b[1:]))
	case event.TypeStr, event.TypeBin:
		text, _, _ := event.ReadBytes(b)
		return textOf(text)
	case event.TypeExt:
		if len(b) == 10 && b[0] == 0xd7 && b[1] == 0 {
			return time.Unix(int64(binary.BigEndian.Uint32(b[2:])), int64(binary.BigEndian.Uint32(b[6:]))).UTC()
		}
	default:
	}
	return string(event.AppendText(nil, b))
}

// textOf returns text as event.AppendValid has it.
func textOf(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	return string(event.AppendValid(nil, text))
}
