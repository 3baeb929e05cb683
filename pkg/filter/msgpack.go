package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// errUnfit is returned for what msgpack, or a record, can't hold.
var errUnfit = errors.New("has no place in a record")

// maxValueDepth is how many levels of lists and maps AppendValue takes.
const maxValueDepth = event.MaxDepth

// AppendString appends s as a msgpack str.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	switch n := len(s); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, 0xd9, byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, 0xda, byte(n>>8), byte(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xdb), uint32(n))
	}
	return append(dst, s...)
}

// AppendInt appends v in as few bytes as it takes.
func AppendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0:
		return AppendUint(dst, uint64(v))
	case v >= -32:
		return append(dst, byte(v))
	case v >= math.MinInt8:
		return append(dst, 0xd0, byte(v))
	case v >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(v))
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(v))
}

// AppendUint appends v in as few bytes as it takes.
func AppendUint(dst []byte, v uint64) []byte {
	switch {
	case v <= math.MaxInt8:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, 0xcc, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), v)
}

// AppendFloat appends v as a float64.
func AppendFloat(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(v))
}

// AppendBool appends true or false.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 0xc3)
	}
	return append(dst, 0xc2)
}

// AppendNil appends nil.
func AppendNil(dst []byte) []byte { return append(dst, 0xc0) }

// AppendMapHeader appends the head of a map of n pairs, which must follow: key, value, key, …
func AppendMapHeader(dst []byte, n int) []byte { return appendHeader(dst, n, 0x80, 0xde) }

// AppendArrayHeader appends the head of an array of n values, which must follow.
func AppendArrayHeader(dst []byte, n int) []byte { return appendHeader(dst, n, 0x90, 0xdc) }

func appendHeader(dst []byte, n int, fix, wide byte) []byte {
	switch {
	case n < 16:
		return append(dst, fix|byte(n))
	case n <= math.MaxUint16:
		return append(dst, wide, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, wide+1), uint32(n))
}

// AppendValue appends a Go value as YAML, JSON and expressions have them: nil, booleans, numbers,
// strings, times (as an EventTime, whole nanoseconds), durations (as text), and lists and maps with
// string keys of them, a map's in the order of its keys. After an error, for other types and for
// more than 100 levels, dst is returned as it was.
func AppendValue(dst []byte, v any) ([]byte, error) {
	out, err := appendAny(dst, v, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendAny(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return AppendNil(dst), nil
	case string:
		return AppendString(dst, v), nil
	case bool:
		return AppendBool(dst, v), nil
	case int:
		return AppendInt(dst, int64(v)), nil
	case float64:
		return AppendFloat(dst, v), nil
	case time.Time:
		return event.AppendTime(dst, event.Time{Sec: v.Unix(), Nsec: uint32(v.Nanosecond())}), nil
	case time.Duration:
		return AppendString(dst, v.String()), nil
	case map[string]any:
		if depth >= maxValueDepth {
			return nil, fmt.Errorf("a value nested deeper than %d levels %w", maxValueDepth, errUnfit)
		}
		dst = AppendMapHeader(dst, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			var err error
			if dst, err = appendAny(AppendString(dst, k), v[k], depth+1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	return appendReflected(dst, reflect.ValueOf(v), depth)
}

// appendReflected is appendAny for the types that are rare.
func appendReflected(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	switch {
	case v.CanInt():
		return AppendInt(dst, v.Int()), nil
	case v.CanUint():
		return AppendUint(dst, v.Uint()), nil
	case v.CanFloat():
		return AppendFloat(dst, v.Float()), nil
	case v.Kind() == reflect.String:
		return AppendString(dst, v.String()), nil
	case v.Kind() == reflect.Bool:
		return AppendBool(dst, v.Bool()), nil
	case depth >= maxValueDepth:
		return nil, fmt.Errorf("a value nested deeper than %d levels %w", maxValueDepth, errUnfit)
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		dst = AppendArrayHeader(dst, v.Len())
		for i := range v.Len() {
			var err error
			if dst, err = appendAny(dst, v.Index(i).Interface(), depth+1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case v.Kind() == reflect.Map:
		m := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[fmt.Sprint(it.Key().Interface())] = it.Value().Interface()
		}
		return appendAny(dst, m, depth)
	}
	return nil, fmt.Errorf("a value of type %s %w", v.Type(), errUnfit)
}
