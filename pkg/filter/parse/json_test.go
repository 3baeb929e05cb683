package parse

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// readJSON returns text as it comes out as a record and is rendered again.
func readJSON(tb testing.TB, text string) (string, error) {
	tb.Helper()
	var f fields
	if err := new(jsonFormat).parse(&f, []byte(text)); err != nil {
		return "", err
	}
	out, err := new(event.Encoder).AppendValue(nil, append(filter.AppendMapHeader(nil, len(f.keys)), f.pairs...))
	if err != nil {
		tb.Fatalf("%q became what is no msgpack: %v", text, err)
	}
	return string(out), nil
}

func TestJSON(t *testing.T) {
	wide := "[" + strings.Repeat("0,", 70000) + "0]"
	for _, tc := range []struct {
		text, want string
		err        error
	}{
		{`{}`, `{}`, nil},
		{" {\t\"a\" :\n1 ,\r\"b\":[ ] } \n", `{"a":1,"b":[]}`, nil},
		{`{"a":{"b":[1,{"c":null}],"d":true},"e":false}`, `{"a":{"b":[1,{"c":null}],"d":true},"e":false}`, nil},
		{
			`{"a":9223372036854775807,"b":18446744073709551615,"c":-9223372036854775808,"d":-0}`,
			`{"a":9223372036854775807,"b":18446744073709551615,"c":-9223372036854775808,"d":0}`, nil,
		},
		{
			`{"a":18446744073709551616,"b":1.5e3,"c":1E-2,"d":1e999}`,
			`{"a":"18446744073709551616","b":1500.0,"c":0.01,"d":"1e999"}`, nil,
		},
		{`{"\u0061\n":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, `{"a\n":"\"\\/\b\f\n\r\té😀"}`, nil},
		{`{"a":"\ud83d x\ud83d\u0041"}`, `{"a":"� x�A"}`, nil},
		{`{"a":1,"a":2}`, `{"a":2}`, nil},
		{`{"":0}`, `{"":0}`, nil},
		{`{"a":` + wide + `}`, `{"a":` + wide + `}`, nil},
		{
			`{"a":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,{"b":1}]}`,
			`{"a":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,{"b":1}]}`, nil,
		},
		{nest(98), nest(98), nil},

		{nest(99), "", errJSONDepth},
		{`{"a":` + strings.Repeat("[", 1e6), "", errJSONDepth},
		{``, "", errNotObject},
		{`"a"`, "", errNotObject},
		{`[{}]`, "", errNotObject},
		{`{} {}`, "", errJSON},
		{`{"a":1`, "", errJSON},
		{`{"a":1,}`, "", errJSON},
		{`{"a" 1}`, "", errJSON},
		{`{a:1}`, "", errJSON},
		{`{"a":}`, "", errJSON},
		{`{"a":`, "", errJSON},
		{`{"a":01}`, "", errJSON},
		{`{"a":1.}`, "", errJSON},
		{`{"a":1e}`, "", errJSON},
		{`{"a":-}`, "", errJSON},
		{`{"a":tru}`, "", errJSON},
		{`{"a":nan}`, "", errJSON},
		{`{"a":[1,]}`, "", errJSON},
		{`{"a":[1 2]}`, "", errJSON},
		{`{"a":"\x"}`, "", errJSON},
		{`{"a":"\u12g4"}`, "", errJSON},
		{`{"a":"\u12`, "", errJSON},
		{`{"a":"\`, "", errJSON},
		{"{\"a\":\"\n\"}", "", errJSON},
		{"{\"a\":\"\\n\n\"}", "", errJSON},
		{`{"a":"`, "", errJSON},
	} {
		got, err := readJSON(t, tc.text)
		if got != tc.want || err != tc.err { //nolint:errorlint // reasons are not wrapped
			t.Errorf("%.80q: %.80q, %v, want %.80q, %v", tc.text, got, err, tc.want, tc.err)
		}
	}
}

// nest returns an object of that many levels.
func nest(levels int) string {
	return strings.Repeat(`{"a":`, levels) + "0" + strings.Repeat("}", levels)
}

// FuzzJSON holds that what is accepted, and what it means, is as package encoding/json has it.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"b":[1,{"c":null}],"d":true},"e":-1.5e3}`, `{"\u0061\n":"\ud83d\ude00","a":2}`,
		`{"a":18446744073709551615}`, `{"a":1,}`, ` [1]`,
	} {
		f.Add(seed)
	}
	beyond := regexp.MustCompile(`\d{19}`) // integers that may not fit into 64 bits: they stay text
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readJSON(t, text)
		text = strings.TrimPrefix(text, "\ufeff")
		isObject := json.Valid([]byte(text)) && bytes.HasPrefix(bytes.TrimLeft([]byte(text), " \t\r\n"), []byte("{"))
		if (err == nil) != isObject && err != errJSONDepth { //nolint:errorlint // reasons are not wrapped
			t.Fatalf("%q: %v, want an object: %v", text, err, isObject)
		}
		if err != nil || !utf8.ValidString(text) || beyond.MatchString(text) {
			return
		}
		var mine, theirs map[string]any
		if json.Unmarshal([]byte(text), &theirs) != nil {
			return // numbers that are too large: here they stay text
		}
		if err := json.Unmarshal([]byte(got), &mine); err != nil || !reflect.DeepEqual(mine, theirs) {
			t.Fatalf("%q became %s (%v)", text, got, err)
		}
	})
}

// FuzzRegex feeds any text to an expression with times and types.
func FuzzRegex(f *testing.F) {
	f.Add("GET / 200 28/Feb/2013:12:00:00 +0900")
	f.Fuzz(func(t *testing.T, text string) {
		step, _, err := New(with(func(c *Config) {
			c.Format, c.Regex = "regex", `^(?<a>\S+) (?<b>\S+) (?<c>\S*)(?: (?<time>.+))?`
			c.Types = []string{"a:integer,b:array:/,c:time:%d %b"}
		}))
		if err != nil {
			t.Fatal(err)
		}
		e := newEvent(t, fieldsOf{"log": text, "n": 1})
		_, _ = step.Apply(e)
		asJSON(t, e)
	})
}
