package msgview

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"scalars", "\xc0\xc2\xc3\x07\xff\xcc\xff", "nil\nfalse\ntrue\n7\n-1\n255\n"},
		{
			"numbers of every width",
			"\xcd\x01\x00\xce\x00\x01\x00\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff" +
				"\xd0\x80\xd1\x80\x00\xd2\x80\x00\x00\x00\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
			"256\n65536\n18446744073709551615\n-128\n-32768\n-2147483648\n-9223372036854775808\n",
		},
		{
			"floats", "\xca\x3f\x00\x00\x00\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
			"0.5\n0.1\nNaN\n",
		},
		{"texts", "\xa2hi\xa2\xff\n\xc4\x02hi\xd9\x03a\"b", "\"hi\"\nstr(/wo=)\nbin(aGk=)\n\"a\\\"b\"\n"},
		{"what steers a terminal", "\xa4\x1b[1m", "\"\\x1b[1m\"\n"},
		{"an entry that is none", "\x93\x01\x80\xa1x", "[1, {}, \"x\"]\n"},
		{"a map", "\x82\xa1a\x01\x02\x91\xc0", "{\"a\": 1, 2: [nil]}\n"},
		{"EventTime", "\xd7\x00\x00\x00\x00\x01\x00\x00\x00\x02", "ext 0(AAAAAQAAAAI=)\n"},
		{"ext of a negative type", "\xc7\x01\xff\x05", "ext -1(BQ==)\n"},
		{"cut", "\x92\x01", "[1,  (cut here)\n"},
		{"cut in a text that claims much", "\xdb\xff\xff\xff\xffabc", "\"abc\" (cut here)\n"},
		{"cut in a header", "\x01\xdc\x00", "1\n (cut here)\n"},
		{"an array that claims much", "\xdd\xff\xff\xff\xff\x01", "[1,  (cut here)\n"},
		{"the reserved byte", "\x01\xc1\x01", "1\n (no msgpack from here on)\n"},
		{"nested deep", strings.Repeat("\x91", 1000), strings.Repeat("[", maxDepth) + "……\n"},
		{
			"a long text", "\xda\x08\x00" + strings.Repeat("x", 2048) + "\x01",
			`"` + strings.Repeat("x", maxText) + "\"…\n1\n",
		},
		{"much of everything", strings.Repeat("\x01", 5000), strings.Repeat("1\n", 2048) + "…\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Text([]byte(tc.in), 4096); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// FuzzText shows anything, within its limit, as text that a terminal can have.
func FuzzText(f *testing.F) {
	f.Add(
		[]byte(
			"\x93\x01\x82\xa1a\xc4\x01b\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a" +
				"\xd7\x00\x00\x00\x00\x01\x00\x00\x00\x02\xc0",
		),
	)
	f.Add(bytes.Repeat([]byte("\xdf\x00\xff\xff\xff"), 100))
	f.Add([]byte("\xdb\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 256
		got := Text(in, limit)
		if len(got) > limit+8*maxText || !utf8.ValidString(got) {
			t.Errorf("%d bytes: %q", len(got), got)
		}
		for _, r := range got {
			if r < ' ' && r != '\n' {
				t.Errorf("it has a control character: %q", got)
			}
		}
	})
}
