package jsontext

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

func read(text string) ([]byte, error) {
	var r Reader
	r.Reset([]byte(text), 10)
	return r.AppendValue(nil)
}

func TestReader(t *testing.T) {
	for text, want := range map[string]string{
		"0": "00", " -1 ": "ff", "-0": "00", "200": "ccc8", "-200": "d1ff38",
		"9007199254740993": "cf0020000000000001", "9223372036854775808": "cf8000000000000000",
		"-9223372036854775808": "d38000000000000000", "18446744073709551615": "cfffffffffffffffff",
		"18446744073709551616":    "b43138343436373434303733373039353531363136",
		"-9223372036854775809":    "b42d39323233333732303336383534373735383039",
		"0.5":                     "cb3fe0000000000000",
		"1e999":                   "a53165393939",
		"\xef\xbb\xbf[true,null]": "92c3c0",
		"\"caf\xe9\"":             "a4636166e9",
		`"\u00e9\ud83d\ude00\n"`:  "a7c3a9f09f98800a",
		`{"a":{"b":[]},"a":1}`:    "82a16181a16290a16101",
	} {
		got, err := read(text)
		if hex.EncodeToString(got) != want || err != nil {
			t.Errorf("%s: %x, %v, want %s", text, got, err, want)
		}
	}
}

func TestReader_Failure(t *testing.T) {
	for text, want := range map[string]error{
		"": ErrCut, "{": ErrCut, `{"a`: ErrCut, `{"a"`: ErrCut, `{"a":`: ErrCut, `[1,`: ErrCut, "tru": ErrCut,
		"-": ErrCut, `"\u00`: ErrSyntax,
		"{]": ErrSyntax, "1 2": ErrSyntax, "01": ErrSyntax, "nil": ErrSyntax, "\"\n\"": ErrSyntax, `{1:2}`: ErrSyntax,
		"\xff":                  ErrSyntax,
		strings.Repeat("[", 11): ErrDepth,
	} {
		if _, err := read(text); err != want { //nolint:errorlint // returned as they are
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

// FuzzReader holds that what is read is JSON for encoding/json too, and one msgpack value.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-2.5e3,"\ud83d\ude00",null,true,{}]}`, "18446744073709551616", `[[]`, `"\x"`, "\ufeff1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := read(text)
		valid := json.Valid(bytes.TrimPrefix([]byte(text), []byte("\ufeff")))
		if valid != (err == nil) && err != ErrDepth { //nolint:errorlint // returned as it is
			t.Fatalf("%q: %v, valid %v", text, err, valid)
		}
		if err != nil {
			return
		}
		if rest, err := msgp.Skip(out); err != nil || len(rest) > 0 {
			t.Fatalf("%q: %x, %v, %d bytes over", text, out, err, len(rest))
		}
		var want string
		if json.Unmarshal([]byte(text), &want) == nil && utf8.ValidString(text) && text != "null" {
			if got, _, err := msgp.ReadStringBytes(out); got != want || err != nil {
				t.Fatalf("%q: %q, %v", text, got, err)
			}
		}
	})
}
