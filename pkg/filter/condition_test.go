package filter

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const conditionRecord = `{"level":"warn","status":404,"took":1.5,"ok":true,"nothing":null,"list":[1,2,3],` +
	`"words":["a","b"],` +
	`"big":18446744073709551615,"kubernetes":{"ns":"shop","labels":{"app.name":"web"}},"items":[{"n":1},{"n":2},` +
	`{"m":3}],"a.b":7}`

func TestConditionTrue(t *testing.T) {
	for _, tc := range []struct {
		text string
		want bool
		fail string
	}{
		{`record.level != "debug"`, true, ""},
		{`record.level == "debug"`, false, ""},
		{`cluster == "seoul" && tag startsWith "kube."`, true, ""},
		{`record.status == 404`, true, ""},
		{`record.status >= 400 and record.status < 500`, true, ""},
		{`record.status in 400..499`, true, ""},
		{`record.status in [500, 502]`, false, ""},
		{`record.level in ["error", "warn"]`, true, ""},
		{`record.missing in ["error", "warn"]`, false, ""},
		{`record.missing == nil`, true, ""},
		{`record.nothing == nil`, true, ""},
		{`record.a.b.c.d == nil`, true, ""},
		{`record.level.x == nil`, true, ""},
		{`record["a.b"] == 7`, true, ""},
		{`record.kubernetes.labels["app.name"] == "web"`, true, ""},
		{`record?.kubernetes?.ns == "shop"`, true, ""},
		{`record.kubernetes.ns matches "^sh"`, true, ""},
		{`record.missing matches "^sh"`, false, ""},
		{`not (record.missing contains "x")`, true, ""},
		{`record.took * 2 == 3`, true, ""},
		{`record.ok`, true, ""},
		{`record.missing`, false, ""},
		{`!record.ok`, false, ""},
		{`record.list[1] == 2`, true, ""},
		{`record.missing[1] == nil`, true, ""},
		{`any(record.list, # > 2)`, true, ""},
		{`any(record.items, .n == 2)`, true, ""},
		{`all(record.items, #.x.y == nil)`, true, ""},
		{`len(record.words) == 2 && "a" in record.words`, true, ""},
		{`"level" in record`, true, ""},
		{`"missing" in record`, false, ""},
		{`record[record.level] == nil`, true, ""},
		{`metadata.stream == "a"`, true, ""},
		{`metadata.other.x == nil`, true, ""},
		{`time.Year() == 2023 && time.Nanosecond() == 5`, true, ""},
		{`record.level + "-" + tag == "warn-kube.web"`, true, ""},
		{`record.status + 1 == 405`, true, ""},
		{`record.status + record.status == 808`, true, ""},
		{`record.big > 1`, true, ""},
		{`let l = record.level; l == "warn"`, true, ""},
		{`replace(record.level, "w", "W") == "Warn"`, true, ""},
		{`join(record.words, "-") == "a-b"`, true, ""},
		{`toJSON(record.list) == "[1,2,3]"`, true, ""},
		{`upper(record.level) == "WARN"`, true, ""},
		{`(record.missing ?? "none") == "none"`, true, ""},

		{`record.missing > 5`, false, "evaluate"},
		{`record.level > 5`, false, "evaluate"},
		{`record.level`, false, "a text where another kind of value is wanted"},
		{`record.level + record.status == "x"`, false, "can't be added"},
		{`any(1..5000, any(1..5000, # < 0))`, false, "too much to do"},
		{`all(1..9999, len(filter(1..9999, # > 0)) > 0)`, false, "memory budget exceeded"},
		{`any(map(1..4096, record.list), all(#, # > 0))`, false, "too much to do"},
		{
			`let a = record.level + record.level; let b = a+a+a+a+a+a+a+a; let c = b+b+b+b+b+b+b+b; let d = ` +
				`c+c+c+c+c+c+c+c; ` +
				`let e = d+d+d+d+d+d+d+d; let f = e+e+e+e+e+e+e+e; let g = f+f+f+f+f+f+f+f; g+g+g+g+g+g+g+g == ""`,
			false, "more than",
		},
		{
			`replace(replace(replace("aaaaaaaaaaaaaaaa", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "a", ` +
				`"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "a", "` +
				strings.Repeat("a", 200) + `") == ""`, false, "more than",
		},
		{`1 % int(record.took - 1.5) == 0`, false, "evaluate"},
	} {
		c, err := NewCondition(tc.text)
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
			continue
		}
		for range 2 { // the second time from what is remembered
			e := newEvent(t, conditionRecord)
			got, err := c.True(e)
			if got != tc.want || (err == nil) != (tc.fail == "") ||
				err != nil && !strings.Contains(err.Error(), tc.fail) {
				t.Errorf("%s: %v, %v; want %v, %q", tc.text, got, err, tc.want, tc.fail)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: more than a line: %v", tc.text, err)
			}
		}
	}
}

