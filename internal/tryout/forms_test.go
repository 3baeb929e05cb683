package tryout_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
)

// simple lets through what it is given, but for what is to be dropped or refused.
const simple = `
filters:
  f:
    - grep: {exclude: {log: "^drop"}}
    - parse: {field: strict, format: json, on_error: dead_letter}
      when: record.strict != nil
routes: [{match: "**", filters: [f], outputs: [out]}]
outputs: {out: {type: stdout, fields: {time: "", tag: "", cluster: ""}}}
`

// What people give to try: objects, texts, and what is neither. A line that only looks like an object is taken as a
// text, as send takes it, and that is said.
func TestTry_Lines(t *testing.T) {
	c := load(t, "simple", []byte(simple), "")
	for _, tc := range []struct {
		name, in, document string
		events             int
		broken             string
	}{
		{"an object", `{"a":1}`, `{"a":1}`, 1, ""},
		{"indented", `  {"a":1}  `, `{"a":1}`, 1, ""},
		{"behind a byte order mark", "\ufeff" + `{"a":1}`, `{"a":1}`, 1, ""},
		{"of Windows", "{\"a\":1}\r\n\r\n{\"b\":2}\r\n", `{"b":2}`, 2, ""},
		{"a text", `GET / HTTP/1.1`, `{"log":"GET / HTTP/1.1"}`, 1, ""},
		{"a number", `5`, `{"log":"5"}`, 1, ""},
		{"an array", `[{"a":1}]`, `{"log":"[{\"a\":1}]"}`, 1, ""},
		{"nothing", "\n \n\t\n", "", 0, ""},
		{"msgpack", "\x81\xa1a\x01", "{\"log\":\"\ufffd\ufffda", 1, ""},
		{"a large number", `{"n":18446744073709551615}`, `{"n":18446744073709551615}`, 1, ""},
		{"a key twice", `{"a":1,"a":2}`, `{"a":2}`, 1, ""},
		{"cut", `{"a":1`, `{"log":"{\"a\":1"}`, 1, "taken as text: 1; the first is event 1: "},
		{"with a comma too many", `{"a":1,}`, `{"log":"{\"a\":1,}"}`, 1, "taken as text: 1; the first is event 1: "},
		{"single quotes", `{'a': 1}`, `{"log":"{'a': 1}"}`, 1, "taken as text: 1; the first is event 1: "},
		{
			"two in a line", `{"a":1} {"b":2}`, `{"log":"{\"a\":1} {\"b\":2}"}`, 1,
			"event 1: something follows the object",
		},
		{"over several lines", "{\n  \"a\": 1\n}\n", `{"log":"}"}`, 3, "taken as text: 1; the first is event 1: "},
		{"broken later", "{}\nx\n{\"a\n{\n", `{"log":"{\"a"}`, 4, "taken as text: 2; the first is event 3: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, n := try(t, c, tryout.Options{}, tc.in)
			if !strings.Contains(got, tc.document) || n.Events != tc.events || n.Delivered != tc.events {
				t.Errorf("%v: %s", n, got)
			}
			if said := n.String(); !strings.Contains(said, tc.broken) || (n.Broken > 0) != (tc.broken != "") {
				t.Errorf("it says %q, want %q", said, tc.broken)
			}
		})
	}
}

