package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/tinylib/msgp/msgp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Fields of OpenTelemetry's messages (common.proto): AnyValue, ArrayValue, KeyValueList and KeyValue.
const (
	valueString  = 1
	valueBool    = 2
	valueInt     = 3
	valueDouble  = 4
	valueArray   = 5
	valueMap     = 6
	arrayValues  = 1
	mapValues    = 1
	keyValueKey  = 1
	keyValueData = 2
)

var (
	errTooNested = fmt.Errorf("nested deeper than %d levels", event.MaxDepth)
	errNotMap    = errors.New("not a map")
)

// begin appends the tag of a message in a field, and room for a short length. What is appended behind mark is the
// message, until end.
func begin(dst []byte, field protowire.Number) (out []byte, mark int) {
	dst = append(protowire.AppendTag(dst, field, protowire.BytesType), 0)
	return dst, len(dst)
}

// end writes the length of the message behind mark.
func end(dst []byte, mark int) []byte {
	n := len(dst) - mark
	if n < 0x80 {
		dst[mark-1] = byte(n)
		return dst
	}
	more := protowire.SizeVarint(uint64(n)) - 1
	for range more {
		dst = append(dst, 0)
	}
	copy(dst[mark+more:], dst[mark:mark+n])
	protowire.AppendVarint(dst[:mark-1], uint64(n))
	return dst
}

// member is a key and a value of a map, both parts of what they were read from, but for keys that are no texts.
type member struct {
	key, value []byte
	// moved says that it is elsewhere in the log record.
	moved bool
}

// values writes msgpack values as OpenTelemetry's. Integers and floats are exact; an integer over 2⁶³-1 is the text of
// its digits; str and bin are strings, with U+FFFD for each byte that is not UTF-8; exts are the texts that they are in
// JSON. Keys are unique: of equal ones the last counts. It is for one goroutine.
type values struct {
	// members are those of the maps that are being read, innermost last.
	members []member
	text    []byte
}

// appendString appends text as a value.
func (v *values) appendString(dst, text []byte) []byte {
	return appendText(protowire.AppendTag(dst, valueString, protowire.BytesType), text)
}

// appendText appends text, with its length, as UTF-8.
func appendText(dst, text []byte) []byte {
	dst = append(dst, 0)
	mark := len(dst)
	return end(event.AppendValid(dst, text), mark)
}

// append appends the value at the beginning of b, inside of depth maps and arrays: the fields of an AnyValue.
func (v *values) append(dst, b []byte, depth int) ([]byte, error) {
	if len(b) == 0 {
		return dst, event.ErrTruncated
	}
	switch event.TypeOf(b[0]) {
	case event.TypeNil:
		return dst, nil
	case event.TypeBool:
		return protowire.AppendVarint(
			protowire.AppendTag(dst, valueBool, protowire.VarintType), uint64(b[0]&1)), nil
	case event.TypeInt:
		if n, _, err := event.ReadInt(b); err == nil {
			return protowire.AppendVarint(protowire.AppendTag(dst, valueInt, protowire.VarintType), uint64(n)), nil
		}
	case event.TypeFloat:
		f, _, err := msgp.ReadFloat64Bytes(b)
		if err != nil {
			return dst, event.ErrTruncated
		}
		return protowire.AppendFixed64(
			protowire.AppendTag(dst, valueDouble, protowire.Fixed64Type), math.Float64bits(f)), nil
	case event.TypeStr, event.TypeBin:
		text, _, err := event.ReadBytes(b)
		if err != nil {
			return dst, err
		}
		return v.appendString(dst, text), nil
	case event.TypeArray:
		return v.appendArray(dst, b, depth)
	case event.TypeMap:
		from := len(v.members)
		defer func() { v.members = v.members[:from] }()
		if err := v.read(b, from); err != nil {
			return dst, err
		}
		return v.appendMap(dst, from, depth)
	case event.TypeExt, event.TypeReserved:
	}
	if event.ValueEnd(b, 0) < 0 {
		return dst, event.ErrTruncated
	}
	v.text = event.AppendText(v.text[:0], b)
	return v.appendString(dst, v.text), nil
}

