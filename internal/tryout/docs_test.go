package tryout_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
)

// block is a fenced block of a document.
type block struct {
	info string
	line int
	// from is the first line of its text, to the one behind the last.
	from int
	to   int
}

func blocks(lines []string) (all []block) {
	for i := 0; i < len(lines); i++ {
		info, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			continue
		}
		end := i + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		all = append(all, block{info: info, line: i + 1, from: i + 1, to: end})
		i = end
	}
	return all
}

// TestDocs: every example of these documents does what it says.
func TestDocs(t *testing.T) {
	for name, least := range map[string]int{"filters": 25, "migrate/outputs": 4} {
		t.Run(name, func(t *testing.T) { examplesOf(t, "../../docs/"+name+".md", least) })
	}
}

func examplesOf(t *testing.T, name string, least int) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	// Examples name files that are there.
	t.Chdir("testdata")
	lines := strings.Split(string(data), "\n")
	text := func(b block) string { return strings.Join(lines[b.from:b.to], "\n") }
	var settings, input *block
	examples := 0
	var changes []func()
	for _, b := range blocks(lines) {
		switch b.info {
		case "yaml filter", "yaml config":
			settings, input = &b, nil
		case "json in":
			input = &b
		case "json out", "text out", "text sent":
			if settings == nil || input == nil {
				t.Fatalf("line %d: an output without settings and input", b.line)
			}
			examples++
			settings, input := *settings, *input
			t.Run(fmt.Sprintf("line %d", settings.line), func(t *testing.T) {
				got := example(t, settings.info, b.info, text(settings), text(input))
				if want := text(b); got != want && !*update {
					t.Errorf("%s:%d: want\n%s\ngot\n%s", name, b.line, want, got)
				}
				changes = append(changes,
					func() { lines = slices.Replace(lines, b.from, b.to, strings.Split(got, "\n")...) })
			})
		}
	}
	if examples < least {
		t.Errorf("%d examples were found", examples)
	}
	if *update {
		for _, change := range slices.Backward(changes) {
			change()
		}
		if err := os.WriteFile("../"+name, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// example returns what the settings make of the input, a line for each event that comes out: its document, or, where
// what is sent is wanted, where each output sends it and as what.
func example(t *testing.T, kind, wanted, settings, input string) string {
	t.Helper()
	name := "steps"
	if kind == "yaml filter" {
		settings = "filters:\n  doc:\n    " + strings.ReplaceAll(settings, "\n", "\n    ") + `
routes: [{match: "**", filters: [doc], outputs: [out]}]
outputs: {out: {type: stdout, fields: {time: "@timestamp", tag: "", cluster: ""}}}
`
	}
	c := load(t, name, []byte(settings), "")
	cluster, tag := c.Example()
	if kind == "yaml filter" {
		tag = "kube.web"
	}
	run, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	var all []tryout.Outcome
	for line := range strings.Lines(input) {
		record, at := tryout.Record([]byte(strings.TrimRight(line, "\n")), "", start())
		all = append(all, run.Give(tryout.Event{Cluster: cluster, Tag: tag, Time: at, Record: record}, start())...)
	}
	all = append(all, run.Flush(start(), true)...)
	var out []string
	for _, o := range all {
		for _, d := range o.Documents {
			doc := string(d.Document)
			switch {
			case wanted == "text sent":
				out = append(out, d.Outputs[0]+" ("+d.Targets[0]+"): "+cmp.Or(d.Text, doc))
				continue
			case kind == "yaml filter":
				doc = strings.NewReplacer(`,"@timestamp":"2026-01-01T00:00:00Z"}`, "}").Replace(doc)
			default:
				doc = strings.Join(d.Outputs, ", ") + ": " + doc
			}
			out = append(out, doc)
		}
		if o.Result == tryout.DeadLetter {
			out = append(out, "dead letter: "+o.Reason)
		}
	}
	return strings.Join(out, "\n")
}
