package ndjson

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"
)

func TestAppendObject(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                              "80",
		`{"a":0}`:                         "81a16100",
		`{"a":-1}`:                        "81a161ff",
		`{"a":18446744073709551615}`:      "81a161cfffffffffffffffff",
		`{"a":-9223372036854775808}`:      "81a161d38000000000000000",
		`{"a":9007199254740993}`:          "81a161cf0020000000000001",
		`{"a":18446744073709551616}`:      "81a161b43138343436373434303733373039353531363136",
		`{"a":1.5}`:                       "81a161cb3ff8000000000000",
		`{"a":1e2}`:                       "81a161cb4059000000000000",
		`{"a":-0}`:                        "81a16100",
		"\xef\xbb\xbf{\"a\":\"\xe9\"}":    "81a161a1e9",
		`{"a":1e999}`:                     "81a161a53165393939",
		`{"a":"\u00e9\ud83d\ude00"}`:      "81a161a6c3a9f09f9880",
		`{"b":true,"a":false,"c":null}`:   "83a162c3a161c2a163c0",
		`{"a":[],"b":{},"c":[{"d":[1]}]}`: "83a16190a16280a1639181a1649101",
	} {
		out, _, err := AppendObject([]byte("x"), []byte(text), "")
		if got := hex.EncodeToString(out); err != nil || got != "78"+want {
			t.Errorf("%s: %s, want %s (%v)", text, got[2:], want, err)
		}
	}
	for _, n := range []int{15, 16, 65535, 65536} {
		out, _, err := AppendObject(nil, []byte(`{"a":[`+strings.Repeat("7,", n-1)+`7]}`), "")
		got, rest, err2 := msgp.ReadArrayHeaderBytes(out[min(3, len(out)):])
		if err != nil || err2 != nil || int(got) != n || len(rest) != n {
			t.Errorf("%d elements: %d, %d bytes (%v, %v)", n, got, len(rest), err, err2)
		}
	}
}

func TestAppendObject_Failure(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `1`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":[1}`, `{"a":1}}`, `{"a":1} {}`, `{a:1}`, `{"a":01}`,
		`{1:2}`, `{"a":1,}`, strings.Repeat(`{"a":`, maxDepth+1) + "1",
	} {
		if out, _, err := AppendObject([]byte("x"), []byte(text), ""); err == nil || string(out) != "x" {
			t.Errorf("%.20s: %x, error %v", text, out, err)
		}
	}
}
