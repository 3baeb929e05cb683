package tryout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
)

// FuzzReadTests reads any file of tests: its mistakes are named with a place, and what has none runs to an end.
func FuzzReadTests(f *testing.F) {
	for _, file := range []string{
		"- {name: a, input: {log: x}, expect: dropped}",
		"- {name: a, tag: app.x, input: [{a: 1}, text], expect: {record: {a: 1}}}", "[]", "- 1",
		"- &a {name: a, input: *a, expect: *a}",
		"- {name: a, metadata: {b: !!binary aGk=}, time: 2026-11-28T00:00:00Z, input: {c: .nan}, expect: " +
			"[{output: es}]}", "\xff",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := load(t, "x.yaml", []byte(everything), "")
		tests, err := c.ReadTests("x.tests.yaml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x.tests.yaml:") {
				t.Errorf("where? %v", err)
			}
			return
		}
		var out strings.Builder
		if failed, err := c.RunTests(tests, &out, false); err != nil || failed > len(tests) ||
			failed > 0 && out.Len() == 0 {
			t.Errorf("%d of %d failed, %v: %s", failed, len(tests), err, &out)
		}
	})
}

// FuzzTry shows what becomes of any lines, as text and as JSON: each is counted, and none does anything to a terminal.
func FuzzTry(f *testing.F) {
	f.Add("{\"log\":\"2026-11-28T00:00:00Z stdout F x\"}\nplain\n\x1b[2J\u009b\n{\"a\":{\"b\":[1,null]}}", "kube.x", "")
	f.Add("{\"time\":1}\n\xff", "app.web.x", "time")
	f.Fuzz(func(t *testing.T, lines, tag, timeKey string) {
		c := load(t, "x.yaml", []byte(everything), "")
		for _, asJSON := range []bool{false, true} {
			var out strings.Builder
			n, err := c.Try(t.Context(), strings.NewReader(lines), &out, tryout.Options{
				Tag: tag, TimeKey: timeKey, JSON: asJSON, Now: time.Now,
			})
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for line := range strings.Lines(lines) {
				if strings.TrimSpace(line) != "" {
					want++
				}
			}
			if n.Events != want {
				t.Errorf("%d events of %d lines", n.Events, want)
			}
			if strings.ContainsFunc(out.String(), func(
				r rune,
			) bool {
				return r < ' ' && r != '\n' || !asJSON && r >= 0x7f && r < 0xa0
			}) {
				t.Errorf("%q", &out)
			}
		}
	})
}
