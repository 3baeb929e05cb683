package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/outputs"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// TestOutputs holds what each destination becomes.
func TestOutputs(t *testing.T) {
	converttest.Table(t, "testdata/outputs.txt", func(t *testing.T, piece string) string {
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
