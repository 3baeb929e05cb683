package stepdiff

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// texts are the lines of changes.
func texts(all []Change) (out []string) {
	for i := range all {
		out = append(out, strings.TrimPrefix(all[i].line().Text, "  "))
	}
	return out
}

// A value of each kind in place of each other one: what is equal but written otherwise is no change.
func TestObjects_Kinds(t *testing.T) {
	kinds := map[string][]string{
		"null":      {`null`},
		"true":      {`true`},
		"false":     {`false`},
		"one":       {`1`, `1.0`, `1e0`, `10e-1`},
		"large":     {`9007199254740993`},
		"larger":    {`9007199254740992`},
		"half":      {`0.5`, `5e-1`, `0.50`},
		"text":      {`"1"`, `"\u0031"`},
		"empty":     {`""`},
		"list":      {`[1,{"a":2,"b":3}]`, `[ 1.0, {"b":3, "a":2} ]`},
		"no list":   {`[]`},
		"backwards": {`[{"a":2,"b":3},1]`},
	}
	for from, writings := range kinds {
		for to, others := range kinds {
			for _, was := range writings {
				for _, is := range others {
					all := Objects(raw(`{"x":`+was+`}`), raw(`{"x":`+is+`}`))
					if (len(all) > 0) == (from == to) {
						t.Errorf("%s to %s: %q", was, is, texts(all))
					}
				}
			}
		}
	}
}

// Where a change is, as filters are told it.
func TestObjects_Paths(t *testing.T) {
	for _, tc := range []struct{ name, from, to, want string }{
		{"a field", `{"a":1}`, `{"a":2}`, "~ a: 1 → 2"},
		{"within", `{"a":{"b":{"c":1}}}`, `{"a":{"b":{"c":2}}}`, "~ a.b.c: 1 → 2"},
		{"a name with a dot", `{"a.b":1}`, `{"a.b":2}`, `~ ["a.b"]: 1 → 2`},
		{"a name with a dot within", `{"k":{"a.b":{"c":1}}}`, `{"k":{"a.b":{"c":2}}}`, `~ k["a.b"].c: 1 → 2`},
		{"a name with a quote", `{"a\"b":1}`, `{}`, `- ["a\"b"]: 1`},
		{
			"names of other signs", `{"@timestamp":1,"app.kubernetes.io/name":2,"x-y":3,"a/b":4}`,
			`{"@timestamp":2,"app.kubernetes.io/name":2,"x-y":4,"a/b":5}`,
			"~ @timestamp: 1 → 2, ~ x-y: 3 → 4, ~ a/b: 4 → 5",
		},
		{"no name", `{"":1}`, `{"":2}`, `~ [""]: 1 → 2`},
		{"another alphabet", `{"이름":1}`, `{"이름":2}`, `~ ["이름"]: 1 → 2`},
		{"a list is one value", `{"a":[1,2]}`, `{"a":[1,3]}`, "~ a: [1,2] → [1,3]"},
		{"a map that goes", `{"a":{"b":1}}`, `{}`, `- a: {"b":1}`},
		{"a map that is emptied", `{"a":{"b":1}}`, `{"a":{}}`, "- a.b: 1"},
		{"a map in place of null", `{"a":null}`, `{"a":{"b":1}}`, `~ a: null → {"b":1}`},
		{"moved within", `{"a":1,"m":{}}`, `{"m":{"a":1}}`, "- a: 1, + m.a: 1"},
		{"only the order", `{"a":1,"b":2}`, `{"b":2,"a":1}`, ""},
		{"nothing", `{}`, `{}`, ""},
		{"null", `null`, `{"a":1}`, "+ a: 1"},
		{"cut", `{"a":1,"b":`, `{"a":1}`, ""},
		{"text that a terminal would obey", `{}`, `{"a":"\u001b[31m"}`, `+ a: "\u001b[31m"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := strings.Join(texts(Objects(raw(tc.from), raw(tc.to))), ", "); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// A time is told with all its digits, whatever zone it comes in, and a tag as JSON has it.
func TestMoved_Kinds(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 15, 2, 0, time.FixedZone("KST", 9*3600))
	for _, tc := range []struct {
		name   string
		to     time.Time
		tag    string
		result string
	}{
		{"nothing", at.UTC(), "kube.a", ""},
		{"a nanosecond", at.Add(1), "kube.a", `~ (time): "2026-03-01T00:15:02Z" → "2026-03-01T00:15:02.000000001Z"`},
		{"a day before", at.AddDate(0, 0, -1), "kube.a", `~ (time): "2026-03-01T00:15:02Z" → "2026-02-28T00:15:02Z"`},
		{"the tag", at, "web", `~ (tag): "kube.a" → "web"`},
		{"no tag", at, "", `~ (tag): "kube.a" → ""`},
		{
			"both", at.Add(time.Second), "w\n",
			`~ (time): "2026-03-01T00:15:02Z" → "2026-03-01T00:15:03Z", ~ (tag): "kube.a" → "w\n"`,
		},
	} {
		if got := strings.Join(texts(Moved(at, tc.to, "kube.a", tc.tag)), ", "); got != tc.result {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.result)
		}
	}
}

// Each change has the kind of line that it is shown as.
func TestLineKinds(t *testing.T) {
	step := Step{Filter: "nginx", Index: 2, Kind: "modify", Effect: Changed}
	step.Changes = append(Objects(raw(`{"a":1,"b":2}`), raw(`{"b":3,"c":4}`)), Change{Field: "d"})
	var kinds []string
	for _, l := range step.Lines() {
		kinds = append(kinds, strconv.Itoa(int(l.Kind)))
	}
	want := []string{}
	for _, k := range []LineKind{Plain, Removed, Altered, Added, Altered} {
		want = append(want, strconv.Itoa(int(k)))
	}
	if !slices.Equal(kinds, want) || step.String() != "nginx[2] modify" {
		t.Errorf("%s: %v, want %v", step.String(), kinds, want)
	}
}