// What a file of tests can say, each as an example that passes.
func TestTests_Forms(t *testing.T) {
	c := load(t, "simple", []byte(simple), "")
	for name, text := range map[string]string{
		"a record":              "- {name: a, input: {a: 1}, expect: {record: {a: 1}}}",
		"a text":                "- {name: a, input: x, expect: {record: {log: x}}}",
		"lines":                 "- {name: a, input: \"x\\ny\\n\", expect: [{record: {log: x}}, {record: {log: y}}]}",
		"no events":             "- {name: a, input: [], expect: []}",
		"delivered":             "- {name: a, input: x, expect: delivered}",
		"dropped":               "- {name: a, input: drop it, expect: dropped}",
		"dropped, whatever for": "- {name: a, input: drop it, expect: {dropped: true}}",
		"dropped, with no word": "- {name: a, input: drop it, expect: {dropped: }}",
		"dropped by a step":     "- {name: a, input: drop it, expect: {dropped: grep}}",
		"refused":               "- {name: a, input: {strict: no}, expect: {dead_letter: true}}",
		"a part of the record":  "- {name: a, input: {a: 1, b: 2}, expect: {contains: {b: 2}}}",
		"a document": "- {name: a, input: {a: 1}," +
			" expect: {document: {a: 1}, targets: standard output, outputs: out}}",
		"an alias":           "- {name: a, input: &x {a: 1}, expect: {record: *x}}",
		"an alias in a list": "- {name: &x out, input: {a: 1}, expect: {outputs: [*x]}}",
		"a merged record": "- {name: a, input: [&x {a: 1, b: 2}, {<<: *x, b: 3}]," +
			" expect: [{}, {record: {b: 3, a: 1}}]}",
		"a merge of several": "- {name: a, input: [&x {a: 1}, {<<: [*x, {a: 2, c: 3}]}]," +
			" expect: [{}, {record: {a: 1, c: 3}}]}",
		"a merged test":        "- &x {name: a, input: {a: 1}, expect: {record: {a: 1}}}\n- {<<: *x, name: b}",
		"comments and a start": "# tests\n---\n- {name: a, input: x, expect: delivered} # one\n",
	} {
		tests, err := c.ReadTests("x.tests.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var out strings.Builder
		if failed, err := c.RunTests(tests, &out, false); failed > 0 || err != nil || len(tests) == 0 {
			t.Errorf("%s: %d of %d failed, %v\n%s", name, failed, len(tests), err, &out)
		}
	}
}

// What a file of tests can't say is told with its line and what to write; none of it passes unseen.
func TestTests_Mistakes(t *testing.T) {
	c := load(t, "simple", []byte(simple), "")
	const right = "- {name: a, input: x, expect: delivered}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"a second document": {right + "---\n" + right, "x:2: a second YAML document: write all tests into one list"},
		"one that is none":  {right + "---\n[", "x: not valid YAML: "},
		"a slip": {
			"- {name: a, inpt: x, expect: delivered}",
			`x:1: a test has no key "inpt": did you mean input?`,
		},
		"another word": {
			"- {name: a, given: x, input: y, expect: delivered}",
			`x:1: a test has no key "given": write one of cluster, expect, input, metadata, name, tag, time`,
		},
		"a slip in what is expected": {
			"- name: a\n  input: x\n  expect:\n    contain: {a: 1}",
			`x:4: an expectation has no key "contain": did you mean contains?`,
		},
		"an empty input": {"- {name: a, input: , expect: []}", "x:1: input is empty: write a record, a text"},
		"an empty text":  {"- {name: a, input: '', expect: []}", "x:1: input is empty: write a record, a text"},
		"no such output": {
			"- {name: a, input: x, expect: {outputs: [es]}}",
			`there is no output "es": the configuration has out`,
		},
		"an output in braces": {"- {name: a, input: x, expect: {outputs: [{a: b}]}}", "x:1: should be a text"},
		"a target in braces":  {"- {name: a, input: x, expect: {targets: {a: b}}}", "x:1: should be a text"},
		"both at once": {
			"- {name: a, input: x, expect: {dropped: y, dead_letter: z}}",
			"an event is dropped or dead_letter, not both",
		},
		"a record of nothing": {
			"- {name: a, input: x, expect: {dropped: y, record: {a: 1}}}",
			"x:1: an event that is dropped has no record, contains, document or targets: leave them out",
		},
		"a target of nothing": {
			"- {name: a, input: x, expect: {dead_letter: y, targets: [z]}}",
			"an event that is dead_letter has no",
		},
		"a merge of a text": {"- {name: a, input: {<<: x}, expect: delivered}", "x:1: << takes a mapping"},
		"a merge of itself": {
			"- {name: a, input: &x {<<: *x}, expect: delivered}",
			"x:1: << takes a mapping that is not within itself",
		},
		"of itself twice": {"- {name: a, input: &x {<<: [*x, *x]}, expect: delivered}", "is not within itself"},
		"no list": {
			"name: a\ninput: x\nexpect: delivered\n",
			"x: should be a list of tests, each with name, input and expect",
		},
		"a time of day": {
			"- {name: a, time: 12:00, input: x, expect: delivered}",
			`time "12:00": write it as 2026-01-01T00:00:00Z`,
		},
		"a time in braces": {
			"- {name: a, time: {a: b}, input: x, expect: delivered}",
			"write it as 2026-01-01T00:00:00Z",
		},
		"metadata as text": {
			"- {name: a, metadata: x, input: x, expect: delivered}",
			"x:1: a record should be a mapping",
		},
	} {
		if tests, err := c.ReadTests("x", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %d tests, %v, want %s", name, len(tests), err, tc.want)
		}
	}
}
