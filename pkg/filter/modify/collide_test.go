package modify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/jsontext"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Two values that would get one name both stay, and an error tells so.
func TestCollisions(t *testing.T) {
	var members strings.Builder
	for i := range 40 {
		fmt.Fprintf(&members, `"k%d":%d,`, i, i)
	}
	many := members.String()
	flat := func(field string) Config { return Config{Flatten: &Flatten{Field: field, Separator: "_"}} }
	for _, tc := range []struct {
		name          string
		c             any
		record        string
		want, failure string
	}{
		{"rename", Config{Rename: texts{"a": "b"}}, `{"a":1,"b":2}`, "", "give a the name b"},
		{"rename to an equal value", Config{Rename: texts{"a": "b"}}, `{"a":1,"b":1}`, `{"b":1}`, ""},
		{"rename to nil", Config{Rename: texts{"a": "b"}}, `{"a":1,"b":null}`, `{"b":1}`, ""},
		{
			"rename two to one",
			Config{Rename: texts{"a": "c", "b": "c"}},
			`{"a":1,"b":2}`, `{"a":1,"c":2}`,
			"give a the name c",
		},
		{
			"rename within a map",
			Config{Rename: texts{"m.a": "m.b"}},
			`{"m":{"a":1,"b":2}}`, "",
			"give m.a the name m.b",
		},
		{"rename into what is no map", Config{Rename: texts{"a": "b.c"}}, `{"a":1,"b":2}`, "", "give a the name b.c"},
		{"rename into itself", Config{Rename: texts{"a": "a.b"}}, `{"a":1}`, `{"a":{"b":1}}`, ""},
		{
			"rename out of a map in its place",
			Config{Rename: texts{"a.b": "a"}},
			`{"a":{"b":1,"c":2}}`, "",
			"give a.b the name a",
		},
		{
			"rename what is alone in a map in its place",
			Config{Rename: texts{"a.b": "a"}},
			`{"a":{"b":1}}`, `{"a":1}`,
			"",
		},
		{"move", Config{MoveUnder: map[string][]string{"m": {"a"}}}, `{"a":1,"m":{"a":2}}`, "", "give a the name m.a"},
		{
			"move by a pattern",
			Config{MoveUnder: map[string][]string{"m": {"a*"}}},
			`{"a1":1,"a2":2,"m":{"a1":3}}`,
			`{"a1":1,"m":{"a1":3,"a2":2}}`, "give a1 the name m.a1",
		},
		{
			"move under what is no map",
			Config{MoveUnder: map[string][]string{"m": {"a"}}},
			`{"a":1,"m":"text"}`, "",
			"give a the name m.a",
		},
		{"move under nil", Config{MoveUnder: map[string][]string{"m": {"a"}}}, `{"a":1,"m":null}`, `{"m":{"a":1}}`, ""},
		{
			"set what is missing in what is no map",
			Config{SetIfMissing: map[string]any{"a.b": "v"}},
			`{"a":"text"}`,
			"", "set a.b: what it would be in is no map",
		},
		{
			"set what is missing in nil",
			Config{SetIfMissing: map[string]any{"a.b": "v"}},
			`{"a":null}`,
			`{"a":{"b":"v"}}`, "",
		},
		{"flatten", flat(""), `{"a":{"b":"first"},"a_b":"second"}`, "", "two values would get the name a_b"},
		{
			"flatten, the other way round", flat(""), `{"a_b":"second","a":{"b":"first"}}`, "",
			"two values would get the name a_b",
		},
		{"flatten two maps", flat(""), `{"a":{"b_c":1},"a_b":{"c":2}}`, "", "the name a_b_c"},
		{"flatten a map", flat("m"), `{"m":{"a":1},"m_a":2}`, "", "the name m_a"},
		{"flatten equal values", flat(""), `{"a":{"b":1},"a_b":1}`, `{"a_b":1}`, ""},
		{"flatten many", flat(""), `{` + many + `"a":{"b":1},"a_b":2}`, "", "the name a_b"},
		{"dedot", DedotConfig{Separator: "_"}, `{"a.b":1,"a_b":2}`, "", "two values would get the name a_b"},
		{"dedot two", DedotConfig{Separator: "_"}, `{"a.b_c":1,"a_b.c":2}`, "", "the name a_b_c"},
		{
			"dedot within",
			DedotConfig{Separator: "_", Nested: true},
			`{"x":[{"l":{"app.name":1,"app_name":2}}]}`, "",
			"the name app_name",
		},
		{
			"dedot in different maps",
			DedotConfig{Separator: "_", Nested: true},
			`{"l":{"app.name":1},"m":{"app_name":2},"app_name":3}`,
			`{"l":{"app_name":1},"m":{"app_name":2},"app_name":3}`, "",
		},
		{"dedot many", DedotConfig{Separator: "_"}, `{` + many + `"a.b":1,"a_b":2}`, "", "the name a_b"},
		{"dedot equal values", DedotConfig{Separator: "_"}, `{"a.b":1,"a_b":1}`, `{"a_b":1}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var step filter.Step
			var err error
			switch c := tc.c.(type) {
			case Config:
				step, err = New(c)
			case DedotConfig:
				step, err = NewDedot(c)
			}
			if err != nil {
				t.Fatal(err)
			}
			var r jsontext.Reader
			r.Reset([]byte(tc.record), 10)
			record, err := r.AppendValue(nil)
			if err != nil {
				t.Fatal(err)
			}
			e := newEvent(t, nil)
			e.Replace(record)
			if tc.want == "" {
				tc.want = tc.record
			}
			_, err = step.Apply(e)
			failed := ""
			if err != nil {
				failed = err.Error()
			}
			if got := show(t, e); got != tc.want || (tc.failure == "") != (err == nil) ||
				!strings.Contains(failed, tc.failure) {
				t.Errorf("%s, %q; want %s, %q", got, failed, tc.want, tc.failure)
			}
		})
	}
}
