package filter

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Errors of AppendValue.
var (
	errTooDeep = fmt.Errorf("a value has more than %d levels: it has no place in a record", maxValueDepth)
	errTooLong = fmt.Errorf("a value has more than %d bytes: it has no place in a record", maxValue)
)

// maxValueDepth is how many levels of lists and maps AppendValue takes.
const maxValueDepth = event.MaxDepth

// maxValue is how many bytes a list or map that AppendValue takes may become.
const maxValue = 16 << 20

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

// AppendMapHeader appends the head of a map of n pairs, which must follow: a key, its value, the next key.
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
// strings, times (as an EventTime), durations (as text), and lists and maps of them, a map's in the
// order of its keys' text. After an error, for other types, for more than 100 levels and for more
// than 16 MiB, dst is returned as it was.
func AppendValue(dst []byte, v any) ([]byte, error) {
	out, err := appendAny(dst, v, len(dst)+maxValue, maxValueDepth)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendAny(dst []byte, v any, limit, depth int) (_ []byte, err error) {
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
		if depth == 0 {
			return nil, errTooDeep
		}
		dst = AppendMapHeader(dst, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if dst, err = appendAny(AppendString(dst, k), v[k], limit, depth-1); err != nil {
				return nil, err
			}
			if len(dst) > limit {
				return nil, errTooLong
			}
		}
		return dst, nil
	}
	return appendReflected(dst, reflect.ValueOf(v), limit, depth)
}

// appendReflected is appendAny for the types that are rare.
func appendReflected(dst []byte, v reflect.Value, limit, depth int) (_ []byte, err error) {
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
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		if depth == 0 {
			return nil, errTooDeep
		}
		dst = AppendArrayHeader(dst, v.Len())
		for i := range v.Len() {
			if dst, err = appendAny(dst, v.Index(i).Interface(), limit, depth-1); err != nil {
				return nil, err
			}
			if len(dst) > limit {
				return nil, errTooLong
			}
		}
		return dst, nil
	case v.Kind() == reflect.Map:
		m := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[fmt.Sprint(it.Key().Interface())] = it.Value().Interface()
		}
		return appendAny(dst, m, limit, depth)
	}
	return nil, fmt.Errorf("a value of type %s has no place in a record", v.Type())
}
