package filter

// find returns where the last member of the map m with that name lies: its key begins at key, its
// value at from, and it ends at to. n counts m's members, which begin at body; n is -1 where m is
// no map. key is 0 where there is none.
func find(m []byte, name string) (body, n, key, from, to int) {
	n, body = header(m)
	var f field
	for at, left := body, n; left > 0; left-- {
		end := f.read(m, at, left == 1)
		if end == 0 {
			return 0, -1, 0, 0, 0
		}
		if f.is(name) {
			key, from, to = at, at+int(f.value), end
		}
		at = end
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
	if len(path) == 0 {
		return dst, false
	}
	name := path[0]
	body, n, key, from, to := find(m, name)
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
	var f field
	for at, i := body, n; i > 0; i-- {
		if at = f.read(m, at, i == 1); !f.is(name) {
			left++
		}
	}
	dst = AppendMapHeader(dst, left)
	for at, i := body, n; i > 0; i-- {
		if at = f.read(m, at, i == 1); !f.is(name) {
			dst = append(dst, f.entry...)
		}
	}
	return dst, true
}
