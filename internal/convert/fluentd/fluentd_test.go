package fluentd_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// steps says which steps the inside of a <filter> becomes, and holds that they pass check.
func steps(t *testing.T, inside string) string {
	t.Helper()
	text := "<source>\n  @type forward\n  bind 127.0.0.1\n</source>\n<filter **>\n" + inside +
		"</filter>\n<match **>\n  @type stdout\n</match>\n"
	root, err := conf.ParseText("x.conf", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	notes := &settings.Notes{}
	old := fluentd.Convert(root, notes)
	converttest.Check(t, "x.conf", text)
	var b strings.Builder
	for _, s := range old.Flow.Pipes[""].Stages {
		if s.Filter != nil {
			b.WriteString(converttest.Steps(s.Filter.Steps))
		}
	}
	return b.String() + converttest.Notes(notes)
}

// whole says what a whole file does, and holds that what becomes of it passes check.
func whole(t *testing.T, text string) string {
	t.Helper()
	root, err := conf.ParseText("x.conf", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	notes := &settings.Notes{}
	old := fluentd.Convert(root, notes)
	converttest.Check(t, "x.conf", text)
	return converttest.Flow(old) + converttest.Notes(notes)
}
