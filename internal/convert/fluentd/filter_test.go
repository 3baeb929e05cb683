package fluentd_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

var update = flag.Bool("update", false, "write what pieces become into the tables")

// TestFilters holds which steps each filter becomes.
func TestFilters(t *testing.T) {
	converttest.Table(t, "testdata/filters.txt", *update, func(t *testing.T, piece string) string {
		t.Helper()
		root, err := conf.ParseText("x.conf", []byte("<source>\n  @type forward\n</source>\n<filter **>\n"+piece+
			"</filter>\n<match **>\n  @type stdout\n</match>\n"))
		if err != nil {
			t.Fatal(err)
		}
		notes := &settings.Notes{}
		old := fluentd.Convert(root, notes)
		var b strings.Builder
		for _, s := range old.Flow.Pipes[""].Stages {
			if s.Filter != nil {
				b.WriteString(converttest.Steps(s.Filter.Steps))
			}
		}
		return b.String() + converttest.Notes(notes)
	})
}
