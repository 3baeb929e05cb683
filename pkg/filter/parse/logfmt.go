package parse

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/internal/jsontext"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// The reasons why a text is not logfmt.
const (
	errLogfmt       = reason("no key=value")
	errLogfmtProse  = reason("words without =, as in prose (bare_keys: true takes each for a key)")
	errLogfmtKey    = reason("a key is missing or has a quote")
	errLogfmtQuote  = reason("a value's quotes are not closed")
	errLogfmtAfter  = reason("something follows a value's quotes at once")
	errLogfmtEscape = reason("a value has an unknown escape")
)

// maxFields bounds the fields whose names stand in the text.
const maxFields = 10000

const errFields = reason("more than 10000 fields")

// logfmt reads key=value pairs with blanks between them, as slog, logrus and go-kit write them. A
// value in quotes may have Go's and JSON's escapes. A key alone is true, key= is "". There must be one
// "=" at least.
//
// Prose with a "=" somewhere would become a field for each word, and its order would be lost. So, without
// bareKeys, a key alone must look like a name and be no word that only joins others, have a pair before it and
// no other key alone, and the pairs must be more.
type logfmt struct {
	bareKeys bool
	// memory has the last value whose escapes were resolved.
	memory []byte
}

func (f *logfmt) parse(dst *fields, text []byte) error {
	if cap(f.memory) > keepScratch {
		f.memory = nil
	}
	// last: the field before is alone, or there is none.
	pairs, alone, last := 0, 0, true
	for {
		for len(text) > 0 && text[0] <= ' ' {
			text = text[1:]
		}
		if len(text) == 0 {
			break
		}
		if pairs+alone == maxFields {
			return errFields
		}
		n := 0
		for n < len(text) && text[n] > ' ' && text[n] != '=' && text[n] != '"' {
			n++
		}
		key := text[:n]
		text = text[n:]
		if n == 0 || len(text) > 0 && text[0] == '"' {
			return errLogfmtKey
		}
		if len(text) == 0 || text[0] != '=' {
			if !f.bareKeys && (last || !looksLikeName(key) || joinsWords(key)) {
				return errLogfmtProse
			}
			dst.keyBytes(key)
			dst.pairs = filter.AppendBool(dst.pairs, true)
			alone++
			last = true
			continue
		}
		value, rest, err := f.value(text[1:])
		if err != nil {
			return err
		}
		dst.member(key, value)
		text = rest
		pairs++
		last = false
	}
	switch {
	case pairs == 0:
		return errLogfmt
	case !f.bareKeys && alone >= pairs:
		return errLogfmtProse
	}
	return nil
}

// looksLikeName reports whether a key looks like a name: letters, digits and _ - . / with no digit first.
func looksLikeName(key []byte) bool {
	for i, c := range key {
		letter := c|0x20-'a' < 26 || c == '_' || c >= utf8.RuneSelf
		if !letter && (i == 0 || c-'0' > 9 && c != '-' && c != '.' && c != '/') {
			return false
		}
	}
	return true
}

// joinsWords reports whether a key is one of the words without which there is hardly a sentence, and that no one calls
// a field.
func joinsWords(key []byte) bool {
	switch string(key) {
	case "a", "an", "and", "are", "as", "at", "but", "by", "for", "from", "has", "in", "into", "is", "not", "of", "on",
		"or", "than", "that", "the", "to", "was", "were", "while", "with", "without":
		return true
	}
	return false
}

// value reads the value at the start of text. It is valid until the next call.
func (f *logfmt) value(text []byte) (value, rest []byte, err error) {
	if len(text) == 0 || text[0] != '"' {
		n := 0
		for n < len(text) && text[n] > ' ' {
			n++
		}
		return text[:n], text[n:], nil
	}
	text = text[1:]
	n := quoteOrEscape(text)
	if n < 0 {
		return nil, nil, errLogfmtQuote
	}
	if text[n] == '"' {
		value, rest = text[:n], text[n+1:]
	} else if value, rest, err = f.unescape(text, n); err != nil {
		return nil, nil, err
	}
	if len(rest) > 0 && rest[0] > ' ' {
		return nil, nil, errLogfmtAfter
	}
	return value, rest, nil
}

// unescape reads a value up to its closing quote; its first escape is at text[n].
func (f *logfmt) unescape(text []byte, n int) (value, rest []byte, err error) {
	f.memory = f.memory[:0]
	for n >= 0 {
		f.memory, text = append(f.memory, text[:n]...), text[n:]
		if text[0] == '"' {
			return f.memory, text[1:], nil
		}
		if len(text) < 2 {
			break
		}
		r, size := goEscape(text)
		if text[1] == 'u' {
			r, size = jsonEscape(text)
		}
		if size == 0 {
			return nil, nil, errLogfmtEscape
		}
		if text[1] == 'x' {
			f.memory = append(f.memory, byte(r))
		} else {
			// Half a surrogate pair becomes U+FFFD.
			f.memory = utf8.AppendRune(f.memory, r)
		}
		text = text[size:]
		n = quoteOrEscape(text)
	}
	return nil, nil, errLogfmtQuote
}

// quoteOrEscape returns where the first quote or backslash is, or -1.
func quoteOrEscape(text []byte) int {
	for i, c := range text {
		if c == '"' || c == '\\' {
			return i
		}
	}
	return -1
}

// goEscape reads an escape as strconv.Quote writes them, \n or \x1b. A backslash before what needs
// none is dropped. size is 0 for one that is cut or wrong.
func goEscape(text []byte) (r rune, size int) {
	head := text[:min(len(text), len(`\U0001F600`))]
	r, _, tail, err := strconv.UnquoteChar(string(head), '"')
	if err == nil {
		return r, len(head) - len(tail)
	}
	if c := text[1]; c != 'x' && c != 'U' && c < utf8.RuneSelf {
		return rune(c), 2
	}
	return 0, 0
}

// jsonEscape reads \uXXXX, or both of a surrogate pair. size is 0 where digits are missing.
func jsonEscape(text []byte) (r rune, size int) {
	if r = jsontext.Hex4(text[2:]); r < 0 {
		return 0, 0
	}
	if utf16.IsSurrogate(r) && bytes.HasPrefix(text[6:], []byte(`\u`)) {
		if pair := utf16.DecodeRune(r, jsontext.Hex4(text[8:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return r, 6
}
