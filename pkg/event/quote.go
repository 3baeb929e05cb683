package event

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// Eight bytes at a time: each bit pattern is repeated in every byte.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// appendQuoted appends s as a JSON string, with U+FFFD for each byte that is not UTF-8.
func appendQuoted(dst, s []byte) []byte {
	dst = slices.Grow(dst, len(s)+2)
	dst = append(dst, '"')
	for len(s) > 0 {
		n, ascii := plain(s)
		if ascii || utf8.Valid(s[:n]) {
			dst = append(dst, s[:n]...)
		} else {
			dst = appendRepaired(dst, s[:n])
		}
		if n == len(s) {
			break
		}
		dst = appendEscape(dst, s[n])
		s = s[n+1:]
	}
	return append(dst, '"')
}

// plain returns how many bytes at the start of s need no escape, and whether they are ASCII.
func plain(s []byte) (n int, ascii bool) {
	var seen uint64
	for ; n+8 <= len(s); n += 8 {
		w := binary.LittleEndian.Uint64(s[n:])
		seen |= w
		// A byte's high bit is set where the byte is below 0x20, or the quote, or the backslash.
		quote, backslash := w^('"'*ones), w^('\\'*ones)
		if ((w-' '*ones)|(quote-ones)|(backslash-ones))&^w&highs != 0 {
			break
		}
	}
	for ; n < len(s); n++ {
		c := s[n]
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
		seen |= uint64(c)
	}
	return n, seen&highs == 0
}

func appendRepaired(dst, s []byte) []byte {
	for len(s) > 0 {
		c, n := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, c)
		s = s[n:]
	}
	return dst
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