func TestNewConditionFails(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{``, "unexpected"},
		{`record.level ==`, "line 1, column"},
		{`rekord.level == "x"`, "column 1: unknown name rekord; known are cluster, tag, time, record, metadata"},
		{`cluster == 5`, `column 9: invalid operation: == (mismatched types a text and an integer)`},
		{`cluster`, "expected a truth value, but got a text"},
		{`cluster + 1 == 2`, "mismatched types"},
		{`time > 5`, "mismatched types"},
		{`time.Foo() > 5`, "Foo"},
		{`repeat("x", 1000000000) == ""`, "repeat"},
		{`len(1..1000000000) > 0`, "a range"},
		{`any(1..record.n, true)`, "a range"},
		{`record.level matches record.level`, "in quotes"},
		{`record.level matches "("`, "missing closing"},
		{`$env["record"] == nil`, "$env"},
		{`spend(1)`, "unknown name spend"},
		{strings.Repeat("(", 9000), "the limit is"},
		{"cluster == \"a\"" + strings.Repeat(" || cluster == \"a\"", 400), "nodes"},
		{"cluster ==\n  5", "line 1, column 9"},
	} {
		if _, err := NewCondition(tc.text); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.60s: %v, want %q", tc.text, err, tc.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: more than a line: %v", tc.text, err)
		}
	}
}

// What is remembered of the event before must not show where it is not the same.
func TestConditionSeesEachEvent(t *testing.T) {
	c, err := NewCondition(`record.n == 1 || cluster == "busan" || metadata.stream == "b"`)
	if err != nil {
		t.Fatal(err)
	}
	check := func(e *Event, want bool) {
		t.Helper()
		if got, err := c.True(e); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", show(t, e.Rendered()), got, err, want)
		}
	}
	e := newEvent(t, `{"n":1}`)
	check(e, true)
	check(newEvent(t, `{"n":2}`), false)
	check(newEvent(t, `{}`), false)
	check(newEvent(t, `{"n":1}`), true)
	e.Set(AppendInt(nil, 2), "n")
	check(e, false)
	e.Chunk = &event.Chunk{Cluster: "busan"}
	check(e, true)
	e.Chunk = &event.Chunk{Cluster: "seoul"}
	check(e, false)
	e.Metadata = pack(t, `{"stream":"b"}`)
	check(e, true)
	long := `"` + strings.Repeat("x", 100) + `"`
	check(newEvent(t, `{"n":`+long+`}`), false)
}

func TestExpressionAppend(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{`record.status * 2`, `808`},
		{`record.status / 8`, `50.5`},
		{`{"a": record.level, "b": [1, nil, true]}`, `{"a":"warn","b":[1,null,true]}`},
		{`record.kubernetes`, `{"labels":{"app.name":"web"},"ns":"shop"}`},
		{`record.missing`, `null`},
		{`time`, `"2023-11-14T22:13:20.000000005Z"`},
		{`duration("90s")`, `"1m30s"`},
		{`map(record.list, # + 1)`, `[2,3,4]`},
		{`split("a,b", ",")`, `["a","b"]`},
		{`record.level == "warn" ? "W" : "-"`, `"W"`},
	} {
		x, err := NewExpression(tc.text)
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
			continue
		}
		got, err := x.Append(nil, newEvent(t, conditionRecord))
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
		} else if text := show(t, got); text != tc.want {
			t.Errorf("%s: %s, want %s", tc.text, text, tc.want)
		}
	}
}

// A record with very many values costs an expression that uses them an error, and others nothing.
func TestConditionOfHugeRecord(t *testing.T) {
	e := newEvent(t, `{"n":1,"list":[`+strings.Repeat("1,", 9999)+`1]}`)
	for text, fails := range map[string]bool{
		`record.n == 1`: false, `any(record.list, # == 2)`: true, `len(record) == 2`: true,
	} {
		c, err := NewCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.True(e); (err != nil) != fails {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, text := range []string{
		`record.a.b == 1`, `any(record.list, # in record.list)`, `record.level matches "a+"`, `record?.a[0].b`,
		`let x = record; x.y`, `map(1..3, {#: time})`,
	} {
		f.Add(text, []byte("\x82\xa1a\x81\xa1b\x01\xa4list\x93\x01\xa1x\xc0"))
	}
	f.Fuzz(func(t *testing.T, text string, record []byte) {
		x, err := NewExpression(text)
		if err != nil {
			return
		}
		var entry event.Entry
		b := event.AppendEntry(nil, event.AppendTime(nil, event.Time{}), nil, record)
		if _, err := event.ReadEntry(b, &entry); err != nil || entry.Kind != event.KindEvent {
			return
		}
		e := &Event{}
		e.Reset(&event.Event{Chunk: &event.Chunk{}, Record: entry.Record}, nil)
		if out, err := x.Append(nil, e); err == nil {
			if rest, err := event.Skip(out); err != nil || len(rest) > 0 {
				t.Fatalf("%q: %x: %v", text, out, err)
			}
		}
	})
}

func BenchmarkCondition(b *testing.B) {
	for _, text := range []string{
		`cluster == "seoul"`, `record.level != "debug"`, `record.status >= 500 || record.path startsWith "/api"`,
		`record.kubernetes.labels.app in ["web", "api"]`, `time.Hour() > 3`,
	} {
		c, err := NewCondition(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			e := newEvent(b, kubernetesRecord)
			ev := e.Event
			for b.Loop() {
				e.Reset(&ev, nil)
				_, _ = c.True(e)
			}
		})
	}
}
