package modify

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/filter/filtertest"
)

// What becomes of values of every type when they are converted: what can't be said in the other type stays, with an
// error, and nil stays nil.
func TestConvert_Kinds(t *testing.T) {
	for to, want := range map[string]map[string]string{
		"int": {
			"false":           `{"v":0}`,
			"true":            `{"v":1}`,
			"float32":         `{"v":1}`,
			"float64":         `{"v":0}`,
			"whole float":     `{"v":2}`,
			"digits":          `{"v":42}`,
			"line":            `{"v":42}`,
			"bin of digits":   `{"v":42}`,
			"nil":             "",
			"integers":        "",
			filtertest.Others: "(convert v to int: the value is none)",
		},
		"float": {
			"integer":         `{"v":7.0}`,
			"negative":        `{"v":-5.0}`,
			"int64":           `{"v":-9223372036854776000.0}`,
			"uint64":          `{"v":18446744073709552000.0}`,
			"digits":          `{"v":42.0}`,
			"line":            `{"v":42.0}`,
			"bin of digits":   `{"v":42.0}`,
			"nil":             "",
			"floats":          "",
			filtertest.Others: "(convert v to float: the value is none)",
		},
		"bool": {
			"empty text":      `{"v":false}`,
			"nil":             "",
			"truth values":    "",
			filtertest.Others: "(convert v to bool: the value is none)",
		},
		"string": {
			"false":          `{"v":"false"}`,
			"true":           `{"v":"true"}`,
			"integer":        `{"v":"7"}`,
			"negative":       `{"v":"-5"}`,
			"int64":          `{"v":"-9223372036854775808"}`,
			"uint64":         `{"v":"18446744073709551615"}`,
			"float32":        `{"v":"1.5"}`,
			"float64":        `{"v":"0.1"}`,
			"whole float":    `{"v":"2.0"}`,
			"NaN":            `{"v":"null"}`,
			"infinity":       `{"v":"null"}`,
			"bin":            `{"v":"text"}`,
			"bin of digits":  `{"v":"42"}`,
			"bin, not UTF-8": "{\"v\":\"caf�\"}",
			"EventTime":      `{"v":"2023-11-14T22:13:20.000000005Z"}`,
			"ext":            `{"v":"{\"type\":5,\"data\":\"/w==\"}"}`,
			"array":          `{"v":"[1,\"a\"]"}`,
			"empty array":    `{"v":"[]"}`,
			"map":            `{"v":"{\"a\":1}"}`,
			"empty map":      `{"v":"{}"}`,
		},
	} {
		t.Run(to, func(t *testing.T) {
			s, err := New(Config{Convert: texts{"v": to}})
			if err != nil {
				t.Fatal(err)
			}
			filtertest.Hold(t, s, want)
		})
	}
}

// A value of any type keeps its bytes on its way to another place.
func TestModify_KeepsValues(t *testing.T) {
	for name, c := range map[string]Config{
		"copied": {Set: values{"w": "{record.v}"}}, "copied within": {Set: values{"m.w": "{record.v}"}},
		"renamed": {Rename: texts{"v": "w"}}, "renamed within": {Rename: texts{"v": "m.w"}},
		"renamed by a star": {Rename: texts{"v*": "w*"}},
		"moved":             {MoveUnder: map[string][]string{"m": {"v"}}},
	} {
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range filtertest.Kinds() {
			ev := k.With(t)
			if _, err := s.Apply(ev); err != nil {
				t.Errorf("%s: %s: %v", name, k.Name, err)
			}
			got := ""
			for _, path := range [][]string{{"w"}, {"m", "w"}, {"m", "v"}} {
				if value, ok := ev.Get(path...); ok {
					got = string(value)
				}
			}
			if got != k.Value {
				t.Errorf("%s: %s: %x, want %x", name, k.Name, got, k.Value)
			}
		}
	}
}

