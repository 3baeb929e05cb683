package elasticsearch

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func aliased(c *Config) {
	c.Index, c.Alias = "", "app-{cluster}"
	c.Template = Template{Manage: true, Priority: 200, TimeType: "date"}
}

func TestAliasIsMadeOnceAndRollsOver(t *testing.T) {
	for _, product := range []string{elastictest.Elasticsearch, elastictest.OpenSearch} {
		t.Run(product, func(t *testing.T) {
			s := elastictest.New(elastictest.Options{Product: product})
			first, second := newOutput(t, s.Handler(), aliased), newOutput(t, s.Handler(), aliased)
			var wg sync.WaitGroup
			for i, o := range []*Output{first, second} { // two replicas begin at once
				wg.Go(func() {
					if err := o.Send(
						t.Context(), outputtest.Batch(outputtest.Chunk(uint64(i+1), "a", "t", 5, 5*i, 10)),
					); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			s.Rollover("app-a")
			if err := first.Send(
				t.Context(),
				outputtest.Batch(outputtest.Chunk(3, "a", "t", 5, 10, 10), outputtest.Chunk(4, "b", "t", 5, 15, 10)),
			); err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			for _, d := range s.Documents() {
				counts[d.Index]++
			}
			if len(counts) != 3 || counts["app-a-000001"] != 10 || counts["app-a-000002"] != 5 ||
				counts["app-b-000001"] != 5 {
				t.Errorf("documents by index: %v", counts)
			}
			var template struct {
				Patterns []string `json:"index_patterns"`
			}
			if err := json.Unmarshal(s.Template("/_index_template/aggregator-app-a"), &template); err != nil ||
				!slices.Equal(template.Patterns, []string{"app-a-0*"}) {
				t.Errorf("the template is %s: %v", s.Template("/_index_template/aggregator-app-a"), err)
			}
			for _, o := range []*Output{first, second} {
				if err := o.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestNoAliasNoIndex: where the alias can't be had, no plain index is made under its name, its events wait, and others
// go on.
func TestNoAliasNoIndex(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(s *elastictest.Server)
		mend    func(s *elastictest.Server)
		want    string
	}{
		{
			"may not make it", func(s *elastictest.Server) { s.SetFaults(elastictest.Faults{Denied: "app-a-000001"}) },
			func(s *elastictest.Server) { s.SetFaults(elastictest.Faults{}) }, "grant create_index",
		},
		{
			"taken away", func(s *elastictest.Server) {
				o := newOutput(t, s.Handler(), aliased)
				if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(9, "a", "t", 1, 100, 10))); err != nil {
					t.Error(err)
				}
				s.DropAlias("app-a")
				if err := o.Close(); err != nil {
					t.Error(err)
				}
			}, nil, "make it the alias's write index",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := elastictest.New(elastictest.Options{})
			tc.prepare(s)
			o := newOutput(t, s.Handler(), aliased)
			defer o.Close()
			batch := outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10), outputtest.Chunk(2, "b", "t", 2, 3, 10))
			se := outputs.AsSendError(o.Send(t.Context(), batch))
			if len(se.Failed) != 3 {
				t.Fatalf("%d events failed, want those of one alias: %v", len(se.Failed), se)
			}
			for _, f := range se.Failed {
				if f.Index > 2 || f.Reason != outputs.ReasonTarget || f.Target != "app-a" ||
					!strings.Contains(f.Detail, tc.want) {
					t.Errorf("%+v", f)
				}
			}
			if got := numbers(t, s); !slices.Equal(
				slices.DeleteFunc(got, func(n int) bool { return n == 100 }),
				[]int{3, 4},
			) {
				t.Errorf("the server has %v", got)
			}
			if tc.mend == nil {
				return
			}
			tc.mend(s)
			if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAliasSettings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string // of the key that is complained about; "": none
	}{
		{"right", func(*Config) {}, ""},
		{"and index", func(c *Config) { c.Index = "x" }, "alias"},
		{"neither", func(c *Config) { c.Alias = "" }, "index"},
		{"with a date", func(c *Config) { c.Alias = "app-%Y" }, "alias"},
		{"as a data stream", func(c *Config) { c.DataStream, c.Fields.Time = true, "@timestamp" }, "data_stream"},
		{"that begins wrongly", func(c *Config) { c.Alias = "-x" }, "alias"},
		{
			"on Serverless", func(c *Config) { c.AWS, c.ID = &AWS{Region: "eu-central-1", Service: "aoss"}, idNone },
			"aws.service",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Config{Common: outputs.Common{Type: "elasticsearch"}, Hosts: []string{"https://a:9200"}, ID: idAuto}
			aliased(&c)
			tc.change(&c)
			var r setting.Report
			c.Check(&r)
			var keys []string
			for _, p := range r.Problems {
				if !p.Warning {
					keys = append(keys, p.Key)
				}
			}
			if strings.Join(keys, ", ") != tc.want {
				t.Errorf("complaints %+v, want one about %q", r.Problems, tc.want)
			}
		})
	}
}
