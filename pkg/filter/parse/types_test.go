package parse

import (
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestTypes(t *testing.T) {
	for _, tc := range []struct{ types, text, want string }{
		{"a:string", "7", `"7"`},
		{"a:string", "-", `"-"`},
		{"a:integer", "7", "7"},
		{"a:int", " -7 ", "-7"},
		{"a:integer", "+123456789012345678", "123456789012345678"},
		{"a:integer", "-9223372036854775808", "-9223372036854775808"},
		{"a:integer", "18446744073709551615", "18446744073709551615"},
		{"a:integer", "18446744073709551616", `"18446744073709551616"`},
		{"a:hex", "ffffffffffffffff", "18446744073709551615"},
		{"a:integer", "7.5", `"7.5"`},
		{"a:integer", "x", `"x"`},
		{"a:integer", "-", "null"},
		{"a:integer", "", "null"},
		{"a:float", "0.25", "0.25"},
		{"a:float", "x", `"x"`},
		{"a:hex", "0xFf", "255"},
		{"a:hex", "ff", "255"},
		{"a:hex", "fg", `"fg"`},
		{"a:bool", "TRUE", "true"},
		{"a:bool", "yes", "true"},
		{"a:bool", "1", "true"},
		{"a:bool", "no", "false"},
		{"a:bool", "anything", "false"},
		{"a:time", "2023-01-02T03:04:05Z", `"2023-01-02T03:04:05Z"`},
		{"a:time:%d/%b/%Y:%H:%M:%S %z", "02/Jan/2023:03:04:05 +0000", `"2023-01-02T03:04:05Z"`},
		{"a:time:unix", "x", `"x"`},
		{"a:array", "x,y,", `["x","y",""]`},
		{"a:array:|", "x|y", `["x","y"]`},
		{"a:array:,", "x,y", `["x","y"]`},
		{"a:array:,,b:integer", "x,y", `["x","y"]`},
		{"b:integer, a:array:;, c:bool", "x;y", `["x","y"]`},
		{"b:integer a:float c:time:%Y-%m-%d %H", "1", "1.0"},
		{"b:time:%H:%M:%S,a:integer", "1", "1"},
	} {
		types, err := parseTypes([]string{tc.types}, time.UTC)
		if err != nil {
			t.Errorf("%s: %v", tc.types, err)
			continue
		}
		got := "no such type"
		for i := range types {
			if types[i].name == "a" {
				value := types[i].append(nil, []byte(tc.text), event.Time{})
				out, err := new(event.Encoder).AppendValue(nil, value)
				if err != nil {
					t.Error(err)
				}
				got = string(out)
			}
		}
		if got != tc.want {
			t.Errorf("%q as %s: %s, want %s", tc.text, tc.types, got, tc.want)
		}
	}
	for _, bad := range []string{"a", "a:number", "a:integer,b", "a:time:%q", ":integer", "a:integers"} {
		if types, err := parseTypes([]string{bad}, time.UTC); err == nil {
			t.Errorf("%s: accepted as %+v", bad, types)
		}
	}
}
