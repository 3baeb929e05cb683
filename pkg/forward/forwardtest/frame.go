package forwardtest

import (
	"encoding/binary"

	"github.com/tinylib/msgp/msgp"
)

// Map is a record, metadata, or an option map.
type Map = map[string]any

// Value returns v in msgpack. []byte stands for msgpack that is there already.
func Value(v any) []byte {
	if raw, ok := v.([]byte); ok {
		return raw
	}
	b, err := msgp.AppendIntf(nil, v)
	if err != nil {
		// A mistake of the test.
		panic(err)
	}
	return b
}

// Array returns an array of values.
func Array(values ...any) []byte {
	b := msgp.AppendArrayHeader(nil, uint32(len(values)))
	for _, v := range values {
		b = append(b, Value(v)...)
	}
	return b
}

// Bin returns payload as bin, Str as str of the 32-bit form.
func Bin(payload []byte) []byte { return msgp.AppendBytes(nil, payload) }

// Str returns payload as a str with a 32-bit length, as fluentd sends it.
func Str(payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0xdb}, uint32(len(payload))), payload...)
}

// EventTime returns an EventTime as fixext8.
func EventTime(sec, nsec uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{0xd7, 0}, sec), nsec)
}

// Entry returns [time, record].
func Entry(time, record any) []byte { return Array(time, record) }

// MetaEntry returns [[time, metadata], record].
func MetaEntry(time, metadata, record any) []byte { return Array(Array(time, metadata), record) }

// Ack returns {"ack": chunk}.
func Ack(chunk string) []byte {
	return msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "ack"), chunk)
}
