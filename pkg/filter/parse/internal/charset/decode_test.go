package charset

import (
	"strings"
	"testing"
)

// Texts of other encodings become UTF-8; what stands for nothing there becomes U+FFFD, and nothing is an error.
func TestDecode(t *testing.T) {
	for _, tc := range []struct{ name, encoding, text, want string }{
		{"Korean", "euc-kr", "user=\xb1\xe8", "user=김"},
		{"Korean by another name", "ks_c_5601-1987", "\xb1\xe8", "김"},
		{"Japanese", "shift_jis", "\x83\x8d\x83O", "ログ"},
		{"Japanese of Unix", "euc-jp", "\xa5\xed\xa5\xb0", "ログ"},
		{"Japanese with escapes", "iso-2022-jp", "\x1b$B%m%0\x1b(B!", "ログ!"},
		{"Chinese", "gbk", "\xc8\xd5\xd6\xbe", "日志"},
		{"traditional Chinese", "big5", "\xa4\xe9", "日"},
		{"Latin", "iso-8859-1", "caf\xe9", "café"},
		{"Latin of Windows", "windows-1252", "\x80 \x93x\x94", "€ “x”"},
		{"Cyrillic", "koi8-r", "\xcc\xcf\xc7", "лог"},
		{"a name in capitals", "ISO-8859-1", "\xfc", "ü"},
		{"ASCII", "euc-kr", "plain text\n", "plain text\n"},
		{"nothing", "euc-kr", "", ""},
		{"half a character at the end", "euc-kr", "a\xb1", "a\ufffd"},
		{"a byte that stands for nothing", "euc-kr", "a\xffb", "a\ufffdb"},
		{"a NUL", "iso-8859-1", "a\x00b", "a\x00b"},
	} {
		d, err := New(tc.encoding)
		if err != nil || d == nil {
			t.Errorf("%s: %v, %v", tc.name, d, err)
			continue
		}
		// The second text is decoded in the memory of the first.
		for _, time := range []string{"first", "second"} {
			if got := string(d.Decode([]byte(tc.text))); got != tc.want {
				t.Errorf("%s, the %s time: %q, want %q", tc.name, time, got, tc.want)
			}
		}
	}
}

// UTF-8 needs no decoder; what is unknown, or can't have been cut into lines, is refused.
func TestNames(t *testing.T) {
	for _, name := range []string{"", "utf-8", "UTF-8", "utf8", "Utf8"} {
		if d, err := New(name); d != nil || err != nil {
			t.Errorf("%q: %v, %v, want no decoder", name, d, err)
		}
	}
	for name, want := range map[string]string{
		"klingon": `"klingon" is no encoding that is known: write its IANA name`,
		"utf 8":   `"utf 8" is no encoding that is known: write its IANA name`,
		// It stands for encodings that browsers refuse.
		"iso-2022-kr": `"iso-2022-kr" is no encoding that is known: write its IANA name`,
		"utf-16":      "text of two bytes a character has been cut at bytes that are no line ends",
		"utf-16le":    "text of two bytes a character has been cut at bytes that are no line ends",
	} {
		if d, err := New(name); d != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %s", name, d, err, want)
		}
	}
}

// Memory of a very long text is given back, and the text is whole all the same.
func TestDecodeLongTexts(t *testing.T) {
	d, err := New("iso-8859-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, keptText / 2, keptText, keptText + 1} {
		if got := string(d.Decode([]byte(strings.Repeat("\xe9", n)))); got != strings.Repeat("é", n) {
			t.Errorf("%d letters became %d bytes", n, len(got))
		}
		if cap(d.text) > keptText {
			t.Errorf("after %d letters %d bytes are kept", n, cap(d.text))
		}
	}
}
