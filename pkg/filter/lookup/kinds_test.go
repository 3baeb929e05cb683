package lookup

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/filter/filtertest"
)

// A value of any type is looked up by the text that it has; the line end of one is no part of it.
func TestLookup_Kinds(t *testing.T) {
	rows := map[string]string{
		"text": "a text", "42": "a number", " 42": "a line", "7": "an integer", "-5": "below", "true": "yes",
		"0.1":                  "a tenth",
		"18446744073709551615": "the largest", "2023-11-14T22:13:20.000000005Z": "then", `{"a":1}`: "a map",
		`[1,"a"]`: "a list", "caf\ufffd": "half a word", "null": "nothing",
	}
	var content strings.Builder
	for key, value := range rows {
		if err := json.NewEncoder(&content).Encode(map[string]string{"k": key, "w": value}); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, Config{Field: "v", File: write(t, "t.ndjson", content.String()), Format: "auto", Key: "k"})
	defer func() { _ = s.Close() }()
	found := func(value, w string) string { return `{"v":` + value + `,"w":"` + w + `"}` }
	filtertest.Hold(t, s, map[string]string{
		"true":           found(`true`, "yes"),
		"integer":        found(`7`, "an integer"),
		"negative":       found(`-5`, "below"),
		"uint64":         found(`18446744073709551615`, "the largest"),
		"float64":        found(`0.1`, "a tenth"),
		"NaN":            found(`null`, "nothing"),
		"infinity":       found(`null`, "nothing"),
		"text":           found(`"text"`, "a text"),
		"digits":         found(`"42"`, "a number"),
		"line":           found(`" 42\n"`, "a line"),
		"not UTF-8":      found("\"caf\ufffd\"", "half a word"),
		"bin":            found(`"text"`, "a text"),
		"bin of digits":  found(`"42"`, "a number"),
		"bin, not UTF-8": found("\"caf\ufffd\"", "half a word"),
		"EventTime":      found(`"2023-11-14T22:13:20.000000005Z"`, "then"),
		"array":          found(`[1,"a"]`, "a list"),
		"map":            found(`{"a":1}`, "a map"),
	})
}

// What a file's numbers are in a record: exact, and text where nothing holds them.
func TestLookup_Numbers(t *testing.T) {
	for literal, want := range map[string]string{
		"7": "7", "-7": "-7", "0.5": "0.5", "1e3": "1000.0", "2.0": "2.0", "9007199254740993": "9007199254740993",
		"18446744073709551615": "18446744073709551615", "18446744073709551616": `"18446744073709551616"`,
		"-9223372036854775809": `"-9223372036854775809"`, "1e400": `"1e400"`, `"7"`: `"7"`, "true": "true",
		`[1,18446744073709551616]`:  `[1,"18446744073709551616"]`,
		`{"a":9223372036854775807}`: `{"a":9223372036854775807}`,
	} {
		s := open(t, Config{Field: "v", File: write(t, "t.json", `{"k":{"w":`+literal+`}}`), Format: "auto"})
		if got := apply(t, s, map[string]any{"v": "k\n"}); got != `{"v":"k\n","w":`+want+`}` {
			t.Errorf("%s: %s, want %s", literal, got, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
