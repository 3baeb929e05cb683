package event

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// renderer renders msgpack values as JSON.
//
// Keys must be unique, and of equal ones the last must stay, so members can't be written before the
// map is known to its end. Maps with equal keys are rare, though: a map of up to smallMap members is
// written at once, with a look at the hashes of its keys. Where two are equal, errSuspect sends the
// renderer back to the beginning of the event, to go over it strictly: every map is then read twice,
// first for its keys. Larger maps are always read twice.
type renderer struct {
	strict bool
	// added are keys that the outermost map must not have.
	added     [][]byte
	addedMask uint64
	// hashes are those of the keys of the small maps that are being written, innermost last.
	hashes []uint64
	// keyLevel is how many keys that are maps or arrays enclose what is being written.
	keyLevel int
	// known is keys that were written before, by their hash: most events have the same few.
	known [1 << knownBits]knownKey
	keySet
}

const (
	// shortKey is how many bytes a key may have whose length is in its lead byte.
	shortKey = 31
	// knownBits is of how many bits of a key's hash its place among those that are known is: with so many places, few
	// of the keys that events have share one.
	knownBits = 8
)

// knownKey is a key of which nothing has to be escaped.
type knownKey struct {
	n    int
	name [shortKey]byte
	// text is it in quotes, with a colon behind it.
	text [shortKey + 3]byte
}

// smallMap is the number of members up to which a linear search in hashes beats reading twice.
const smallMap = 32

// maxKeyLevel bounds keys that are maps or arrays inside of such keys: each level escapes the
// quotes and backslashes of the one within, so the text would double in length with every level.
// Deeper ones become base64 of their msgpack.
const maxKeyLevel = 2

// record writes the members of the event's record, each with a comma behind it.
func (r *renderer) record(dst, b []byte) ([]byte, error) {
	t, n, i, err := head(b, 0)
	if err != nil {
		return dst, err
	}
	if t != TypeMap {
		return dst, errNotMap
	}
	dst, _, err = r.members(dst, b, i, n, 1)
	return dst, err
}

// value writes the value at b[i], inside of depth levels of maps and arrays, and returns its end.
func (r *renderer) value(dst, b []byte, i, depth int) ([]byte, int, error) {
	if uint(i) >= uint(len(b)) {
		return dst, 0, ErrTruncated
	}
	c := b[i]
	switch {
	case c <= 0x7f:
		return strconv.AppendUint(dst, uint64(c), 10), i + 1, nil
	case c >= 0xa0 && c <= 0xbf:
		if end := i + 1 + int(c&0x1f); end <= len(b) {
			return appendQuoted(dst, b[i+1:end]), end, nil
		}
	case c == 0xd9 && i+2 <= len(b):
		if end := i + 2 + int(b[i+1]); end <= len(b) {
			return appendQuoted(dst, b[i+2:end]), end, nil
		}
	}
	t, n, j, err := head(b, i)
	if err != nil {
		return dst, 0, err
	}
	switch t {
	case TypeMap:
		if depth >= MaxDepth {
			return dst, 0, errTooNested
		}
		dst = append(dst, '{')
		if dst, j, err = r.members(dst, b, j, n, depth+1); err != nil {
			return dst, 0, err
		}
		return closeObject(dst), j, nil
	case TypeArray:
		if depth >= MaxDepth {
			return dst, 0, errTooNested
		}
		dst = append(dst, '[')
		for k := range n {
			if k > 0 {
				dst = append(dst, ',')
			}
			if dst, j, err = r.value(dst, b, j, depth+1); err != nil {
				return dst, 0, err
			}
		}
		return append(dst, ']'), j, nil
	case TypeStr, TypeBin:
		return appendQuoted(dst, b[j:j+n]), j + n, nil
	default:
		return appendScalar(dst, b[i], b[j-1], b[j:j+n], true), j + n, nil
	}
}

// appendScalar appends what is neither str, bin, map nor array: its lead byte c, the byte ext before the
// payload p (an ext's type). Quoted: as a JSON value; else as text, without quotes around strings.
func appendScalar(dst []byte, c, ext byte, p []byte, quoted bool) []byte {
	switch TypeOf(c) {
	case TypeBool:
		return strconv.AppendBool(dst, c == 0xc3)
	case TypeInt:
		v, u := integer(c, p)
		if u != 0 {
			return strconv.AppendUint(dst, u, 10)
		}
		return strconv.AppendInt(dst, v, 10)
	case TypeFloat:
		return appendFloat(dst, float(p), 8*len(p))
	case TypeExt:
		if ext == 0 && len(p) == 8 {
			t := Time{Sec: int64(binary.BigEndian.Uint32(p)), Nsec: binary.BigEndian.Uint32(p[4:])}
			switch {
			case t.Nsec >= 1e9:
				// No time.
			case quoted:
				return append(appendRFC3339(append(dst, '"'), t), '"')
			default:
				return appendRFC3339(dst, t)
			}
		}
		dst = append(dst, `{"type":`...)
		dst = strconv.AppendInt(dst, int64(int8(ext)), 10)
		dst = append(dst, `,"data":`...)
		return append(appendBase64(dst, p), '}')
	default:
		return append(dst, "null"...)
	}
}

