package fluentbit_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentbit"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// read returns what a whole configuration does, and holds that what becomes of it passes check.
func read(t *testing.T, name, text string) (*flow.Old, *settings.Notes) {
	t.Helper()
	file, err := parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	file.Path = name
	notes := &settings.Notes{}
	old := fluentbit.Convert(file, file.Parsers(), notes)
	converttest.Check(t, name, text)
	return old, notes
}

const input = "[INPUT]\n Name forward\n Listen 127.0.0.1\n"

// steps says which steps filters become, and which rules.
func steps(t *testing.T, sections string) string {
	t.Helper()
	old, notes := read(t, "x.conf", input+sections+"[OUTPUT]\n Name stdout\n Match *\n")
	var b strings.Builder
	for _, s := range old.Flow.Pipes[""].Stages {
		switch {
		case s.Filter != nil:
			b.WriteString(converttest.Steps(s.Filter.Steps))
		case s.Match.Targets[0].Retag != nil:
			for _, rule := range s.Match.Targets[0].Retag.Rules {
				b.WriteString("rule " + rule.When + "\n" + converttest.Steps(rule.Set))
			}
		}
	}
	return b.String() + converttest.Notes(notes)
}

// output says which output the inside of an [OUTPUT] becomes.
func output(t *testing.T, inside string) string {
	t.Helper()
	old, notes := read(t, "x.conf", input+"[OUTPUT]\n Match *\n"+inside)
	target := old.Flow.Pipes[""].Stages[0].Match.Targets[0]
	text := "nowhere\n"
	if target.Output != nil {
		text = converttest.Output(target.Output)
	}
	return text + converttest.Notes(notes)
}

// classic says what a whole file in the classic form does.
func classic(t *testing.T, text string) string {
	t.Helper()
	old, notes := read(t, "x.conf", text)
	return converttest.Flow(old) + converttest.Notes(notes)
}

// yaml says what a whole file in YAML does.
func yaml(t *testing.T, text string) string {
	t.Helper()
	old, notes := read(t, "x.yaml", text)
	return converttest.Flow(old) + converttest.Notes(notes)
}
