package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Clients and destinations choose what stands in tags, hostnames, certificates and replies, and so in the
// log and in errors. What is no letter must reach no terminal: it could rewrite what is on it, or make one
// line look like two. JSON leaves some of it as it is: U+007F to U+009F, U+2028, marks that turn text around.

// hidden says whether r is shown as an escape.
func hidden(r rune) bool { return !unicode.IsPrint(r) && r != '\n' }

// appendEscape appends r as JSON and Go write it.
func appendEscape(dst []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		return fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}

func appendPrintable(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 || hidden(r) {
			dst = appendEscape(dst, r)
		} else {
			dst = append(dst, text[:n]...)
		}
		text = text[n:]
	}
	return dst
}

// printableJSON writes lines of JSON with escapes in place of hidden characters, which are in strings: the
// JSON says the same.
type printableJSON struct{ to io.Writer }

func (w printableJSON) Write(line []byte) (int, error) {
	out := line
	if !utf8.Valid(line) || bytes.IndexFunc(line, hidden) >= 0 {
		out = appendPrintable(make([]byte, 0, len(line)+64), line)
	}
	if _, err := w.to.Write(out); err != nil {
		return 0, err
	}
	return len(line), nil
}

// printableFields does the same to a line of the log before it is written for people.
func printableFields(line map[string]any) error {
	for key, v := range maps.Clone(line) {
		delete(line, key)
		line[printableText(key)] = printableValue(v)
	}
	return nil
}

func printableText(text string) string {
	return strings.ReplaceAll(string(appendPrintable(nil, []byte(text))), "\n", `\n`)
}

func printableValue(v any) any {
	switch v := v.(type) {
	case string:
		return printableText(v)
	case []any:
		for i := range v {
			v[i] = printableValue(v[i])
		}
	case map[string]any:
		_ = printableFields(v) // always nil
	}
	return v
}
