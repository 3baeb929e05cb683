package tryout_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
)

// everything has routes and steps of all kinds of outcomes.
const everything = `
clusters:
  - {name: seoul, shared_key: k1, tags: ["kube.**", "app.**", "none"], fields: {region: ap-northeast-2}}
  - {name: tokyo, shared_key: k2}
filters:
  web:
    - parse: {field: log, format: cri, on_error: tag}
    - grep: {exclude: {message: "^health"}}
    - modify: {set: {service: web}, remove: [logtag]}
      when: 'record.message != "plain"'
    - expr: {set: {n: 'int(record.message)'}}
      when: 'record.message startsWith "int"'
  strict:
    - parse: {field: log, format: json, on_error: dead_letter}
routes:
  - match: "kube.**"
    when: 'record.keep != false'
    filters: [web]
    outputs: [es, archive]
  - {match: "app.{web,api}.**", clusters: [tokyo], filters: [strict], outputs: [archive], continue: true}
  - {match: "app.**", outputs: [es]}
outputs:
  archive: {type: file, path: "x/{tag}", fields: {tag: "", cluster: ""}}
  es: {type: stdout}
`

func try(t *testing.T, c *tryout.Configuration, o tryout.Options, lines ...string) (string, tryout.Counts) {
	t.Helper()
	o.Now = start
	var out strings.Builder
	n, err := c.Try(t.Context(), strings.NewReader(strings.Join(lines, "\n")), &out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), n
}

