package filter

import (
	"iter"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// field is one member of a map: its key and its value, one after the other.
type field struct {
	entry    []byte
	from, to int // the key's text in entry; from is 0 where the key is no str or bin
	value    int // where the value begins in entry
}

func (f *field) is(name string) bool {
	return f.to-f.from == len(name) && f.from > 0 && string(f.entry[f.from:f.to]) == name
}

// member reads the member at the start of b.
func member(b []byte) (f field, rest []byte, ok bool) {
	if len(b) > 0 && b[0]&0xe0 == 0xa0 { // a short str: most keys
		f.from, f.to = 1, 1+int(b[0]&0x1f)
		if f.to > len(b) {
			return field{}, nil, false
		}
		f.value = f.to
	} else if text, after, err := event.ReadBytes(b); err == nil {
		f.value = len(b) - len(after)
		f.from, f.to = f.value-len(text), f.value
	} else if after, err := event.Skip(b); err == nil {
		f.value = len(b) - len(after)
	} else {
		return field{}, nil, false
	}
	end, ok := skip(b, f.value)
	if !ok {
		return field{}, nil, false
	}
	f.entry = b[:end:end]
	return f, b[end:], true
}

// skip returns where the value at b[i] ends.
func skip(b []byte, i int) (end int, ok bool) {
	if i >= len(b) {
		return 0, false
	}
	switch c := b[i]; {
	case c&0xe0 == 0xa0:
		end = i + 1 + int(c&0x1f)
	case c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3:
		end = i + 1
	case c == 0xd9 && i+1 < len(b):
		end = i + 2 + int(b[i+1])
	default:
		rest, err := event.Skip(b[i:])
		return len(b) - len(rest), err == nil
	}
	return end, end <= len(b)
}

// find returns where the last member of the map m with that name lies: its key begins at key, its
// value at from, and it ends at to. n counts m's members, which begin at body; n is -1 where m is
// no map.
func find(m []byte, name string) (body, n, key, from, to int) {
	n, rest, err := event.ReadMapHeader(m)
	if err != nil {
		return 0, -1, 0, 0, 0
	}
	body = len(m) - len(rest)
	for at, i := body, 0; i < n; i++ {
		f, _, ok := member(m[at:])
		if !ok {
			return 0, -1, 0, 0, 0
		}
		if f.is(name) {
			key, from, to = at, at+f.value, at+len(f.entry)
		}
		at += len(f.entry)
	}
	return body, n, key, from, to
}

// appendSet appends the map m with value at path, which may be empty. What is no map becomes one.
func appendSet(dst, m, value []byte, path []string) []byte {
	if len(path) == 0 {
		return append(dst, value...)
	}
	body, n, key, from, to := find(m, path[0])
	switch {
	case key > 0:
		dst = append(dst, m[:from]...)
		dst = appendSet(dst, m[from:to], value, path[1:])
		return append(dst, m[to:]...)
	case n > 0:
		dst = AppendMapHeader(dst, n+1)
		dst = append(dst, m[body:]...)
	default:
		dst = AppendMapHeader(dst, 1)
	}
	return appendSet(AppendString(dst, path[0]), nil, value, path[1:])
}

// appendWithout appends the map m less what path leads to, all members of that name; where there
// is nothing it appends nothing.
func appendWithout(dst, m []byte, path []string) (out []byte, ok bool) {
	body, n, key, from, to := find(m, path[0])
	if key == 0 {
		return dst, false
	}
	start := len(dst)
	if len(path) > 1 {
		dst = append(dst, m[:from]...)
		if dst, ok = appendWithout(dst, m[from:to], path[1:]); !ok {
			return dst[:start], false
		}
		return append(dst, m[to:]...), true
	}
	left := 0
	for rest := m[body:]; n > 0; n-- {
		f, after, _ := member(rest) // find has read it
		if rest = after; !f.is(path[0]) {
			left++
		}
	}
	dst = AppendMapHeader(dst, left)
	for rest := m[body:]; len(rest) > 0; {
		f, after, _ := member(rest)
		if rest = after; !f.is(path[0]) {
			dst = append(dst, f.entry...)
		}
	}
	return dst, true
}

// Members goes through the members of a msgpack map: the key's text, as event.AppendText has it, and
// the value as msgpack, both parts of m where the key is a str or bin. What is no map has none; of
// equal keys each is given.
func Members(m []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) { members(m, yield) }
}

func members(m []byte, yield func([]byte, []byte) bool) {
	n, rest, err := event.ReadMapHeader(m)
	for ; err == nil && n > 0; n-- {
		f, after, ok := member(rest)
		if !ok || !yield(f.name(), f.entry[f.value:]) {
			return
		}
		rest = after
	}
}

// name returns the key's text.
func (f *field) name() []byte {
	if f.from == 0 {
		return event.AppendText(nil, f.entry[:f.value])
	}
	return f.entry[f.from:f.to]
}
