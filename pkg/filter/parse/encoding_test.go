package parse

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Texts in other encodings are UTF-8 afterwards; what stands for nothing in theirs is U+FFFD.
func TestEncoding(t *testing.T) {
	for _, tc := range []struct{ name, encoding, text, want string }{
		{"plain ASCII", "euc-kr", "level=info msg=ok", `{"level":"info","msg":"ok"}`},
		{"Korean", "euc-kr", "user=\xb1\xe8 city=\xbc\xad\xbf\xef", `{"user":"김","city":"서울"}`},
		{"Korean of Windows", "windows-949", "user=\xb1\xe8", `{"user":"김"}`},
		{"Japanese", "shift_jis", "city=\x93\x8c\x8b\x9e x=1", `{"city":"東京","x":"1"}`},
		{"Japanese with escapes", "iso-2022-jp", "city=\x1b$BEl5~\x1b(B x=1", `{"city":"東京","x":"1"}`},
		{"Chinese", "gbk", "city=\xb1\xb1\xbe\xa9", `{"city":"北京"}`},
		{"Chinese, traditional", "big5", "city=\xa5x\xa5_", `{"city":"台北"}`},
		{"Latin 1", "iso-8859-1", "city=Z\xfcrich", `{"city":"Zürich"}`},
		{"Latin 1 as Windows has it", "windows-1252", "price=5\x80", `{"price":"5€"}`},
		{"a broken character", "euc-kr", "user=\xb1 x=1", "{\"user\":\"\ufffd\",\"x\":\"1\"}"},
		{"UTF-8", "utf-8", "city=Zürich", `{"city":"Zürich"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, err := applyTo(t, Config{Format: "logfmt", Encoding: tc.encoding}, tc.text)
			if err != nil || got != tc.want {
				t.Errorf("got %s, %v, want %s", got, err, tc.want)
			}
		})
	}
	got, _, err := applyTo(t, Config{Format: "text", Encoding: "euc-kr", Keep: true, ReserveData: true}, "\xb1\xe8\n")
	if want := `{"log":"김","message":"김"}`; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestEncodingFailures(t *testing.T) {
	for _, tc := range []struct{ format, encoding, want string }{
		{"logfmt", "klingon", "no encoding that is known"},
		{"logfmt", "utf-16le", "cut at bytes that are no line ends"},
		{"logfmt", "utf-16", "cut at bytes that are no line ends"},
		{"cri", "euc-kr", "decoded once they are joined"},
	} {
		cfg := Config{Field: "log", Format: tc.format, Encoding: tc.encoding, BareKeys: nil, Time: Time{Key: "time"}}
		var r setting.Report
		cfg.Check(&r)
		found := false
		for _, p := range r.Problems {
			found = found || !p.Warning && strings.Contains(p.Reason, tc.want)
		}
		if !found {
			t.Errorf("%s of %s: %+v", tc.encoding, tc.format, r.Problems)
		}
	}
}
