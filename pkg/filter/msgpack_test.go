package filter

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestAppendNumbers(t *testing.T) {
	for _, v := range []int64{
		0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64,
		-1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32 - 1, math.MinInt64,
	} {
		b := AppendInt(nil, v)
		if got, rest, err := event.ReadInt(b); got != v || len(rest) > 0 || err != nil {
			t.Errorf("%d: %x is read as %d, %v", v, b, got, err)
		}
	}
	for _, n := range []int{0, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		s := strings.Repeat("x", n)
		if got, rest, err := event.ReadBytes(AppendString(nil, s)); string(got) != s || len(rest) > 0 || err != nil {
			t.Errorf("a str of %d bytes is read as %d, %v", n, len(got), err)
		}
		if got, rest, err := event.ReadMapHeader(AppendMapHeader(nil, n)); got != n || len(rest) > 0 || err != nil {
			t.Errorf("a map of %d is read as %d, %v", n, got, err)
		}
		if got, rest, err := event.ReadArrayHeader(AppendArrayHeader(nil, n)); got != n || len(rest) > 0 || err != nil {
			t.Errorf("an array of %d is read as %d, %v", n, got, err)
		}
	}
	if got := show(t, AppendFloat(nil, 1.5)) + show(t, AppendBool(nil, true)) + show(t, AppendBool(nil, false)) +
		show(t, AppendNil(nil)); got != "1.5truefalsenull" {
		t.Error(got)
	}
}

func TestAppendValue(t *testing.T) {
	type text string
	deep := any(1)
	for range 101 {
		deep = []any{deep}
	}
	for _, tc := range []struct {
		value      any
		want, fail string
	}{
		{
			map[string]any{"b": 1, "a": []any{nil, "x", true, 1.5, uint64(math.MaxUint64)}},
			`{"a":[null,"x",true,1.5,18446744073709551615],"b":1}`, "",
		},
		{[]string{"a", "b"}, `["a","b"]`, ""},
		{map[any]any{1: int8(-3), "x": float32(0.5)}, `{"1":-3,"x":0.5}`, ""},
		{text("x"), `"x"`, ""},
		{time.Unix(1700000000, 5), `"2023-11-14T22:13:20.000000005Z"`, ""},
		{90 * time.Second, `"1m30s"`, ""},
		{struct{}{}, "", "no place"},
		{map[string]any{"a": make(chan int)}, "", "no place"},
		{deep, "", "levels"},
		{[]any{strings.Repeat("x", 9<<20), strings.Repeat("x", 9<<20)}, "", "bytes"},
	} {
		got, err := AppendValue([]byte("before"), tc.value)
		if tc.fail != "" {
			if err == nil || !strings.Contains(err.Error(), tc.fail) || string(got) != "before" {
				t.Errorf("%T: %.20q, %v; want %q", tc.value, got, err, tc.fail)
			}
		} else if err != nil || show(t, got[6:]) != tc.want {
			t.Errorf("%v: %s, %v; want %s", tc.value, got, err, tc.want)
		}
	}
}

func TestParsePath(t *testing.T) {
	for _, tc := range []struct{ text, want, fail string }{
		{"a", "a", ""},
		{"a.b.c", "a|b|c", ""},
		{"kubernetes.labels.app-name", "kubernetes|labels|app-name", ""},
		{`["a.b"].c`, "a.b|c", ""},
		{`a["b c"]["d"]`, "a|b c|d", ""},
		{`labels["app.kubernetes.io/name"]`, "labels|app.kubernetes.io/name", ""},
		{`@timestamp`, "@timestamp", ""},
		{`tmp_*`, "tmp_*", ""},
		{"", "", "position 1: a field's name is missing"},
		{"a.", "", "position 3: a field's name is missing"},
		{".a", "", "position 1"},
		{"a..b", "", "position 3"},
		{"a b", "", "position 2: '.' or '['"},
		{"a[b]", "", "position 3: a name in quotes"},
		{`a["b"`, "", "position 6: ']' should follow"},
		{`a["b"]c`, "", "position 7: '.' or '['"},
		{"{a}", "", "position 1"},
		{strings.Repeat("a.", 100) + "a", "", "at most 100 names"},
	} {
		got, err := ParsePath(tc.text)
		if (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) ||
			strings.Join(got, "|") != tc.want {
			t.Errorf("%q: %q, %v; want %s, %q", tc.text, got, err, tc.want, tc.fail)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add(`a["b.c"].d`)
	f.Fuzz(func(t *testing.T, text string) {
		path, err := ParsePath(text)
		if (err == nil) != (len(path) > 0) {
			t.Fatalf("%q: %q, %v", text, path, err)
		}
		// What may be written here may be written in a template too.
		if err == nil && text[0] != '[' {
			text = "." + text
		}
		if _, also := event.ParseTemplate("{record" + text + "}"); err == nil && also != nil &&
			!strings.ContainsAny(text, "[") {
			t.Fatalf("%q: %v", text, also)
		}
	})
}