// Where an event goes is expected of each output, in their order.
func TestTargets(t *testing.T) {
	c := load(t, "targets", []byte(`
routes: [{match: "**", outputs: [console, es, archive]}]
outputs:
  console: {type: stdout}
  es: {type: elasticsearch, hosts: ["http://127.0.0.1:9200"], index: "logs-{tag}-%Y.%m.%d"}
  archive: {type: file, path: "archive/{tag}"}
`), "")
	tests, err := c.ReadTests("x.tests.yaml", []byte(`
- {name: right, tag: web, input: x, expect: {targets: [standard output, "index logs-web-2026.01.01", file archive/web]}}
- {name: wrong, tag: web, input: x, expect: {targets: [standard output, "index logs-web", file archive/web]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	failed, err := c.RunTests(tests, &out, false)
	if failed != 1 || err != nil ||
		!strings.Contains(out.String(), "+ targets: standard output; index logs-web-2026.01.01; file archive/web\n") {
		t.Errorf("%d failed, %v\n%s", failed, err, out.String())
	}
}

// TestTry compares what is shown with golden files: text, JSON, and text with colours.
func TestTry(t *testing.T) {
	c := load(t, "everything", []byte(everything), "")
	lines := []string{
		`{"log":"2026-03-01T09:15:02Z stdout F hello","stream":1,"x":"\u001b[31m\u009b"}`, "", "no CRI\r",
		`{"log":"2026-03-01T09:15:02Z stdout F health"}`,
		`{"log":"2026-03-01T09:15:02Z stdout P one "}`,
		`{"log":"2026-03-01T09:15:02Z stdout F plain"}`,
		`{"log":"2026-03-01T09:15:02Z stdout F plain"}`,
		`{"log":"2026-03-01T09:15:02Z stdout F integer"}`,
		`{"keep":false,"log":"\u001b[31mred\u009b"}`,
	}
	for name, tc := range map[string]struct {
		o     tryout.Options
		lines []string
	}{
		"steps.txt":    {tryout.Options{}, lines},
		"steps.ndjson": {tryout.Options{JSON: true}, lines},
		"colors.txt":   {tryout.Options{Color: true}, lines},
		"dead.txt":     {tryout.Options{Cluster: "tokyo", Tag: "app.web.1"}, []string{`{"log":"{\"a\":1}"}`, "x"}},
		"refused.txt":  {tryout.Options{Cluster: "seoul", Tag: "host.x"}, []string{"x"}},
		"unrouted.txt": {tryout.Options{Cluster: "seoul", Tag: "none"}, []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := try(t, c, tc.o, tc.lines...)
			file := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || got != string(want) {
				t.Errorf("%v: want\n%s\ngot\n%s", err, want, got)
			}
			if escapes := strings.Contains(got, "\x1b"); escapes != tc.o.Color ||
				strings.Contains(got, "\u009b") && !tc.o.JSON {
				t.Errorf("escapes of a terminal: %q", got)
			}
		})
	}
}

// TestExample: events get a cluster and a tag that the route is for.
func TestExample(t *testing.T) {
	for _, tc := range []struct{ route, cluster, tag string }{
		{"", "seoul", "kube.example"},
		{"0", "seoul", "kube.example"},
		{"routes[1]", "tokyo", "app.web.example"},
		{"app.**", "seoul", "app.example"},
	} {
		c := load(t, "everything", []byte(everything), tc.route)
		if cluster, tag := c.Example(); cluster != tc.cluster || tag != tc.tag {
			t.Errorf("route %q: %s %s, want %s %s", tc.route, cluster, tag, tc.cluster, tc.tag)
		}
	}
}

// TestOneRoute: a route that is named takes what it would not get otherwise, and is shown as itself.
func TestOneRoute(t *testing.T) {
	c := load(t, "everything", []byte(everything), "1")
	got, n := try(t, c, tryout.Options{Cluster: "seoul", Tag: "anything"}, `{"log":"{\"a\":1}"}`)
	if n.Delivered != 1 || !strings.Contains(got, "routes[1] app.{web,api}.**") || strings.Contains(got, "→ es") {
		t.Errorf("%v\n%s", n, got)
	}
}

// TestBytes: lines and tests can have bytes that are not UTF-8, as agents send them.
func TestBytes(t *testing.T) {
	c := load(t, "bytes", []byte(`
filters: {f: [{grep: {include: {log: "^ERROR caf.$"}}}, {expr: {set: {bytes: base64(record.log)}}}]}
routes: [{match: "**", filters: [f], outputs: [o]}]
outputs: {o: {type: stdout}}
`), "")
	for _, line := range []string{"ERROR caf\xe9", `{"log":"ERROR caf` + "\xe9" + `\n"}`} {
		if got, n := try(t, c, tryout.Options{JSON: true}, line); n.Delivered != 1 ||
			!strings.Contains(got, "\"ERROR caf\ufffd") || !strings.Contains(got, `"RVJST1IgY2Fm6`) {
			t.Errorf("%q: %v\n%s", line, n, got)
		}
	}
	tests, err := c.ReadTests("x.tests.yaml", []byte(`
- name: bytes
  input: [!!binary RVJST1IgY2Fm6Q==, {log: !!binary "RVJST1IgY2Fm6Q=="}]
  expect: [{record: {log: "ERROR caf\uFFFD", bytes: RVJST1IgY2Fm6Q==}}, {contains: {log: "ERROR caf\uFFFD"}}]
`))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if failed, err := c.RunTests(tests, &out, false); failed != 0 || err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if _, err := c.ReadTests("x.tests.yaml", []byte(`[{name: a, input: !!binary "?", expect: dropped}]`)); err == nil {
		t.Error("no base64, and no error")
	}
}

