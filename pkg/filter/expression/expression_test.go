package expression

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

type texts = map[string]string

func TestApply(t *testing.T) {
	record, err := filter.AppendValue(nil, map[string]any{"a": "x", "n": 404, "m": map[string]any{"k": 1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		c       Config
		verdict filter.Verdict
		want    string
		fail    string
	}{
		{"drop", Config{Drop: `record.n == 404`}, filter.Drop, `{"a":"x","m":{"k":1},"n":404}`, ""},
		{"drop not", Config{Drop: `record.n == 500`}, filter.Keep, `{"a":"x","m":{"k":1},"n":404}`, ""},
		{
			"drop fails",
			Config{Drop: `record.a > 500`, Set: texts{"n": "1"}},
			filter.Keep,
			`{"a":"x","m":{"k":1},"n":1}`, "can't be compared",
		},
		{
			"set",
			Config{Set: texts{"class": `string(int(record.n / 100)) + "xx"`, "m.l": `record.m.k + 1`}},
			filter.Keep, `{"a":"x","m":{"k":1,"l":2},"n":404,"class":"4xx"}`, "",
		},
		{
			"set of what came",
			Config{Set: texts{"a": `record.n`, "n": `record.a`}},
			filter.Keep,
			`{"a":404,"m":{"k":1},"n":"x"}`, "",
		},
		{"set to nil", Config{Set: texts{"a": `nil`, "m": `record.none`, "o": `nil`}}, filter.Keep, `{"n":404}`, ""},
		{
			"set fails",
			Config{Set: texts{"a": `record.a % 2`, "n": `5`}},
			filter.Keep, `{"a":"x","m":{"k":1},"n":5}`,
			"evaluate",
		},
		{
			"set to what is none",
			Config{Set: texts{"a": `time.Location()`, "n": `5`}},
			filter.Keep,
			`{"a":"x","m":{"k":1},"n":5}`, "no place",
		},
	} {
		s, err := New(tc.c)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for range 2 {
			e := &filter.Event{}
			e.Reset(&event.Event{Chunk: &event.Chunk{}, Record: record}, nil)
			verdict, err := s.Apply(e)
			if verdict != tc.verdict || (err == nil) != (tc.fail == "") ||
				err != nil && !strings.Contains(err.Error(), tc.fail) {
				t.Errorf("%s: %v, %v; want %v, %q", tc.name, verdict, err, tc.verdict, tc.fail)
			}
			var enc event.Encoder
			if got, err := enc.AppendValue(nil, e.Rendered()); string(got) != tc.want || err != nil {
				t.Errorf("%s: %s, %v; want %s", tc.name, got, err, tc.want)
			}
		}
		var r setting.Report
		if tc.c.Check(&r); len(r.Problems) > 0 {
			t.Errorf("%s: %v", tc.name, r.Problems)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		c          Config
	}{
		{"nothing", ": there is no expression", Config{}},
		{"drop", `drop: expression "rekord.a": line 1, column 1: unknown name rekord`, Config{Drop: "rekord.a"}},
		{"drop of no truth", "drop: ", Config{Drop: "1 + 1"}},
		{"set", `set.a: expression "1 +"`, Config{Set: texts{"a": "1 +"}}},
		{"set's field", `set.a.: field "a."`, Config{Set: texts{"a.": "1"}}},
	} {
		var r setting.Report
		tc.c.Check(&r)
		if len(r.Problems) != 1 || !strings.HasPrefix(r.Problems[0].Key+": "+r.Problems[0].Reason, tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, r.Problems, tc.want)
		}
		if _, err := New(tc.c); err == nil && tc.name != "nothing" {
			t.Errorf("%s: made all the same", tc.name)
		}
	}
}
