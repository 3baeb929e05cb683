package parse

import (
	"bytes"

	"github.com/seed-afc6a195/aggregator/internal/jsontext"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// structuredData returns how long the structured data at the start of text is (RFC 5424, section
// 6.3): "-", or elements in brackets, with a space or the end behind. 0: there is none.
func structuredData(text []byte) int {
	n := 0
	if len(text) > 0 && text[0] == '-' {
		n = 1
	}
	for n < len(text) && text[n] == '[' {
		size := bracketed(text[n:])
		if size == 0 {
			return 0
		}
		n += size
	}
	if n < len(text) && text[n] != ' ' {
		return 0
	}
	return n
}

// bracketed returns where the element at the start of text ends: at the first "]" that is neither
// within quotes nor escaped.
func bracketed(text []byte) int {
	quotes := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quotes = !quotes
		case c == ']' && !quotes:
			return i + 1
		}
	}
	return 0
}

// appendElements appends elements in brackets as a map of their ids to maps of their parameters. Of
// equal names the last counts.
func appendElements(dst, elements []byte) []byte {
	head, n := len(dst), 0
	for dst = append(dst, 0); len(elements) > 0; n++ {
		size := bracketed(elements)
		id, params, _ := bytes.Cut(elements[1:size-1], []byte{' '})
		dst = appendParams(filter.AppendString(dst, id), params)
		elements = elements[size:]
	}
	return jsontext.SetHeader(dst, head, n, 0x80, 0xde)
}

// appendParams appends name="value" pairs as a map, up to what is none.
func appendParams(dst, params []byte) []byte {
	head, n := len(dst), 0
	for dst = append(dst, 0); ; n++ {
		name, rest, ok := bytes.Cut(params, []byte(`="`))
		if !ok {
			break
		}
		value, rest, ok := cutQuoted(rest, true)
		if !ok {
			break
		}
		dst = filter.AppendString(dst, trimSpaces(name))
		dst = appendUnescaped(dst, value)
		params = rest
	}
	return jsontext.SetHeader(dst, head, n, 0x80, 0xde)
}

// appendUnescaped appends a str without the backslashes before '"', '\' and ']'; others stay (RFC
// 5424, section 6.3.3).
func appendUnescaped(dst, value []byte) []byte {
	size := len(value)
	for i := 0; i < len(value); i++ {
		if isEscape(value[i:]) {
			size--
			i++
		}
	}
	dst = appendStrHeader(dst, size)
	for i := 0; i < len(value); i++ {
		if isEscape(value[i:]) {
			i++
		}
		dst = append(dst, value[i])
	}
	return dst
}

func isEscape(b []byte) bool {
	return b[0] == '\\' && len(b) > 1 && (b[1] == '"' || b[1] == '\\' || b[1] == ']')
}
