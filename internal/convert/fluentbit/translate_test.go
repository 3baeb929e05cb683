package fluentbit_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentbit"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

var update = flag.Bool("update", false, "write what pieces become into the tables")

// TestTranslate holds what each filter and each output becomes.
func TestTranslate(t *testing.T) {
	for _, tc := range []struct{ file, before, behind string }{
		{"testdata/filters.txt", "", "[OUTPUT]\n Name stdout\n Match *\n"},
		{"testdata/outputs.txt", "", ""},
	} {
		converttest.Table(t, tc.file, *update, func(t *testing.T, piece string) string {
			t.Helper()
			file, err := parse("x.conf", "[INPUT]\n Name forward\n Listen 127.0.0.1\n"+tc.before+piece+tc.behind)
			if err != nil {
				t.Fatal(err)
			}
			file.Path = "x.conf"
			notes := &settings.Notes{}
			old := fluentbit.Convert(file, file.Parsers(), notes)
			var b strings.Builder
			for _, s := range old.Flow.Pipes[""].Stages {
				switch {
				case s.Filter != nil:
					b.WriteString(converttest.Steps(s.Filter.Steps))
				case tc.behind == "" && s.Match.Targets[0].Output != nil:
					b.WriteString(converttest.Output(s.Match.Targets[0].Output))
				case s.Match.Targets[0].Retag != nil:
					for _, rule := range s.Match.Targets[0].Retag.Rules {
						b.WriteString("rule " + rule.When + "\n" + converttest.Steps(rule.Set))
					}
				}
			}
			return b.String() + converttest.Notes(notes)
		})
	}
}
