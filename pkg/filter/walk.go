package filter

import (
	"iter"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// field is one member of a map: its key and its value, one after the other.
type field struct {
	entry []byte
	// from and to are those of the key's text in entry; from is 0 where the key is no str or bin.
	from, to int32
	// value is where the value begins in entry.
	value int32
}

func (f *field) is(name string) bool {
	return int(f.to-f.from) == len(name) && f.from > 0 && string(f.entry[f.from:f.to]) == name
}

func (f *field) msgpack() []byte { return f.entry[f.value:len(f.entry):len(f.entry)] }

// name returns the key's text.
func (f *field) name() []byte {
	if f.from == 0 {
		return event.AppendText(nil, f.entry[:f.value])
	}
	return f.entry[f.from:f.to:f.to]
}

// read reads the member at b[i] and returns where it ends; the last one of a map ends with it. It
// returns 0 where there is none.
func (f *field) read(b []byte, i int, last bool) (end int) {
	if i < len(b) && b[i]&0xe0 == 0xa0 {
		// A short str: most keys.
		f.from, f.to = 1, 1+int32(b[i]&0x1f)
		f.value = f.to
	} else if text, after, err := event.ReadBytes(b[i:]); err == nil {
		f.value = int32(len(b) - i - len(after))
		f.from, f.to = f.value-int32(len(text)), f.value
	} else if after, err := event.Skip(b[i:]); err == nil {
		f.value = int32(len(b) - i - len(after))
		f.from, f.to = 0, 0
	} else {
		return 0
	}
	if end = len(b); !last {
		end = event.ValueEnd(b, i+int(f.value))
	}
	if i+int(f.value) >= end {
		return 0
	}
	f.entry = b[i:end]
	return end
}

// header returns the number of members of the map m and where the first one begins; n is -1 where
// m is no map.
func header(m []byte) (n, body int) {
	if len(m) > 0 && m[0]&0xf0 == 0x80 {
		return int(m[0] & 0x0f), 1
	}
	n, rest, err := event.ReadMapHeader(m)
	if err != nil {
		return -1, 0
	}
	return n, len(m) - len(rest)
}

// Members goes through the members of a msgpack map: the key's text, as event.AppendText has it, and
// the value as msgpack, both parts of m where the key is a str or bin. What is no map has none; of
// equal keys each is given.
func Members(m []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) { members(m, yield) }
}

func members(m []byte, yield func([]byte, []byte) bool) {
	var f field
	for n, i := header(m); n > 0; n-- {
		if i = f.read(m, i, n == 1); i == 0 || !yield(f.name(), f.msgpack()) {
			return
		}
	}
}
