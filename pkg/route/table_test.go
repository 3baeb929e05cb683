package route

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

func mustNew(tb testing.TB, configs ...Config) *Table {
	tb.Helper()
	table, err := New(configs)
	if err != nil {
		tb.Fatal(err)
	}
	return table
}

func TestTable(t *testing.T) {
	table := mustNew(t,
		Config{Match: []string{"kube.audit.**"}, Outputs: []string{"audit", "es", "audit"}, Continue: true},
		Config{Match: []string{"kube.{secret,audit.secret}.**", "vault"}, Outputs: []string{"vault"}},
		Config{Match: []string{"kube.**"}, Clusters: []string{"seoul-*", "tokyo"}, Outputs: []string{"es", "archive"}},
		Config{Match: []string{"host.** kube.**"}, Outputs: []string{"archive"}, Continue: true},
		Config{Match: []string{"app"}, When: "record.level == 1", Outputs: []string{"es"}},
		Config{Match: []string{"app"}, Outputs: []string{"archive"}},
		Config{Match: []string{"app"}, Outputs: []string{"vault"}},
	)
	for _, tc := range []struct {
		cluster, tag string
		want         *Result
	}{
		{"seoul-1", "kube.x", &Result{[]string{"es", "archive"}, []int{2}}},
		{"tokyo", "kube.x", &Result{[]string{"es", "archive"}, []int{2}}},
		{"osaka", "kube.x", &Result{[]string{"archive"}, []int{3}}},
		{"osaka", "host", &Result{[]string{"archive"}, []int{3}}},
		{"seoul-1", "kube.audit.x", &Result{[]string{"audit", "es", "archive"}, []int{0, 2}}},
		{"osaka", "kube.audit", &Result{[]string{"audit", "es", "archive"}, []int{0, 3}}},
		{"osaka", "kube.audit.secret.x", &Result{[]string{"audit", "es", "vault"}, []int{0, 1}}},
		{"osaka", "vault", &Result{[]string{"vault"}, []int{1}}},
		{"osaka", "app", &Result{[]string{"es", "archive"}, []int{4, 5}}},
		{"osaka", "other", nil},
		{"seoul-1", "", nil},
	} {
		for _, time := range []string{"first", "second"} {
			if got := table.Match(tc.cluster, tc.tag); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%s look-up of %s %q: %+v, want %+v", time, tc.cluster, tc.tag, got, tc.want)
			}
		}
	}
	if mustNew(t).Match("default", "a") != nil {
		t.Error("a table without routes matches")
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := New([]Config{
		{Match: []string{"a", "b.{c"}},
		{Match: []string{"**"}, Clusters: []string{"x}"}},
	})
	for _, want := range []string{
		`routes[0].match: pattern "b.{c", column 3`, `routes[1].clusters: pattern "x}", column 2`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want %q in it", err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		config Config
		keys   []string
	}{
		{Config{Match: []string{"a.**", "*"}, Clusters: []string{"seoul-*"}, Outputs: []string{"x"}}, nil},
		{Config{}, []string{"match", "outputs"}},
		{
			Config{Match: []string{"{", "}", "a"}, Clusters: []string{`\`}, Outputs: []string{"x"}},
			[]string{"match", "match", "clusters"},
		},
	} {
		var r setting.Report
		tc.config.Check(&r)
		var keys []string
		for _, p := range r.Problems {
			keys = append(keys, p.Key)
		}
		if !reflect.DeepEqual(keys, tc.keys) {
			t.Errorf("%+v: %v, want %v", tc.config, r.Problems, tc.keys)
		}
	}
}

// Tags never seen before take bounded memory and do not push out one that is in use.
func TestCacheIsBounded(t *testing.T) {
	table := mustNew(t, Config{Match: []string{"in.use"}, Outputs: []string{"x"}})
	long := strings.Repeat("x", maxCachedTag+1)
	for i := range 5 * cacheGeneration {
		table.Match("c", fmt.Sprint("tag.", i))
		table.Match("c", long)
		if i%1000 == 0 && table.Match("c", "in.use") == nil {
			t.Fatal("in.use is not routed")
		}
	}
	if n := len(table.young) + len(table.old); n > 2*cacheGeneration {
		t.Errorf("%d decisions are remembered, want at most %d", n, 2*cacheGeneration)
	}
	_, young := table.young[key{"c", "in.use"}]
	_, old := table.old[key{"c", "in.use"}]
	if !young && !old {
		t.Error("in.use was forgotten")
	}
	if _, found := table.young[key{"c", long}]; found {
		t.Error("a tag over the limit is remembered")
	}
}

func TestTableConcurrently(t *testing.T) {
	table := mustNew(t,
		Config{Match: []string{"a.**"}, Outputs: []string{"x"}, Continue: true},
		Config{Match: []string{"**"}, Outputs: []string{"y"}})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 4000 {
				if r := table.Match("c", fmt.Sprint("a.", g, ".", i)); len(r.Outputs) != 2 {
					t.Errorf("a.%d.%d: %v", g, i, r.Outputs)
				}
				if r := table.Match("c", "b"); len(r.Outputs) != 1 {
					t.Errorf("b: %v", r.Outputs)
				}
			}
		})
	}
	wg.Wait()
}

const podTag = "kube.var.log.containers.api-7d9c5b8f6d-x2x7q_production_" +
	"api-5f0b1d8a3c4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd.log"

func benchTable(b *testing.B) *Table {
	b.Helper()
	return mustNew(b,
		Config{Match: []string{"host.**"}, Outputs: []string{"a"}},
		Config{Match: []string{"kube.*.audit.**"}, Outputs: []string{"b"}},
		Config{Match: []string{"kube.**.{nginx,envoy}-*.**"}, Outputs: []string{"c"}},
		Config{Match: []string{"kube.**"}, Outputs: []string{"d"}, Continue: true},
		Config{Match: []string{"**"}, Outputs: []string{"e"}})
}

func BenchmarkMatchSeen(b *testing.B) {
	table := benchTable(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			table.Match("seoul-prod", podTag)
		}
	})
}

func BenchmarkMatchNew(b *testing.B) {
	table := benchTable(b)
	b.ReportAllocs()
	for b.Loop() {
		table.decide("seoul-prod", podTag)
	}
}
