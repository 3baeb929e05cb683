package stepdiff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func TestObjects(t *testing.T) {
	for _, tc := range []struct {
		name, from, to string
		want           []string
	}{
		{"equal", `{"a":1,"b":[1]}`, `{"b":[1.0],"a":1e0}`, nil},
		{"added", `{}`, `{"a":{"b":1}}`, []string{`  + a: {"b":1}`}},
		{
			"removed first, where it stood", `{"x":1,"a":1,"y":2}`, `{"x":1,"z":0,"y":2}`,
			[]string{"  - a: 1", "  + z: 0"},
		},
		{"within", `{"a":{"b":1,"c":2}}`, `{"a":{"b":3,"c":2}}`, []string{"  ~ a.b: 1 → 3"}},
		{"another kind", `{"a":{"b":1}}`, `{"a":"x"}`, []string{`  ~ a: {"b":1} → "x"`}},
		{"names that are no paths", `{"a":{}}`, `{"a":{"x y":1}}`, []string{`  + a["x y"]: 1`}},
		{
			"long values", `{}`, `{"a":"` + strings.Repeat("x", 500) + `"}`,
			[]string{`  + a: "` + strings.Repeat("x", 159) + "…"},
		},
		{"no objects", `"text"`, `{"a":1}`, []string{"  + a: 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := Objects(raw(tc.from), raw(tc.to))
			var got []string
			for i := range all {
				got = append(got, all[i].line().Text)
			}
			if fmt.Sprintf("%.150q", got) != fmt.Sprintf("%.150q", tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			for i, c := range Names(all) {
				if c.From != nil || c.To != nil || c.Field != all[i].Field {
					t.Errorf("the name alone of %+v is %+v", all[i], c)
				}
			}
		})
	}
}

func TestMoved(t *testing.T) {
	at := time.Unix(1000, 5).UTC()
	if all := Moved(at, at.Local(), "t", "t"); all != nil {
		t.Errorf("nothing differs, and yet %+v", all)
	}
	all := Moved(at, at.Add(time.Hour), "t", `u"`)
	if len(all) != 2 || all[0].Field != Time || string(all[0].To) != `"1970-01-01T01:16:40.000000005Z"` ||
		all[1].Field != Tag || string(all[1].To) != `"u\""` {
		t.Errorf("%+v", all)
	}
}

// A step is said in one line, with what it changed below it.
func TestLines(t *testing.T) {
	for _, tc := range []struct {
		step Step
		kind LineKind
		want []string
	}{
		{Step{Effect: Kept}, Quiet, []string{"f[1] parse: unchanged"}},
		{
			Step{Effect: Changed, Changes: []Change{{Field: "a", To: raw("1")}, {Field: "b"}}},
			Plain,
			[]string{"f[1] parse", "  + a: 1", "  ~ b"},
		},
		{Step{Effect: Changed, Unseen: true}, Plain, []string{"f[1] parse", "  (" + tooLarge + ")"}},
		{Step{Effect: Dropped}, Notable, []string{"f[1] parse: dropped"}},
		{Step{Effect: Held}, Notable, []string{"f[1] parse: held back"}},
		{Step{Effect: Dead, Error: "no JSON"}, Bad, []string{"f[1] parse: failed: no JSON, dead letter"}},
		{Step{Effect: Dead}, Bad, []string{"f[1] parse: dead letter"}},
		{Step{Effect: Changed, Error: "no time"}, Bad, []string{"f[1] parse: failed: no time"}},
		{Step{Effect: Skipped}, Quiet, []string{"f[1] parse: skipped: when is false"}},
		{Step{Effect: Made}, Quiet, []string{"f[1] parse: made it"}},
	} {
		tc.step.Filter, tc.step.Index, tc.step.Kind = "f", 1, "parse"
		var got []string
		lines := tc.step.Lines()
		for _, l := range lines {
			got = append(got, l.Text)
		}
		if !slices.Equal(got, tc.want) || lines[0].Kind != tc.kind {
			t.Errorf("%+v: %q of kind %d, want %q of kind %d", tc.step, got, lines[0].Kind, tc.want, tc.kind)
		}
	}
}

// FuzzObjects: whatever two texts are compared, nothing breaks, and a text does not differ from itself.
func FuzzObjects(f *testing.F) {
	f.Add(`{"a":1}`, `{"a":{"b":[1,2]}}`)
	f.Add(`{"a":1e400,"a":2}`, `{`)
	f.Fuzz(func(t *testing.T, a, b string) {
		Objects(raw(a), raw(b))
		if all := Objects(raw(a), raw(a)); len(all) > 0 {
			t.Errorf("%q differs from itself: %+v", a, all)
		}
	})
}
