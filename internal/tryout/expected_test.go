package tryout_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
)

// small has a step that drops, one that fails, and an output with fields of its own.
const small = `
clusters: [{name: a, shared_key: k1}, {name: b, shared_key: k2, fields: {zone: z}}]
filters:
  f:
    - grep: {exclude: {level: debug}}
    - parse: {field: json, format: json, on_error: dead_letter}
      when: record.json != nil
routes:
  - {match: "web.**", filters: [f], outputs: [out, es]}
  - {match: "db.**", outputs: [out]}
outputs:
  out: {type: stdout}
  es: {type: elasticsearch, hosts: ["http://127.0.0.1:9200"], index: "logs-{tag}-%Y", fields: {tag: "", cluster: ""}}
`

// checked runs one test, written as YAML, and returns what it says.
func checked(t *testing.T, c *tryout.Configuration, text string) string {
	t.Helper()
	tests, err := c.ReadTests("x", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(tests) != 1 {
		t.Fatalf("%d tests in\n%s", len(tests), text)
	}
	wrong, err := c.Check(&tests[0])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(wrong, "\n")
}

// TestExpectations holds each key of an expectation: where it is met, and what is said where it is not.
func TestExpectations(t *testing.T) {
	c := load(t, "small", []byte(small), "")
	const at = "event 1, expected at line 1:\n"
	for _, tc := range []struct{ name, input, expect, want string }{
		{"delivered", "{a: 1}", "delivered", ""},
		{"delivered, and nothing else asked", "{a: 1}", "{}", ""},
		{"dropped", "{level: debug}", "dropped", ""},
		{"dropped, by what", "{level: debug}", `{dropped: "f[0] grep"}`, ""},
		{"dropped, by a part of what", "{level: debug}", "{dropped: grep}", ""},
		{"dropped, whatever the reason", "{level: debug}", "{dropped: }", ""},
		{"dropped, and true", "{level: debug}", "{dropped: true}", ""},
		{
			"dropped, by another step", "{level: debug}", "{dropped: sample}",
			at + "  - reason: sample\n  + reason: f[0] grep",
		},
		{
			"dropped, and false is a text", "{level: debug}", "{dropped: false}",
			at + "  - reason: false\n  + reason: f[0] grep",
		},
		{"a dead letter", "{json: x}", "dead_letter", ""},
		{"a dead letter, why", "{json: x}", "{dead_letter: not a JSON object}", ""},
		{
			"a dead letter, and why not", "{json: x}", "{dead_letter: no time}",
			at + "  - reason: no time\n  + reason: filter: parse: field json: not a JSON object",
		},
		{
			"dropped, and not a dead letter", "{level: debug}", "dead_letter",
			at + "  - result: dead_letter\n  + result: dropped: f[0] grep",
		},
		{
			"a dead letter, and not delivered", "{json: x}", "delivered",
			at + "  - result: delivered\n  + result: dead_letter: filter: parse: field json: not a JSON object",
		},
		{"outputs in any order", "{a: 1}", "{outputs: [es, out]}", ""},
		{"too few outputs", "{a: 1}", "{outputs: es}", at + "  - outputs: es\n  + outputs: out, es"},
		{"a route by its number", "{a: 1}", "{route: 0}", ""},
		{"a route by its place", "{a: 1}", "{route: 'routes[0]'}", ""},
		{"a route by its pattern", "{a: 1}", "{route: web.**}", ""},
		{"another route", "{a: 1}", "{route: db.**}", at + "  - route: routes[1]\n  + route: routes[0]"},
		{"the time in another zone", "{a: 1}", "{time: 2026-01-01T09:00:00+09:00}", ""},
		{
			"another time", "{a: 1}", "{time: 2026-01-01T00:00:00.000000001Z}",
			at + "  - time: 2026-01-01T00:00:00.000000001Z\n  + time: 2026-01-01T00:00:00Z",
		},
		{"a part of the record", "{a: 1, b: {c: 2}}", "{contains: {a: 1}}", ""},
		{"nothing of the record", "{a: 1}", "{contains: {}}", ""},
		{"more than the record", "{a: 1}", "{contains: {b: 2}}", at + "  - record b: 2"},
		{"another value", "{a: 1}", "{contains: {a: '1'}}", at + "  - record a: \"1\"\n  + record a: 1"},
		{"the whole record in another order", "{a: 1, b: 2}", "{record: {b: 2, a: 1}}", ""},
		{"a field too many", "{a: 1, b: 2}", "{record: {a: 1}}", at + "  + record b: 2"},
		{"a field too few", "{a: 1}", "{record: {a: 1, b: null}}", at + "  - record b: null"},
		{"a map in a map", "{a: {b: [1, {c: 2}]}}", "{record: {a: {b: [1, {c: 2}]}}}", ""},
		{"targets", "{a: 1}", "{targets: [standard output, index logs-web.x-2026]}", ""},
		{
			"a target too few", "{a: 1}", "{targets: standard output}",
			at + "  - targets: standard output\n  + targets: standard output; index logs-web.x-2026",
		},
		{"documents with what is added", "{a: 1}", "{document: {a: 1}}", ""},
		{
			"a document of one output alone", "{a: 1}", "{document: {cluster: a}}",
			at + "  - document for es: cluster: \"a\"",
		},
		{
			"two events of one", "{a: 1}", "[delivered, dropped]",
			"line 1 expects one more event (dropped), but nothing more came out",
		},
		{
			"one event of two", "[{a: 1}, {level: debug}]", "delivered",
			"event 2 is not expected: dropped: f[0] grep",
		},
		{
			"one too many, delivered", "[{level: debug}, {a: 1}]", "dropped",
			`event 2 is not expected: delivered by routes[0] to out, es: {"a":1}`,
		},
		{"nothing of nothing", "[]", "[]", ""},
		{"events in their order", "[{level: debug}, {a: 1}]", "[dropped, {contains: {a: 1}}]", ""},
	} {
		got := checked(t, c, "[{name: n, tag: web.x, input: "+tc.input+", expect: "+tc.expect+"}]")
		if got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
}

// TestInputs holds what input can be, and what events it makes.
func TestInputs(t *testing.T) {
	c := load(t, "small", []byte(small), "")
	for _, tc := range []struct{ name, test, want string }{
		{"a text", "input: hello, expect: {record: {log: hello}}", ""},
		{"a text that is a number", "input: 15, expect: {record: {log: '15'}}", ""},
		{"a text that is JSON", `input: '{"a": 1}', expect: {record: {a: 1}}`, ""},
		{"a text that is JSON all but", `input: '{"a": 1', expect: {record: {log: '{"a": 1'}}`, ""},
		{"lines", `input: "a\nb\r\n", expect: [{record: {log: a}}, {record: {log: b}}]`, ""},
		{"texts and records", `input: [a, {b: 1}], expect: [{record: {log: a}}, {record: {b: 1}}]`, ""},
		{"hexadecimal and infinite", "input: {a: 0x1f, b: .inf, c: 1_000}, expect: {record: {a: 31, b: null, " +
			"c: 1000}}", ""},
		{"yes is no text", "input: {a: true, b: yes, c: ~}, expect: {record: {a: true, b: 'yes', c: null}}", ""},
		{"quotes, and what is below a blank", `input: {a: "\"\\\t\u0001"}, expect: {record: {a: "\"\\\t\u0001"}}`, ""},
		{"keys that are no texts", "input: {1: a, true: b}, expect: {record: {'1': a, 'true': b}}", ""},
		{"Unicode", "input: {이름: 서울, 😀: ß}, expect: {record: {이름: 서울, 😀: ß}}", ""},
		{"a large number", "input: {n: 18446744073709551615}, expect: {record: {n: 18446744073709551615}}", ""},
		{"a cluster with fields", "cluster: b, input: a, expect: {document: {zone: z}}", ""},
		{
			"the other cluster has none", "cluster: a, input: a, expect: {document: {zone: z}}",
			"event 1, expected at line 1:\n  - document for out: zone: \"z\"",
		},
		{"a time for all of its events", "time: 2027-05-06T07:08:09.5Z, input: [a, b], expect: [" +
			"{time: 2027-05-06T07:08:09.5Z}, {time: 2027-05-06T16:08:09.5+09:00}]", ""},
		{"metadata", "metadata: {m: 1}, input: {a: 1}, expect: {record: {a: 1}}", ""},
		{"a tag that no route takes", "tag: other, input: a, expect: {dead_letter: unrouted}", ""},
		{"an alias", "input: [&e {a: 1}, *e], expect: [{record: &r {a: 1}}, {record: *r}]", ""},
		{"what is merged", "input: {<<: {a: 1, b: 2}, b: 3}, expect: {record: {a: 1, b: 3}}", ""},
		{
			"several that are merged", "input: {<<: [{a: 1}, {a: 2, b: 2}], c: 3}, " +
				"expect: {record: {a: 1, b: 2, c: 3}}", "",
		},
	} {
		tag := "tag: db.x, "
		if strings.HasPrefix(tc.test, "tag:") {
			tag = ""
		}
		if got := checked(t, c, "[{name: n, "+tag+tc.test+"}]"); got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
}

// TestMistakes holds what is said of tests that can't be meant so, each with its line.
func TestMistakes(t *testing.T) {
	c := load(t, "small", []byte(small), "")
	const rest = ", input: a, expect: dropped}]"
	for _, tc := range []struct{ name, file, want string }{
		{"a second document", "- {name: a}\n---\n- {name: b}", "x:2: a second YAML document: write all tests into " +
			"one list, and remove the ---"},
		{"broken behind the first", "[{name: a" + rest + "\n---\n[", "x: not valid YAML: "},
		{"a mapping of tests", "a: {name: b}", "x: should be a list of tests, each with name, input and expect"},
		{"an empty list", "[]", "x: should be a list of tests, each with name, input and expect"},
		{"nearly a key", "[{nam: a" + rest, `x:1: a test has no key "nam": did you mean name?`},
		{"no name", "[{name: ''" + rest, "x:1: a test needs a name"},
		{"no such cluster", "[{name: a, cluster: c" + rest, `x:1: there is no cluster "c": the configuration has a, b`},
		{"metadata that is a text", "[{name: a, metadata: x" + rest, "x:1: a record should be a mapping"},
		{"a tag that is a list", "[{name: a, tag: [x]" + rest, "x:1: should be a text"},
		{
			"a day without a time", "[{name: a, time: 2026-01-01" + rest,
			`x:1: time "2026-01-01": write it as 2026-01-01T00:00:00Z`,
		},
		{
			"an empty text", "[{name: a, input: '', expect: dropped}]",
			"x:1: input is empty: write a record, a text or a list of them, [] for none",
		},
		{
			"no such result", "[{name: a, input: a, expect: joined}]",
			`x:1: expect "joined": write delivered, dropped, dead_letter or a mapping with record or contains`,
		},
		{
			"both", "[{name: a, input: a, expect: {dropped: x, dead_letter: y}}]",
			"x:1: an event is dropped or dead_letter, not both",
		},
		{
			"a record of none", "[{name: a, input: a, expect: {dropped: x, contains: {a: 1}}}]",
			"x:1: an event that is dropped has no record, contains, document or targets: leave them out",
		},
		{
			"targets of a dead letter", "[{name: a, input: a, expect: {dead_letter: x, targets: [y]}}]",
			"x:1: an event that is dead_letter has no record, contains, document or targets: leave them out",
		},
		{
			"no such output", "[{name: a, input: a, expect: {outputs: [out, s3]}}]",
			`x:1: there is no output "s3": the configuration has es, out`,
		},
		{"a reason that is a list", "[{name: a, input: a, expect: {dropped: [x]}}]", "x:1: should be a text"},
		{
			"merged with a text", "[{<<: x, name: a" + rest,
			"x:1: << takes a mapping that is not within itself, or a list of them",
		},
		{"no base64", "[{name: a, input: {b: !!binary '%'}, expect: dropped}]", "x:1: !!binary should be base64: "},
	} {
		_, err := c.ReadTests("x", []byte(tc.file))
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
	}
}

// TestMistakesHaveAnEnd holds that of very many mistakes a hundred are told.
func TestMistakesHaveAnEnd(t *testing.T) {
	c := load(t, "small", []byte(small), "")
	for mistakes, want := range map[int]int{1: 1, 100: 100, 101: 100, 500: 100} {
		_, err := c.ReadTests("x", []byte(strings.Repeat("- {name: a, input: a, expect: gone}\n", mistakes)))
		if err == nil {
			t.Fatalf("%d mistakes were taken", mistakes)
		}
		if got := len(strings.Split(err.Error(), "\n")); got != want {
			t.Errorf("%d lines are said of %d mistakes, want %d", got, mistakes, want)
		}
	}
}
