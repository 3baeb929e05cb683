package config

import (
	"strings"
	"testing"
)

const filtered = `
filters:
  f:
%s
routes: [{match: "**", when: %q, filters: [f], outputs: [archive]}]
outputs: {archive: {type: file, path: "x/{tag}"}}
`

func TestFilters(t *testing.T) {
	for _, tc := range []struct {
		name, steps, when string
		wrong             string // of the error; "": it is right
	}{
		{"all kinds of steps", `
    - parse: {field: log, format: cri}
    - grep: {exclude: {path: "^/healthcheck"}}
      when: cluster == "seoul"
    - modify: {set: {service: web, n: 1}, remove: [stream]}
    - dedot: {}
    - redact: {builtin: [email]}
    - sample: {rate: 0.5}
    - throttle: {rate: 10}
    - multiline: {field: log, format: java}
    - lookup: {field: ns, file: testdata/teams.csv, key: namespace, add: {team: team}}
    - expr: {drop: record.status == 404}`, "record.level != 'debug'", ""},
		{"two in one", `
    - grep: {exclude: {a: b}}
      expr: {drop: "true"}`, "true", "filters.f[0]: a step has exactly one of these keys"},
		{"none", `
    - when: "true"`, "true", "filters.f[0]: a step has exactly one of these keys"},
		{"unknown step", `
    - gerp: {}`, "true", "did you mean grep?"},
		{"a condition that is none", `
    - dedot: {}
      when: cluster + 1`, "true", "filters.f[0].when: expression"},
		{"a route's condition that is none", `
    - dedot: {}`, "clutser == 'a'", "routes[0].when"},
		{"an expression that is none", `
    - grep: {exclude: {a: "("}}`, "true", "filters.f[0].grep"},
		{"a rate that is text", `
    - sample: {rate: half}`, "true", "filters.f[0].sample.rate"},
		{"a rate below 0", `
    - throttle: {rate: -1}`, "true", "less than 0"},
		{"no file", `
    - lookup: {field: ns, file: nowhere.csv, key: namespace, add: {team: team}}`, "true", ""},
		{"empty", "    []", "true", "filters.f: the filter is empty"},
	} {
		text := strings.Replace(strings.Replace(filtered, "%s", strings.Trim(tc.steps, "\n"), 1), "%q", `"`+tc.when+`"`,
			1)
		_, err := Parse("a.yaml", []byte(text), world())
		if got := errorText(err); (tc.wrong == "") != (err == nil) || !strings.Contains(got, tc.wrong) {
			t.Errorf("%s: %s, want %q", tc.name, got, tc.wrong)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
