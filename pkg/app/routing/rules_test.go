package routing

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
)

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte(text+"\noutputs: {out: {type: stdout}, other: {type: stdout}}\n"),
		config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestSame compares what becomes of events: routes that look at no event may differ, filters that nobody uses too.
func TestSame(t *testing.T) {
	plain := `routes: [{match: "kube.**", outputs: [out]}]`
	filtered := `filters: {f: [{grep: {exclude: {log: x}}}]}
routes: [{match: "kube.**", filters: [f], outputs: [out]}]`
	for _, tc := range []struct {
		name, a, b string
		looks      bool // a looks at events
		want       bool
	}{
		{"nothing changed", filtered, filtered, true, true},
		{"other routes without filters", plain, `routes: [{match: "**", outputs: [other]}]`, false, true},
		{"a filter comes", plain, filtered, false, false},
		{"a filter changes", filtered, strings.Replace(filtered, "log: x", "log: y", 1), true, false},
		{"a condition", `routes: [{match: "**", when: 'tag == "a"', outputs: [out]}]`, plain, true, false},
		{"what becomes of the rest", filtered, filtered + "\nunrouted: drop", true, false},
	} {
		a, b := parse(t, tc.a), parse(t, tc.b)
		if got := Same(a, b); got != tc.want || Same(b, a) != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
		if LooksAtEvents(a) != tc.looks {
			t.Errorf("%s: looks at events: %t", tc.name, !tc.looks)
		}
	}
}

// TestArrival says which outputs want a tag, and who may send it; fields are added for clusters that have some.
func TestArrival(t *testing.T) {
	cfg := parse(t, `
clusters:
  - {name: seoul, shared_key: k, tags: ["kube.**"], fields: {region: here}}
  - {name: osaka, shared_key: l}
routes: [{match: "kube.**", clusters: [seoul], outputs: [out]}]`)
	routes, clusters, err := Arrival(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if m := routes.Match("seoul", "kube.a"); m == nil || len(m.Outputs) != 1 || m.Outputs[0] != "out" {
		t.Errorf("seoul's go to %+v", m)
	}
	if m := routes.Match("osaka", "kube.a"); m != nil && len(m.Outputs) > 0 {
		t.Errorf("osaka's go to %+v", m)
	}
	if !clusters.Allows("seoul", "kube.a") || clusters.Allows("seoul", "host.a") ||
		!clusters.Allows("osaka", "host.a") {
		t.Error("a cluster may send what it may not, or the reverse")
	}
	if f := ClusterFields(cfg); len(f) != 1 || f["seoul"]["region"] != "here" {
		t.Errorf("added are %v", f)
	}
}

// TestNewRulesNamesAllThatIsWrong has each mistake with its place, so that nobody mends them one by one.
func TestNewRulesNamesAllThatIsWrong(t *testing.T) {
	cfg := parse(t, `
filters: {f: [{lookup: {field: a, file: /none.csv, key: a, add: {b: b}}}]}
routes:
  - {match: "a.**", filters: [f], outputs: [out], continue: true}
  - {match: "b.**", outputs: [other]}`)
	if _, err := NewRules(cfg, "out", zerolog.Nop()); err == nil ||
		!strings.Contains(err.Error(), "filters.f[0].lookup: ") {
		t.Errorf("got %v", err)
	}
	rules, err := NewRules(cfg, "other", zerolog.Nop()) // which the broken filter is not for
	if err != nil {
		t.Fatal(err)
	}
	if err := rules.Close(); err != nil {
		t.Error(err)
	}
}
