package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
)

func TestErrorsArePrintable(t *testing.T) {
	for _, text := range []string{
		"plain", "이벤트 ☃ é", "\x1b[2J\x1b[31mred", "a\r\nb", "\x7f\u009b31m", "u\u2028v", "\u202egnp.exe",
	} {
		var out, errOut bytes.Buffer
		run(t.Context(), []string{text}, strings.NewReader(""), &out, &errOut)
		line := strings.ReplaceAll(errOut.String(), "\n", "")
		if line == "" || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q: %q", text, errOut.String())
		}
	}
}
