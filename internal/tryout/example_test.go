package tryout_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// TestExampleTags: where nobody says which tag events have, it is one that the first route takes.
func TestExampleTags(t *testing.T) {
	for _, pattern := range []string{
		"**", "*", "kube.**", "kube.*", "*.log", "**.log", "a.*.c", "a.**.c", "{web,api}.**", "a.{b,c}.*", "app*",
		"a**", "plain", "a.b.c", "a.{b,{c,d}}", "{{a,b}.c,d}.*", "{a,b}.{c,d}",
	} {
		c := load(t, pattern, fmt.Appendf(nil,
			"routes: [{match: '%s', outputs: [o]}]\noutputs: {o: {type: stdout}}\n", pattern), "")
		_, tag := c.Example()
		p, err := route.Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if tag == "" || !p.Match(tag) {
			t.Errorf("%s: the example %q is none", pattern, tag)
		}
	}
}

// TestWays: which way events go through routes, and what becomes of those that none takes.
func TestWays(t *testing.T) {
	for _, tc := range []struct {
		name, routes, more string
		event              string
		want               tryout.Counts
		shown              []string
	}{
		{
			"the first that matches", `[{match: a, outputs: [x]}, {match: "**", outputs: [y]}]`, "", `{"n":1}`,
			tryout.Counts{Events: 1, Delivered: 1},
			[]string{"routes[0]"},
		},
		{
			"on to the next", `[{match: a, outputs: [x], continue: true}, {match: "**", outputs: [y]}]`, "", `{"n":1}`,
			tryout.Counts{Events: 1, Delivered: 2},
			[]string{"routes[0]", "routes[1]"},
		},
		{
			"a condition that is not true",
			`[{match: a, when: "record.n == 2", outputs: [x]}, {match: "**", outputs: [y]}]`, "", `{"n":1}`,
			tryout.Counts{Events: 1, Delivered: 1},
			[]string{"routes[1]", "routes[0]: when is false"},
		},
		{
			"none, and dead letters", `[{match: b, outputs: [x, y]}]`, "", `{"n":1}`,
			tryout.Counts{Events: 1, Dead: 1},
			[]string{"dead letter"},
		},
		{
			"none, and dropped", `[{match: b, outputs: [x, y]}]`, "unrouted: drop\n", `{"n":1}`,
			tryout.Counts{Events: 1, Dropped: 1},
			[]string{"dropped"},
		},
		{
			"dropped by a filter", `[{match: a, filters: [f], outputs: [x, y]}]`,
			"filters: {f: [{grep: {exclude: {n: \"^1$\"}}}]}\n", `{"n":1}`,
			tryout.Counts{Events: 1, Dropped: 1},
			[]string{"f[0] grep"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := load(t, tc.name, []byte("routes: "+tc.routes+"\n"+tc.more+
				"outputs: {x: {type: stdout}, y: {type: file, path: y}}\n"), "")
			got, n := try(t, c, tryout.Options{Tag: "a"}, tc.event)
			if n != tc.want {
				t.Errorf("%+v, want %+v of\n%s", n, tc.want, got)
			}
			for _, part := range tc.shown {
				if !strings.Contains(got, part) {
					t.Errorf("%q is not said:\n%s", part, got)
				}
			}
		})
	}
}
