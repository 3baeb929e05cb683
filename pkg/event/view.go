package event

// Lookup returns the field of the record that path leads to through maps within maps, as msgpack,
// without decoding the others. Keys are compared as the bytes of str and bin. Of equal keys the
// last counts, as in JSON. An empty path leads to the record itself.
func Lookup(record []byte, path ...string) (value []byte, ok bool) {
	value = record
	for _, name := range path {
		if value, ok = member(value, name); !ok {
			return nil, false
		}
	}
	return value, len(value) > 0
}

func member(m []byte, name string) (value []byte, ok bool) {
	t, n, i, err := head(m, 0)
	if err != nil || t != TypeMap {
		return nil, false
	}
	for range n {
		kt, kn, kj, err := head(m, i)
		if err != nil {
			return nil, false
		}
		from := kj + kn
		if kt == TypeMap || kt == TypeArray {
			if from = skipTrusted(m, i); from < 0 {
				return nil, false
			}
		}
		if i = skipTrusted(m, from); i < 0 {
			return nil, false
		}
		if (kt == TypeStr || kt == TypeBin) && string(m[kj:kj+kn]) == name {
			value, ok = m[from:i:i], true
		}
	}
	return value, ok
}

// AppendText appends the text of a msgpack value: a str as it is, a bin as it is where it is UTF-8
// and as base64 otherwise, numbers and bools as in JSON, an EventTime as RFC 3339, a map, an array
// and other exts as JSON. nil and what is not one whole value have no text.
func AppendText(dst, value []byte) []byte {
	t, n, j, err := head(value, 0)
	if err != nil {
		return dst
	}
	switch t {
	case TypeNil:
		return dst
	case TypeStr:
		return append(dst, value[j:j+n]...)
	case TypeMap, TypeArray:
		var e Encoder
		dst, _ = e.AppendValue(dst, value) // an error leaves dst as it was
		return dst
	default:
		return appendScalar(dst, value[0], value[j-1], value[j:j+n], false)
	}
}
