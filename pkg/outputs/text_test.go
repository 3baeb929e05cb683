package outputs_test

import (
	"testing"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// record returns an event with one field.
func record(tb testing.TB, name string, value any) *event.Event {
	tb.Helper()
	b, err := msgp.AppendIntf(nil, map[string]any{name: value})
	if err != nil {
		tb.Fatal(err)
	}
	return &event.Event{Chunk: &event.Chunk{Cluster: "c", Tag: "t"}, Record: b}
}

func TestText(t *testing.T) {
	for _, tc := range []struct {
		name  string
		field string
		lines bool
		value any
		want  string
	}{
		{"a text", "log", true, "GET /", "GET /"},
		{"its line end", "log", true, "GET /\r\n", "GET /"},
		{"a line feed inside", "log", true, "a\nb\r\nc\n", `a\nb\r\nc`},
		{"a line feed inside, kept", "log", false, "a\nb\n", "a\nb"},
		{"a number", "log", true, int64(7), "7"},
		{"a map", "log", true, map[string]any{"a": int64(1)}, `{"a":1}`},
		{"no UTF-8", "log", true, "a\xff", "a\ufffd"},
		{"empty", "log", true, "", `{"log":""}`},
		{"missing", "other", true, "x", `{"log":"x"}`},
		{"the whole event", "", true, "x", `{"log":"x"}`},
		{"by a path", `["log"]`, true, "x", "x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var field *event.Template
			if tc.field != "" {
				var err error
				if field, err = outputs.ParseField(tc.field); err != nil {
					t.Fatal(err)
				}
			}
			text := outputs.NewText(field, event.Fields{}, nil, tc.lines)
			got, err := text.Append([]byte("> "), record(t, "log", tc.value))
			if err != nil || string(got) != "> "+tc.want {
				t.Errorf("%q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

// FuzzText: a line is UTF-8 without a line feed, whatever the field holds, and what stood before it stays.
func FuzzText(f *testing.F) {
	f.Add("a\nb\r\n\xff")
	f.Fuzz(func(t *testing.T, value string) {
		field, err := outputs.ParseField("log")
		if err != nil {
			t.Fatal(err)
		}
		got, err := outputs.NewText(field, event.Fields{}, nil, true).Append([]byte("x\n"), record(t, "log", value))
		if err != nil || string(got[:2]) != "x\n" || !utf8.Valid(got[2:]) || len(got) == 2 {
			t.Fatalf("%q, %v", got, err)
		}
		for _, c := range got[2:] {
			if c == '\n' || c == '\r' {
				t.Fatalf("%q became %q", value, got)
			}
		}
	})
}

func TestParseField(t *testing.T) {
	for path, right := range map[string]bool{
		"log": true, "a.b": true, `["a.b"].c`: true, "": false, "{a}": false, "a|b": false,
	} {
		if _, err := outputs.ParseField(path); (err == nil) != right {
			t.Errorf("%q: %v", path, err)
		}
	}
}
