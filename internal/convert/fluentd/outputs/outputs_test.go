package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/outputs"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// read says what the inside of a <match> becomes, and holds that it passes check.
func read(t *testing.T, inside string) string {
	t.Helper()
	match := "<match **>\n" + inside + "</match>\n"
	root, err := conf.ParseText("x.conf", []byte(match))
	if err != nil {
		t.Fatal(err)
	}
	notes := &settings.Notes{}
	o := outputs.Read(root.Sections[0], notes)
	converttest.Check(t, "x.conf", "<source>\n@type forward\nbind 127.0.0.1\n</source>\n"+match)
	return converttest.Output(o) + converttest.Notes(notes)
}
