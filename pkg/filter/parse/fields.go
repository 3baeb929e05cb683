package parse

import (
	"bytes"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/timelayout"
)

// fields collects what a format reads out of a text: the pairs of a msgpack map, in order. Equal
// keys are allowed; the last counts. A format that fails may leave some behind. Nothing is
// allocated for a field but the growth of memory that is used again.
type fields struct {
	// pairs is key, value, key, value, ….
	pairs []byte
	// keys are those of the keys' texts in pairs.
	keys []span
	// mask is maskOf of all keys.
	mask uint64

	prefix  string
	types   []fieldType
	timeKey string
	// layouts are how the time is written.
	layouts []timelayout.Layout
	// strict says that a time that is not written so is an error.
	strict bool
	// keep says that the time stays a field.
	keep bool

	// received is the time the event came with: it tells the year where a text does not.
	received event.Time
	// time is as read.
	time event.Time
	// timed says that time is set.
	timed bool
	// err is the first text that is not what it must be.
	err error
}

type span struct{ from, to int }

// reset empties f for the next text, of an event with the time received.
func (f *fields) reset(received event.Time) {
	f.pairs, f.keys, f.mask = f.pairs[:0], f.keys[:0], 0
	f.received, f.timed, f.err = received, false, nil
}

// text adds a field with the value that the settings make of its text: a str, unless types names
// the field. The field that holds the time becomes the event's time.
func (f *fields) text(key string, value []byte) {
	if key == f.timeKey && f.takeTime(value) {
		return
	}
	f.key(key)
	f.value(value)
}

// member is text for a key that stands in the text itself.
func (f *fields) member(key, value []byte) {
	if string(key) == f.timeKey && f.takeTime(value) {
		return
	}
	f.keyBytes(key)
	f.value(value)
}

// integer adds a field with an integer.
func (f *fields) integer(key string, v int64) {
	f.key(key)
	f.pairs = filter.AppendInt(f.pairs, v)
}

// null adds a field without a value.
func (f *fields) null(key string) {
	f.key(key)
	f.pairs = filter.AppendNil(f.pairs)
}

// setTime sets the event's time, for formats that read it themselves.
func (f *fields) setTime(t event.Time) { f.time, f.timed = t, true }

// key adds a key; its value must follow in pairs.
func (f *fields) key(key string) {
	f.pairs = appendStrHeader(f.pairs, len(f.prefix)+len(key))
	from := len(f.pairs)
	f.pairs = append(append(f.pairs, f.prefix...), key...)
	f.added(from)
}

func (f *fields) keyBytes(key []byte) {
	f.pairs = appendStrHeader(f.pairs, len(f.prefix)+len(key))
	from := len(f.pairs)
	f.pairs = append(append(f.pairs, f.prefix...), key...)
	f.added(from)
}

func (f *fields) added(from int) {
	f.keys = append(f.keys, span{from, len(f.pairs)})
	f.mask |= maskOf(f.pairs[from:])
}

// value adds the value of the key added last.
func (f *fields) value(text []byte) {
	if len(f.types) > 0 {
		k := f.keys[len(f.keys)-1]
		name := f.pairs[k.from+len(f.prefix) : k.to]
		for i := range f.types {
			if string(name) == f.types[i].name {
				f.pairs = f.types[i].append(f.pairs, text, f.received)
				return
			}
		}
	}
	f.pairs = filter.AppendString(f.pairs, text)
}

// typed reports whether types names that field.
func (f *fields) typed(name []byte) bool {
	for i := range f.types {
		if string(name) == f.types[i].name {
			return true
		}
	}
	return false
}

// takeTime makes text, the value of the field timeKey, the event's time, and reports whether it is
// then done with. Where text must be a time and is none, it notes an error.
func (f *fields) takeTime(text []byte) (taken bool) {
	if f.timeKey == "" {
		return false
	}
	for i := range f.layouts {
		if t, ok := f.layouts[i].Parse(text, f.received); ok {
			f.setTime(t)
			return !f.keep
		}
	}
	if f.strict && f.err == nil {
		f.err = errTime
	}
	return false
}

// has reports whether a field with this key was added.
func (f *fields) has(key []byte) bool { return f.last(key) != nil }

// last returns where the key of the field that was added last with this key is, or nil.
func (f *fields) last(key []byte) *span {
	if f.mask&maskOf(key) == 0 {
		return nil
	}
	for i := len(f.keys) - 1; i >= 0; i-- {
		if k := &f.keys[i]; bytes.Equal(f.pairs[k.from:k.to], key) {
			return k
		}
	}
	return nil
}

// maskOf returns one of 64 bits: keys with different bits are different.
func maskOf(key []byte) uint64 {
	if len(key) == 0 {
		return 1
	}
	return 1 << ((len(key)*7 + int(key[0]) + 3*int(key[len(key)-1])) & 63)
}

func appendStrHeader(dst []byte, n int) []byte {
	switch {
	case n < 32:
		return append(dst, 0xa0|byte(n))
	case n < 1<<8:
		return append(dst, 0xd9, byte(n))
	case n < 1<<16:
		return append(dst, 0xda, byte(n>>8), byte(n))
	default:
		return append(dst, 0xdb, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
}
