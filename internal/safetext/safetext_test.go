package safetext

import (
	"encoding/json"
	"hash/fnv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestTexts(t *testing.T) {
	for _, tc := range []struct{ text, escaped, lines, line string }{
		{"", "", "", ""},
		{"plain 한글 ☃ 𝄞", "plain 한글 ☃ 𝄞", "plain 한글 ☃ 𝄞", "plain 한글 ☃ 𝄞"},
		{"two\nlines", "two\nlines", "two\nlines", "two lines"},
		{"\x1b[31mred\x7f\t", `\u001b[31mred\u007f\u0009`, "\uFFFD[31mred\uFFFD\uFFFD", " [31mred  "},
		{"a\r\nb\u0085\u2028", `a\u000d` + "\n" + `b\u0085\u2028`, "a\uFFFD\nb\uFFFD\uFFFD", "a  b  "},
		{"\u202egnp.exe\ufeff", `\u202egnp.exe\ufeff`, "\uFFFDgnp.exe\uFFFD", " gnp.exe "},
		{"\U000e0041", `\udb40\udc41`, "\uFFFD", " "},
		{"\xff\xfe\uFFFD", `\ufffd\ufffd` + "\uFFFD", "\uFFFD\uFFFD\uFFFD", "\uFFFD\uFFFD\uFFFD"},
	} {
		if got := string(Escaped([]byte(tc.text))); got != tc.escaped {
			t.Errorf("%q escaped: %q, want %q", tc.text, got, tc.escaped)
		}
		if got := Lines(tc.text); got != tc.lines {
			t.Errorf("lines of %q: %q, want %q", tc.text, got, tc.lines)
		}
		if got := Line(tc.text, ' '); got != tc.line {
			t.Errorf("%q as a line: %q, want %q", tc.text, got, tc.line)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		text      string
		n         int
		cut, clip string
	}{
		{"", 0, "", ""},
		{"abc", 3, "abc", "abc"},
		{"abcd", 3, "abc", "abc…"},
		{"a한b", 3, "a", "a…"},
		{"a한b", 4, "a한", "a한…"},
		{"한", 2, "", "…"},
		{"\x80\x80", 1, "", "…"},
	} {
		if got := Cut(tc.text, tc.n); got != tc.cut {
			t.Errorf("%q cut to %d bytes: %q, want %q", tc.text, tc.n, got, tc.cut)
		}
		if got := string(Cut([]byte(tc.text), tc.n)); got != tc.cut {
			t.Errorf("the bytes of %q cut to %d: %q, want %q", tc.text, tc.n, got, tc.cut)
		}
		if got := Clip(tc.text, tc.n); got != tc.clip {
			t.Errorf("%q clipped to %d bytes: %q, want %q", tc.text, tc.n, got, tc.clip)
		}
	}
}

// The names that were made of long ones stand in paths, keys and indices: they may not change.
func TestShorten(t *testing.T) {
	long := strings.Repeat("ä", 20)
	for _, tc := range []struct {
		name  string
		limit int
		want  string
	}{
		{"short", 5, "short"},
		{"longer", 5, "~05f3f650"},
		{long, 40, long},
		{long, 20, "äääää~4f046e25"},
		{long, 21, "ääääää~4f046e25"},
	} {
		name := []byte(tc.name)
		got := string(Shorten(name, tc.limit, '~', fnv.New32a()))
		if got != tc.want || string(name) != tc.name {
			t.Errorf("%q to %d bytes: %q, want %q; the name is %q now", tc.name, tc.limit, got, tc.want, name)
		}
	}
}

// FuzzEscaped holds that JSON says the same with escapes, and shows what it says.
func FuzzEscaped(f *testing.F) {
	for _, text := range []string{"plain", "\x1b[2J", "a\nb", "\u202e", "\xff", "\U000e0041", `"\`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		shown := Escaped(line)
		var want, got string
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(shown, &got); err != nil || got != want {
			t.Fatalf("%q became %q: %v", want, got, err)
		}
		for _, safe := range []string{
			string(shown), Line(text, '?'), string(Escaped([]byte(Line(text, ' ')))),
			strings.ReplaceAll(Lines(text), "\n", ""),
		} {
			if !utf8.ValidString(safe) || strings.ContainsFunc(safe, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("%q is shown as %q", text, safe)
			}
		}
		for n := range min(len(text), 40) {
			if cut := Cut(text, n); len(cut) > n || !strings.HasPrefix(text, cut) ||
				utf8.ValidString(text) && !utf8.ValidString(cut) {
				t.Fatalf("%q cut to %d bytes: %q", text, n, cut)
			}
		}
	})
}
