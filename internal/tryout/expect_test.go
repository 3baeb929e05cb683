package tryout_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
)

// TestWriteTests: tests that are written of sample events pass, whatever becomes of these, and say it.
func TestWriteTests(t *testing.T) {
	const settings = `
filters:
  app:
    - multiline: {field: log, start: '^\d'}
    - parse: {field: log, format: json, on_error: keep}
    - grep: {exclude: {level: debug}}
    - expr: {set: {at: 'now().UnixNano()', big: '{"n": [1, 2.5, nil, true]}'}}
routes:
  - {match: "app.**", filters: [app], outputs: [es, out]}
  - {match: "bad.**", outputs: [out]}
outputs:
  es: {type: elasticsearch, hosts: ["http://localhost:9200"], index: "logs-{tag[1]}-%Y"}
  out: {type: stdout}
`
	c := load(t, "x.yaml", []byte(settings), "")
	data, err := c.WriteTests([]tryout.Sample{
		{Name: "lines", Tag: "app.web", Lines: [][]byte{[]byte("1 a"), []byte(" b"), []byte("2 \xff\"'")}},
		{Name: "one", Tag: "app.web", Lines: [][]byte{
			[]byte(`{"log":"{\"level\":\"debug\"}"}`),
		}},
		{Name: "others", Tag: "bad.x", Lines: [][]byte{
			[]byte(`{"yes":"no","a":{"b":[]},"time":"2026-03-01T09:15:02Z"}`),
			[]byte(`{"n":18446744073709551615,"f":1e300}`),
		}},
		{Name: "nowhere", Tag: "other", Lines: [][]byte{[]byte("text")}},
		{Name: "an example", Lines: [][]byte{[]byte(`{"log":"3"}`)}},
	}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	tests, err := c.ReadTests("x.tests.yaml", data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	var out strings.Builder
	if failed, err := c.RunTests(tests, &out, false); err != nil || failed > 0 || len(tests) != 6 {
		t.Errorf("%d tests, %d failed, %v\n%s\n%s", len(tests), failed, err, &out, data)
	}
	for _, want := range []string{
		"index logs-web-2026", "dropped: ", "dead_letter: unrouted", "contains: {", `"yes": "no"`,
		"18446744073709551615",
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
	if strings.Contains(string(data), `"at":`) {
		t.Errorf("what depends on the clock is expected:\n%s", data)
	}
}