func TestTestsFile(t *testing.T) {
	for name, want := range map[string]string{
		"aggregator.yaml": "aggregator.tests.yaml", "/etc/a.b/x.yml": "/etc/a.b/x.tests.yml", "conf": "conf.tests.yaml",
	} {
		if got := tryout.TestsFile(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestFailures: a test that fails says at which line it is, and what is otherwise.
func TestFailures(t *testing.T) {
	c := load(t, "everything", []byte(everything), "")
	const file = `
- name: passes
  tag: kube.x
  time: 2026-03-01T00:00:00Z
  input: {a: {b: 1.0, c: [1e0, {x: 1, y: 2}], d: 0x1f}, log: 1, keep: true}
  expect: {time: "2026-03-01T00:00:00Z", record: {a: {c: [1, {y: 2, x: 1}], b: 1, d: 31}, log: 1, keep: true,
    _parse_error: the field is not a text, service: web}}
- name: differs
  tag: kube.x
  input: "2026-03-01T09:15:02Z stdout F hello"
  expect:
    route: 2
    outputs: [es]
    time: 2026-03-01T09:15:03Z
    record: {stream: stderr, message: hello, extra: 1}
- name: too much and too little
  tag: kube.x
  input: ["2026-03-01T09:15:02Z stdout F hello", "2026-03-01T09:15:02Z stdout F health"]
  expect: [dropped]
- name: less
  tag: kube.x
  input: []
  expect: {dead_letter: x}
- name: document
  cluster: seoul
  tag: app.x
  input: {a: 1}
  expect: {document: {region: eu, tag: app.x}}
`
	tests, err := c.ReadTests("x.tests.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	failed, err := c.RunTests(tests, &out, false)
	if err != nil || failed != 4 {
		t.Errorf("%d failed, %v", failed, err)
	}
	const want = `ok    x.tests.yaml:2: passes
FAIL  x.tests.yaml:8: differs
      event 1, expected at line 12:
        - route: routes[2]
        + route: routes[0]
        - outputs: es
        + outputs: es, archive
        - time: 2026-03-01T09:15:03Z
        + time: 2026-03-01T09:15:02Z
        - record stream: "stderr"
        + record stream: "stdout"
        - record extra: 1
        + record service: "web"
FAIL  x.tests.yaml:16: too much and too little
      event 1, expected at line 19:
        - result: dropped
        + result: delivered by routes[0] to es, archive: {"stream":"stdout","message":"hello","service":"web"}
      event 2 is not expected: dropped: web[1] grep
FAIL  x.tests.yaml:20: less
      line 23 expects one more event (dead_letter), but nothing more came out
FAIL  x.tests.yaml:24: document
      event 1, expected at line 28:
        - document for es: region: "eu"
        + document for es: region: "ap-northeast-2"
`
	if got := out.String(); got != want {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
}

// TestReadTests_Failure: mistakes are named with their lines, all at once.
func TestReadTests_Failure(t *testing.T) {
	c := load(t, "everything", []byte(everything), "")
	for text, want := range map[string]string{
		"":              "should be a list of tests",
		"tests: []":     "should be a list of tests",
		"- [":           "not valid YAML",
		"- 1":           "x:1: a test should be a mapping",
		"- {name: a}":   "x:1: a test needs input: a record, a text or a list of them\nx:1: a test needs expect",
		"- {inputs: 1}": `x:1: a test has no key "inputs"`,
		"- {name: [], input: 1, expect: dropped}":            "x:1: should be a text",
		"- {name: a, name: b, input: 1, expect: dropped}":    "the key name is given twice",
		"- {name: a, time: noon, input: 1, expect: dropped}": `x:1: time "noon"`,
		"- {name: a, cluster: soul, input: 1, expect: dropped}": `x:1: there is no cluster "soul": the ` +
			`configuration has seoul, tokyo`,
		"- name: a\n  input: [[1]]\n  expect: dropped": "x:2: input should be a record, a text",
		"- name: a\n  input: 1\n  expect: gone":        `x:3: expect "gone"`,
		"- name: a\n  input: 1\n  expect: {record: 1}": "x:3: a record should be a mapping",
		"- name: a\n  input: 1\n  expect: {route: 9}": "x:3: there is no route 9: the " +
			"configuration has 3, counted from 0",
		"- name: a\n  input: 1\n  expect: {route: nginx}": `x:3: no route has the pattern "nginx"; ` +
			`routes are 0 (kube.**), 1`,
		"- name: a\n  input: &a {b: *a}\n  expect: dropped": "values in one file",
		"- name: a\n  input: {a: .inf, b: 1}\n  expect: {x: 1}\n- {y: 1}": "x:3: an expectation has no key " +
			"\"x\": write one of contains, dead_letter, document, dropped, outputs, record, route, targets, time\n" +
			"x:4: a test has no key \"y\"",
	} {
		if _, err := c.ReadTests("x", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestTryCountsMade: what steps make is none of the events that were given.
func TestTryCountsMade(t *testing.T) {
	c := load(t, "made", []byte(`
filters: {slow: [{throttle: {rate: 1}}]}
routes: [{match: "**", filters: [slow], outputs: [out]}]
outputs: {out: {type: stdout}}
`), "")
	// Of these, 10 pass in an interval, but one in a second.
	lines := slices.Repeat([]string{"{}"}, 12)
	got, n := try(t, c, tryout.Options{}, lines...)
	if want := (tryout.Counts{Events: 12, Delivered: 1, Dropped: 11, Made: 1}); n != want ||
		!strings.Contains(got, "11 events dropped") {
		t.Errorf("%s: %v, want %v", got, n, want)
	}
	if !strings.HasSuffix(n.String(), ", made by steps: 1") {
		t.Error(n)
	}
}

// TestTime: --time-key.
func TestTime(t *testing.T) {
	c := load(t, "everything", []byte(everything), "")
	got, _ := try(t, c, tryout.Options{Tag: "app.x", TimeKey: "ts"}, `{"ts":"2026-02-03T04:05:06Z"}`, `{"ts":"x"}`)
	if !strings.Contains(got, `"@timestamp":"2026-02-03T04:05:06Z"`) ||
		!strings.Contains(got, `"@timestamp":"`+start().Format(time.RFC3339)) {
		t.Error(got)
	}
}

// TestTryWaits: what is held back is shown when it is due, although more may come, and all of it at the end.
func TestTryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := load(t, "everything", []byte(everything), "")
		in, lines := io.Pipe()
		out := new(counter)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		done := make(chan tryout.Counts)
		go func() {
			n, err := c.Try(ctx, in, out, tryout.Options{JSON: true, Now: time.Now})
			if err != nil {
				t.Error(err)
			}
			done <- n
		}()
		for i, after := range []int{1, 2} {
			if _, err := io.WriteString(lines, `{"log":"2026-03-01T09:15:02Z stdout P part"}`+"\n"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := int(out.lines.Load()); n != i {
				t.Errorf("%d outcomes are shown before they are due, want %d", n, i)
			}
			if i == 0 {
				time.Sleep(time.Minute)
			} else {
				stop()
			}
			synctest.Wait()
			if n := int(out.lines.Load()); n != after {
				t.Errorf("%d outcomes are shown, want %d", n, after)
			}
		}
		if n := <-done; n.Delivered != 2 {
			t.Errorf("%v", n)
		}
		lines.Close()
	})
}

// counter counts lines.
type counter struct{ lines atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.lines.Add(int64(bytes.Count(p, []byte{'\n'})))
	return len(p), nil
}

// TestTryFailure: lines that can't be read end it, and what came before is shown.
func TestTryFailure(t *testing.T) {
	c := load(t, "everything", []byte(everything), "")
	var out strings.Builder
	in := io.MultiReader(strings.NewReader("x\n"), iotest.ErrReader(errors.New("broken pipe")))
	n, err := c.Try(t.Context(), in, &out, tryout.Options{Now: start})
	if err == nil || err.Error() != "read events after event 1: broken pipe" || n.Delivered != 1 {
		t.Errorf("%v, %v", n, err)
	}
	long := io.LimitReader(zeros{}, 20<<20)
	if _, err := c.Try(t.Context(), long, &out, tryout.Options{Now: start}); err == nil ||
		!strings.Contains(err.Error(), "a line of more than 16777216 bytes") {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestTryRaw: what is shown is what an output with message sends, and the whole event beside it for tests.
func TestTryRaw(t *testing.T) {
	c := load(t, "raw", []byte(`
clusters: [{name: a, shared_key: secret, fields: {region: r}}]
routes: [{match: "**", outputs: [archive, bus]}]
outputs:
  archive: {type: file, path: "archive/{tag}", message: log}
  bus: {type: kafka, brokers: kafka, topic: t, message: log}
`), "")
	text, _ := try(t, c, tryout.Options{Tag: "web"}, `{"log":"a\nb\n"}`, `{"log":{"a":1}}`, `{"msg":"x"}`)
	for _, want := range []string{
		"  → archive (file archive/web)\n    a\\nb\n  → bus (topic t)\n    a\n    b\n",
		"  → archive (file archive/web); bus (topic t)\n    {\"a\":1}\n",
		"    {\"msg\":\"x\",\"@timestamp\":", `"cluster":"a","region":"r"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if got, _ := try(t, c, tryout.Options{Tag: "web", JSON: true}, `{"log":"a\nb\n"}`); !strings.Contains(
		got, `"text":"a\\nb"`,
	) || !strings.Contains(got, `"document":{"log":"a\nb\n"`) {
		t.Errorf("as JSON: %s", got)
	}
}