func appendBase64(dst, p []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), p), '"')
}

// appendFloat appends the shortest text that reads back as f and is no integer's, so that a field
// of 1.5 and 2.0 is of one type for whoever guesses types. Exponents are written as encoding/json does.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	abs := math.Abs(f)
	small, large := abs != 0 && abs < 1e-6, abs >= 1e21
	if bits == 32 {
		small, large = abs != 0 && float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if small || large {
		dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
		if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
			// e-09.
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst
	}
	dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
	if f == math.Trunc(f) {
		dst = append(dst, '.', '0')
	}
	return dst
}

// members writes the n members that begin at b[i], each with a comma behind it.
func (r *renderer) members(dst, b []byte, i, n, depth int) ([]byte, int, error) {
	if n > smallMap || r.strict {
		return r.membersStrict(dst, b, i, n, depth)
	}
	var (
		err  error
		mask uint64
		base = len(r.hashes)
		add  = depth == 1 && r.added != nil
	)
	for range n {
		start := len(dst)
		var h uint64
		if dst, i, h, err = r.member(dst, b, i, depth); err != nil {
			break
		}
		bit := maskBit(h)
		if add && r.addedMask&bit != 0 && isAdded(r.added, dst[start:len(dst)-1]) {
			dst = dst[:start]
			if i = ValueEnd(b, i); i < 0 {
				err = ErrTruncated
				break
			}
			continue
		}
		if mask&bit != 0 && holds(r.hashes[base:], h) {
			err = errSuspect
			break
		}
		mask |= bit
		r.hashes = append(r.hashes, h)
		if dst, i, err = r.value(dst, b, i, depth); err != nil {
			break
		}
		dst = append(dst, ',')
	}
	r.hashes = r.hashes[:base]
	return dst, i, err
}

// member writes the key at b[i] and a colon, and returns the hash of the key as it is written, less its quotes.
func (r *renderer) member(dst, b []byte, i, depth int) (out []byte, end int, hash uint64, err error) {
	if uint(i) < uint(len(b)) && b[i] >= 0xa0 && b[i] <= 0xbf {
		if end = i + 1 + int(b[i]&shortKey); end <= len(b) {
			name := b[i+1 : end]
			hash = hashText(name)
			k := &r.known[hash>>(64-knownBits)]
			if string(k.name[:k.n]) != string(name) || k.n == 0 {
				start := len(dst)
				if dst = append(appendQuoted(dst, name), ':'); !k.learn(name, dst[start:]) {
					// Something was escaped.
					hash = hashText(dst[start+1 : len(dst)-2])
				}
				return dst, end, hash, nil
			}
			n := len(dst)
			dst = slices.Grow(dst, len(k.text))[:n+len(k.text)]
			*(*[len(k.text)]byte)(dst[n:]) = k.text
			return dst[:n+k.n+len(`"":`)], end, hash, nil
		}
	}
	start := len(dst)
	if dst, end, err = r.key(dst, b, i, depth); err != nil {
		return dst, 0, 0, err
	}
	return append(dst, ':'), end, hashText(dst[start+1 : len(dst)-1]), nil
}

// learn makes k the name, of which text was written; false: it is not written as it is.
func (k *knownKey) learn(name, text []byte) bool {
	if len(text) != len(name)+len(`"":`) || string(text[1:1+len(name)]) != string(name) {
		return false
	}
	k.n = copy(k.name[:], name)
	copy(k.text[:], text)
	return true
}

// key writes the key at b[i] as a string.
func (r *renderer) key(dst, b []byte, i, depth int) ([]byte, int, error) {
	if uint(i) < uint(len(b)) {
		if c := b[i]; c >= 0xa0 && c <= 0xbf {
			if end := i + 1 + int(c&0x1f); end <= len(b) {
				return appendQuoted(dst, b[i+1:end]), end, nil
			}
		}
	}
	t, n, j, err := head(b, i)
	if err != nil {
		return dst, 0, err
	}
	switch t {
	case TypeStr, TypeBin:
		return appendQuoted(dst, b[j:j+n]), j + n, nil
	case TypeMap, TypeArray:
		return r.containerKey(dst, b, i, depth)
	default:
		var buf [64]byte
		return appendQuoted(dst, appendScalar(buf[:0], b[i], b[j-1], b[j:j+n], false)), j + n, nil
	}
}

func (r *renderer) containerKey(dst, b []byte, i, depth int) ([]byte, int, error) {
	if r.keyLevel == maxKeyLevel {
		end := ValueEnd(b, i)
		if end < 0 {
			return dst, 0, ErrTruncated
		}
		return appendBase64(dst, b[i:end]), end, nil
	}
	r.keyLevel++
	text, end, err := r.value(nil, b, i, depth)
	r.keyLevel--
	if err != nil {
		return dst, 0, err
	}
	return appendQuoted(dst, text), end, nil
}