// appendArray appends the array at the beginning of b.
func (v *values) appendArray(dst, b []byte, depth int) ([]byte, error) {
	if depth >= event.MaxDepth {
		return dst, errTooNested
	}
	n, rest, err := event.ReadArrayHeader(b)
	if err != nil {
		return dst, err
	}
	dst, mark := begin(dst, valueArray)
	for range n {
		to := event.ValueEnd(rest, 0)
		if to < 0 {
			return dst, event.ErrTruncated
		}
		var one int
		dst, one = begin(dst, arrayValues)
		if dst, err = v.append(dst, rest[:to], depth+1); err != nil {
			return dst, err
		}
		dst, rest = end(dst, one), rest[to:]
	}
	return end(dst, mark), nil
}

// appendMap appends the members from the from-th on as a map, those left out that are elsewhere.
func (v *values) appendMap(dst []byte, from, depth int) ([]byte, error) {
	if depth >= event.MaxDepth {
		return dst, errTooNested
	}
	dst, mark := begin(dst, valueMap)
	dst, err := v.appendMembers(dst, from, mapValues, depth)
	return end(dst, mark), err
}

// appendMembers appends the members from the from-th on as KeyValues in a field.
func (v *values) appendMembers(dst []byte, from int, field protowire.Number, depth int) ([]byte, error) {
	for i := from; i < len(v.members); i++ {
		m := v.members[i]
		if m.moved {
			continue
		}
		var err error
		if dst, err = v.appendMember(dst, field, m.key, m.value, depth); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendMember appends a KeyValue of a msgpack value in a field.
func (v *values) appendMember(dst []byte, field protowire.Number, key, value []byte, depth int) ([]byte, error) {
	dst, mark := begin(dst, field)
	dst = appendText(protowire.AppendTag(dst, keyValueKey, protowire.BytesType), key)
	dst, inner := begin(dst, keyValueData)
	dst, err := v.append(dst, value, depth+1)
	return end(end(dst, inner), mark), err
}

// appendPair appends a KeyValue of texts in a field.
func (v *values) appendPair(dst []byte, field protowire.Number, key string, value []byte) []byte {
	dst, mark := begin(dst, field)
	dst = appendText(protowire.AppendTag(dst, keyValueKey, protowire.BytesType), []byte(key))
	dst, inner := begin(dst, keyValueData)
	return end(end(v.appendString(dst, value), inner), mark)
}

// fewMembers is up to how many members comparing each with each is quicker than a map.
const fewMembers = 24

// read puts the members of the map at the beginning of b behind those that there are. Of those from the from-th on
// with equal keys, the last stays.
func (v *values) read(b []byte, from int) error {
	n, rest, err := event.ReadMapHeader(b)
	if err != nil {
		if errors.Is(err, event.ErrType) {
			return errNotMap
		}
		return err
	}
	for range n {
		var m member
		to := event.ValueEnd(rest, 0)
		if to < 0 || to >= len(rest) {
			return event.ErrTruncated
		}
		switch event.TypeOf(rest[0]) {
		case event.TypeStr, event.TypeBin:
			if m.key, _, err = event.ReadBytes(rest); err != nil {
				return err
			}
		default:
			m.key = event.AppendText(nil, rest[:to])
		}
		if len(m.key) == 0 {
			// No key may be empty.
			m.key = []byte("_")
		}
		rest = rest[to:]
		if to = event.ValueEnd(rest, 0); to < 0 {
			return event.ErrTruncated
		}
		m.value, rest = rest[:to:to], rest[to:]
		v.members = append(v.members, m)
	}
	v.unique(from)
	return nil
}

// unique takes out those of equal keys that are not the last.
func (v *values) unique(from int) {
	all := v.members[from:]
	if len(all) > fewMembers {
		last := make(map[string]int, len(all))
		for i := range all {
			last[string(all[i].key)] = i
		}
		if len(last) == len(all) {
			return
		}
		kept := all[:0]
		for i, m := range all {
			if last[string(m.key)] == i {
				kept = append(kept, m)
			}
		}
		v.members = v.members[:from+len(kept)]
		return
	}
	kept := 0
	for i, m := range all {
		again := false
		for j := i + 1; j < len(all) && !again; j++ {
			again = bytes.Equal(all[j].key, m.key)
		}
		if !again {
			all[kept] = m
			kept++
		}
	}
	v.members = v.members[:from+kept]
}
