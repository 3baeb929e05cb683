package event

import "unicode/utf8"

// Lookup returns the field of the record, one whole msgpack value, that path leads to through maps
// within maps, as msgpack, without decoding the others. Keys are compared as the bytes of str and
// bin. Of equal keys the last counts, as in JSON. An empty path leads to the record itself.
func Lookup(record []byte, path ...string) (value []byte, ok bool) {
	value = record
	for _, name := range path {
		if value = member(value, name); value == nil {
			return nil, false
		}
	}
	return value, len(value) > 0
}

// member returns the value of the last member of that name, or nil. It does not look behind the last
// member, which ends with the map.
func member(m []byte, name string) (value []byte) {
	n, rest, err := ReadMapHeader(m)
	if err != nil {
		return nil
	}
	for i := len(m) - len(rest); n > 0; n-- {
		if i >= len(m) {
			return nil
		}
		key, from, text := i+1, i+1+int(m[i]&0x1f), true
		if m[i]&0xe0 != 0xa0 {
			// No short str, as most keys are.
			t, size, j, err := head(m, i)
			key, from, text = j, j+size, t == TypeStr || t == TypeBin
			if t == TypeMap || t == TypeArray {
				from = ValueEnd(m, i)
			}
			if err != nil || from < 0 {
				return nil
			}
		}
		if from >= len(m) {
			return nil
		}
		if i = len(m); n > 1 {
			if s := int(sizes[m[from]]); s != 0 {
				i = from + s
			} else if i = ValueEnd(m, from); i < 0 {
				return nil
			}
			if i > len(m) {
				return nil
			}
		}
		if text && from-key == len(name) && string(m[key:from]) == name {
			value = m[from:i:i]
		}
	}
	return value
}

// AppendText appends the text of a msgpack value: that of a str or a bin as AppendValid has it,
// numbers and bools as in JSON, an EventTime as RFC 3339, a map, an array and other exts as JSON. nil
// and what is not one whole value have no text.
func AppendText(dst, value []byte) []byte {
	t, n, j, err := head(value, 0)
	if err != nil {
		return dst
	}
	switch t {
	case TypeNil:
		return dst
	case TypeStr, TypeBin:
		return AppendValid(dst, value[j:j+n])
	case TypeMap, TypeArray:
		var e Encoder
		// An error leaves dst as it was.
		dst, _ = e.AppendValue(dst, value)
		return dst
	default:
		return appendScalar(dst, value[0], value[j-1], value[j:j+n], false)
	}
}

// AppendValid appends text as UTF-8, with U+FFFD for each byte of it that is none: what people and
// destinations see of a text, whichever way an agent packed it.
func AppendValid(dst, text []byte) []byte {
	if utf8.Valid(text) {
		return append(dst, text...)
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r)
		text = text[n:]
	}
	return dst
}
