package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// TestTry: what try and test print, and their exit codes.
func TestTry(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("a.yaml", `
filters: {web: [{grep: {exclude: {path: ^/healthcheck}}}]}
routes: [{match: "app.**", filters: [web], outputs: [out]}]
outputs: {out: {type: stdout}}
`)
	wrong := write("wrong.yaml", "filters: {web: [{grep: {exclude: {path: (}}}]}")
	write("a.tests.yaml", "- {name: dropped, input: {path: /healthcheck}, expect: dropped}\n")
	fails := write("fails.yaml",
		"- {name: kept, input: {path: /healthcheck}, expect: {record: {path: /healthcheck}}}\n")
	mistaken := write("mistaken.yaml", "- {name: kept, input: {path: /}}\n")
	for _, tc := range []struct {
		name  string
		args  []string
		input string
		code  int
		want  string // in what is printed
	}{
		{
			"try",
			[]string{"try", "-c", config},
			`{"path":"/"}`, exitOK,
			"event 1: cluster default, tag app.example\n  routes[0] app.**\n    web[0] grep: unchanged\n  → out " +
				"(standard output)\n",
		},
		{
			"try as JSON",
			[]string{"try", "-c", config, "--json"},
			`{"path":"/healthcheck"}`, exitOK,
			`"result":"dropped","reason":"web[0] grep"`,
		},
		{
			"try as JSON, hostile",
			[]string{"try", "-c", config, "--json"},
			"{\"a\":\"\u009b31m\u202e\u2028\"}\n\u0085", exitOK, `{"a":"\u009b31m\u202e\u2028"`,
		},
		{"try with the defaults", []string{"try"}, "x", exitOK, `{"log":"x","@timestamp":`},
		{"no events", []string{"try", "-c", config}, "", exitOK, "events: 0;"},
		{
			"no such route",
			[]string{"try", "-c", config, "--route", "7"},
			"", exitUsage,
			"there is no route 7: the configuration has 1, counted from 0",
		},
		{
			"no such cluster",
			[]string{"try", "-c", config, "--cluster", "x"},
			"", exitUsage,
			`--cluster "x": the configuration has default`,
		},
		{"a wrong configuration", []string{"try", "-c", wrong}, "", exitUsage, "wrong.yaml:1:"},
		{"test", []string{"test", "-c", config}, "", exitOK, "a.tests.yaml:1: dropped\ntests passed: 1\n"},
		{
			"a test fails",
			[]string{"test", "-c", config, "--tests", fails},
			"", exitFailed,
			"- result: delivered\n        + result: dropped: web[0] grep\n",
		},
		{
			"wrong tests",
			[]string{"test", "-c", config, "--tests", mistaken},
			"", exitUsage,
			"mistaken.yaml:1: a test needs expect",
		},
		{"no tests", []string{"test", "-c", wrong}, "", exitUsage, "wrong.yaml:1:"},
		{
			"no file of tests",
			[]string{"test", "-c", config, "--tests", filepath.Join(dir, "none")},
			"", exitUsage,
			"read the tests: open",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			code := run(t.Context(), tc.args, strings.NewReader(tc.input), &out, &out)
			if code != tc.code || !strings.Contains(out.String(), tc.want) {
				t.Errorf("exit code %d, want %d and %q in\n%s", code, tc.code, tc.want, &out)
			}
			if strings.ContainsFunc(out.String(), func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' }) {
				t.Errorf("it prints %q", &out)
			}
		})
	}
}
