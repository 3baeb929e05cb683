package msgview

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// What another library packs is shown as what it is.
func TestText_Packed(t *testing.T) {
	long := strings.Repeat("긴", 100)
	for _, tc := range []struct {
		name  string
		value any
		want  string
	}{
		{"nil", nil, "nil"},
		{"true", true, "true"},
		{"a small integer", 7, "7"},
		{"the least integer", int64(-1 << 63), "-9223372036854775808"},
		{"the largest integer", uint64(1<<64 - 1), "18446744073709551615"},
		{"a float", 2.5, "2.5"},
		{"a short float", float32(0.1), "0.1"},
		{"a whole float", 3.0, "3"},
		{"a large float", 1e300, "1e+300"},
		{"a text", "서울", `"서울"`},
		{"a long text", long, strconv.Quote(long)},
		{"a text of lines", "a\nb\tc", `"a\nb\tc"`},
		{"bytes", []byte{0, 255}, "bin(AP8=)"},
		{"no bytes", []byte{}, "bin()"},
		{"a list", []any{1, "a", nil}, `[1, "a", nil]`},
		{"an empty list", []any{}, "[]"},
		{"a long list", make([]bool, 20), "[" + strings.TrimSuffix(strings.Repeat("false, ", 20), ", ") + "]"},
		{"a map", map[string]any{"a": []any{map[string]int{"b": 1}}}, `{"a": [{"b": 1}]}`},
		{"an empty map", map[string]any{}, "{}"},
		{"a map of numbers", map[int]string{1: "one"}, `{1: "one"}`},
		{"a time", time.Unix(1, 0).UTC(), "ext -1(AAAAAQ==)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := msgpack.Marshal(tc.value)
			if err != nil {
				t.Fatal(err)
			}
			if got := Text(b, 1<<20); got != tc.want+"\n" {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// A message that is cut anywhere shows what of it is there, and says that it is cut; nothing is made up.
func TestText_Cut(t *testing.T) {
	whole, err := msgpack.Marshal([]any{1700000000, map[string]any{"log": "a line", "n": 1234567}, []byte("bytes")})
	if err != nil {
		t.Fatal(err)
	}
	shown := strings.TrimSuffix(Text(whole, 1<<20), "\n")
	for n := 1; n < len(whole); n++ {
		got := Text(whole[:n], 1<<20)
		if !strings.Contains(got, "(cut here)") {
			t.Errorf("cut at %d: %s", n, got)
		}
		before, _, _ := strings.Cut(got, " (cut here)")
		if i := strings.LastIndexAny(before, `,"(`); i > 0 && !strings.HasPrefix(
			shown, strings.TrimRight(before[:i], `,"( `),
		) {
			t.Errorf("cut at %d shows %q of %q", n, before, shown)
		}
	}
}

// As much as there is room for is shown, of each value and of all.
func TestText_Limits(t *testing.T) {
	many := bytes.Repeat([]byte{0x93, 1, 2, 3}, 1000)
	for _, limit := range []int{0, 1, 10, 100, 1000} {
		got := Text(many, limit)
		if len(got) > limit+20 || !strings.HasSuffix(got, "…\n") ||
			strings.TrimSuffix(got, "…\n") != Text(many, 1<<20)[:len(got)-len("…\n")] {
			t.Errorf("limit %d: %q", limit, got)
		}
	}
	data := bytes.Repeat([]byte{0xff}, 3*maxText)
	for name, b := range map[string][]byte{
		"bin": append([]byte{0xc5, byte(len(data) >> 8), byte(len(data))}, data...),
		"str": append([]byte{0xda, byte(len(data) >> 8), byte(len(data))}, data...),
		"ext": append([]byte{0xc8, byte(len(data) >> 8), byte(len(data)), 5}, data...),
	} {
		what := map[string]string{"ext": "ext 5"}[name]
		if what == "" {
			what = name
		}
		want := what + "(" + base64.StdEncoding.EncodeToString(data[:maxText]) + ")…\n7\n"
		if got := Text(append(b, 7), 1<<20); got != want {
			t.Errorf("%s: %d bytes that end in %q", name, len(got), got[max(0, len(got)-20):])
		}
	}
}