// What becomes of values of every type at each of the other changes: none but maps are looked into, and no change but a
// conversion makes another value of one.
func TestModify_Kinds(t *testing.T) {
	for name, tc := range map[string]struct {
		config Config
		want   map[string]string
	}{
		"in_a_text": {Config{Set: values{"w": "<{record.v|none}>"}}, map[string]string{
			"nil":            `{"v":null,"w":"<none>"}`,
			"false":          `{"v":false,"w":"<false>"}`,
			"true":           `{"v":true,"w":"<true>"}`,
			"integer":        `{"v":7,"w":"<7>"}`,
			"negative":       `{"v":-5,"w":"<-5>"}`,
			"int64":          `{"v":-9223372036854775808,"w":"<-9223372036854775808>"}`,
			"uint64":         `{"v":18446744073709551615,"w":"<18446744073709551615>"}`,
			"float32":        `{"v":1.5,"w":"<1.5>"}`,
			"float64":        `{"v":0.1,"w":"<0.1>"}`,
			"whole float":    `{"v":2.0,"w":"<2.0>"}`,
			"NaN":            `{"v":null,"w":"<null>"}`,
			"infinity":       `{"v":null,"w":"<null>"}`,
			"text":           `{"v":"text","w":"<text>"}`,
			"empty text":     `{"v":"","w":"<none>"}`,
			"digits":         `{"v":"42","w":"<42>"}`,
			"line":           `{"v":" 42\n","w":"< 42\n>"}`,
			"not UTF-8":      "{\"v\":\"caf�\",\"w\":\"<caf�>\"}",
			"bin":            `{"v":"text","w":"<text>"}`,
			"bin of digits":  `{"v":"42","w":"<42>"}`,
			"bin, not UTF-8": "{\"v\":\"caf�\",\"w\":\"<caf�>\"}",
			"EventTime":      `{"v":"2023-11-14T22:13:20.000000005Z","w":"<2023-11-14T22:13:20.000000005Z>"}`,
			"ext":            `{"v":{"type":5,"data":"/w=="},"w":"<{\"type\":5,\"data\":\"/w==\"}>"}`,
			"array":          `{"v":[1,"a"],"w":"<[1,\"a\"]>"}`,
			"empty array":    `{"v":[],"w":"<[]>"}`,
			"map":            `{"v":{"a":1},"w":"<{\"a\":1}>"}`,
			"empty map":      `{"v":{},"w":"<{}>"}`,
		}},
		"set_if_missing": {Config{SetIfMissing: values{"v": 1}}, map[string]string{
			"nil": `{"v":1}`,
		}},
		"set_within": {Config{SetIfMissing: values{"v.b": 1}}, map[string]string{
			"nil":             `{"v":{"b":1}}`,
			"map":             `{"v":{"a":1,"b":1}}`,
			"empty map":       `{"v":{"b":1}}`,
			filtertest.Others: "(set v.b: what it would be in is no map, and stays as it is)",
		}},
		"set_within_at_any_price": {Config{Set: values{"v.b": 1}}, map[string]string{
			"map":             `{"v":{"a":1,"b":1}}`,
			filtertest.Others: `{"v":{"b":1}}`,
		}},
		"renamed_over_another": {Config{Rename: texts{"v": "last"}}, map[string]string{
			filtertest.Others: "(give v the name last: there is another value, and both stay as they are)",
		}},
		"moved_into": {Config{MoveUnder: map[string][]string{"v": {"first"}}}, map[string]string{
			"nil":             `{"v":{"first":1}}`,
			"map":             `{"v":{"a":1,"first":1}}`,
			"empty map":       `{"v":{"first":1}}`,
			filtertest.Others: "(give first the name v.first: there is another value, and both stay as they are)",
		}},
		"removed_within": {Config{Remove: []string{"v.a", "v.*"}}, map[string]string{
			"map": `{"v":{}}`,
		}},
		"kept_within": {Config{Keep: []string{"v.a", "first"}}, map[string]string{
			"map":             `{"v":{"a":1}}`,
			filtertest.Others: `{"first":1}`,
		}},
		"flattened": {Config{Flatten: &Flatten{Separator: "."}}, map[string]string{
			"map": `{"v.a":1}`,
		}},
		"as_a_tag": {Config{Tag: "{record.v}"}, map[string]string{
			"nil":        "(the tag would be empty or over 1024 bytes: it stays as it is)",
			"empty text": "(the tag would be empty or over 1024 bytes: it stays as it is)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(tc.config)
			if err != nil {
				t.Fatal(err)
			}
			filtertest.Hold(t, s, tc.want)
		})
	}
}
