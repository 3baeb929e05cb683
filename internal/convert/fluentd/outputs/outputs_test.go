package outputs_test

import (
	"flag"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/outputs"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

var update = flag.Bool("update", false, "write what pieces become into the tables")

// TestOutputs holds what each destination becomes.
func TestOutputs(t *testing.T) {
	converttest.Table(t, "testdata/outputs.txt", *update, func(t *testing.T, piece string) string {
		t.Helper()
		root, err := conf.ParseText("x.conf", []byte("<match **>\n"+piece+"</match>\n"))
		if err != nil {
			t.Fatal(err)
		}
		notes := &settings.Notes{}
		o := outputs.Read(root.Sections[0], notes)
		text := converttest.Output(o)
		if o.WhenFull != "" {
			text += "when full: " + o.WhenFull + "\n"
		}
		return text + converttest.Notes(notes)
	})
}
