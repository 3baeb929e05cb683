package event

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Eight bytes at a time: each pattern is repeated in every byte.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns w's bytes that JSON wants escaped, as the high bits of those bytes: control
// characters, quotes and backslashes. Above the lowest one there may be false ones.
func special(w uint64) uint64 {
	quote, backslash := w^('"'*ones), w^('\\'*ones)
	return ((w - ' '*ones) | (quote - ones) | (backslash - ones)) &^ w & highs
}

// appendQuoted appends s as a JSON string, with U+FFFD for each byte that is not UTF-8.
func appendQuoted(dst, s []byte) []byte {
	start, whole := len(dst), s
	dst = append(dst, '"')
	// seen is the high bits report whether there was more than ASCII.
	var seen uint64
	for {
		n := len(s)
		if cap(dst)-len(dst) < n+8 {
			dst = slices.Grow(dst, n+8)
		}
		out := dst[len(dst) : len(dst)+n]
		i := 0
		for ; i+8 <= n; i += 8 {
			w := binary.LittleEndian.Uint64(s[i:])
			binary.LittleEndian.PutUint64(out[i:], w)
			seen |= w
			if m := special(w); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				goto escape
			}
		}
		if n&7 != 0 {
			if w, short := tail(s); special(w) == 0 {
				seen |= w
				if !short {
					binary.LittleEndian.PutUint64(out[n-8:], w)
				} else if n >= 4 {
					binary.LittleEndian.PutUint32(out, uint32(w))
					binary.LittleEndian.PutUint32(out[n-4:], uint32(w>>32))
				} else {
					out[0], out[n/2], out[n-1] = s[0], s[n/2], s[n-1]
				}
				i = n
			}
		}
		for ; i < n; i++ {
			c := s[i]
			if c < ' ' || c == '"' || c == '\\' {
				goto escape
			}
			seen |= uint64(c)
			out[i] = c
		}
		dst = dst[:len(dst)+n]
		break
	escape:
		dst = appendEscape(dst[:len(dst)+i], s[i])
		s = s[i+1:]
	}
	if seen&highs != 0 && !utf8.Valid(whole) {
		return appendRepaired(dst[:start], whole)
	}
	return append(dst, '"')
}

// tail returns the last eight bytes of s or, if it is short of that, its bytes, some of them twice;
// s is not empty.
func tail(s []byte) (w uint64, short bool) {
	switch n := len(s); {
	case n >= 8:
		return binary.LittleEndian.Uint64(s[n-8:]), false
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(s)) | uint64(binary.LittleEndian.Uint32(s[n-4:]))<<32, true
	default:
		return 0x2020202020000000 | uint64(s[0])<<16 | uint64(s[n/2])<<8 | uint64(s[n-1]), true
	}
}

// appendRepaired is appendQuoted for what is not UTF-8.
func appendRepaired(dst, s []byte) []byte {
	dst = append(dst, '"')
	for len(s) > 0 {
		c, n := utf8.DecodeRune(s)
		if c < ' ' || c == '"' || c == '\\' {
			dst = appendEscape(dst, byte(c))
		} else {
			dst = utf8.AppendRune(dst, c)
		}
		s = s[n:]
	}
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
