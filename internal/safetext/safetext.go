// Package safetext makes texts that strangers chose fit to be shown: in a terminal, in a log, on one line, or as a part
// of a name. Clients and destinations choose what stands in tags, hostnames, certificates and replies, and so in the
// log and in errors. What is hidden in them could rewrite what a terminal shows, or make one line look like two.
package safetext

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Hidden reports whether r shows up as no character of its own, and is no line break: control characters, which a
// terminal may obey, and marks that turn text around, break lines or take no room.
func Hidden(r rune) bool { return !unicode.IsPrint(r) && r != '\n' }

// AppendEscaped appends text to dst, with the escapes that JSON and Go have, as \u001b, in place of what is hidden.
// Bytes that are not UTF-8 become \ufffd. JSON says the same afterwards, as such characters are in strings only.
func AppendEscaped(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		high, low := utf16.EncodeRune(r)
		switch {
		case !Hidden(r) && (r != utf8.RuneError || n > 1):
			dst = append(dst, text[:n]...)
		case high != unicode.ReplacementChar:
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		text = text[n:]
	}
	return dst
}

// Escaped is AppendEscaped to nothing. It returns text itself where nothing in it needs an escape.
func Escaped(text []byte) []byte {
	if utf8.Valid(text) && bytes.IndexFunc(text, Hidden) < 0 {
		return text
	}
	return AppendEscaped(make([]byte, 0, len(text)+64), text)
}

// Lines returns text for people, with U+FFFD in place of what is hidden. Line breaks stay.
func Lines(text string) string {
	return strings.Map(func(r rune) rune {
		if Hidden(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// Line returns text on one line, with instead in place of line breaks and of what is hidden.
func Line(text string, instead rune) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return instead
		}
		return r
	}, text)
}

// Cut returns the longest beginning of text that has at most n bytes and ends between two characters.
func Cut[T ~string | ~[]byte](text T, n int) T {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// Clip is Cut with a mark behind what was cut. The mark comes on top of the n bytes.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return Cut(text, n) + "…"
}

// Shorten returns name, or where it has more than limit bytes, its beginning, a mark and its checksum in hexadecimal
// digits, together limit bytes at most where limit has room for the mark and the checksum. So long names that begin
// alike stay apart. name itself is not changed.
func Shorten(name []byte, limit int, mark byte, sum hash.Hash) []byte {
	if len(name) <= limit {
		return name
	}
	// A hash never fails.
	_, _ = sum.Write(name)
	kept := Cut(name, max(0, limit-1-2*sum.Size()))
	return hex.AppendEncode(append(kept[:len(kept):len(kept)], mark), sum.Sum(nil))
}
