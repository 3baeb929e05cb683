// Package converttest holds translations to tables: files of pieces of old configurations, each with what it becomes.
package converttest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// Table runs the cases of a file: "=== name", the piece, "--- becomes", and what translate has to return for it. With
// update it is written there.
func Table(t *testing.T, file string, update bool, translate func(t *testing.T, piece string) string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cases := 0
	for text := range strings.SplitSeq(string(data), "=== ") {
		name, rest, found := strings.Cut(text, "\n")
		if !found {
			continue
		}
		cases++
		piece, want, _ := strings.Cut(rest, "--- becomes\n")
		want = strings.TrimSpace(want)
		t.Run(name, func(t *testing.T) {
			got := strings.TrimSpace(translate(t, piece))
			if got != want && !update {
				t.Errorf("%s becomes\n%s\nand not\n%s", piece, got, want)
			}
			fmt.Fprintf(&out, "=== %s\n%s--- becomes\n%s\n\n", name, piece, got)
		})
	}
	if cases == 0 {
		t.Fatal("the table is empty")
	}
	if update && !t.Failed() {
		if err := os.WriteFile(file, []byte(strings.TrimSpace(out.String())+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Steps writes steps as lines, kind: settings.
func Steps(steps []flow.Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.Kind + ": " + show(s.Body))
		if s.When != "" {
			b.WriteString(" when " + s.When)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Output writes an output as lines: its settings, and the steps that are its own.
func Output(o *flow.Output) string {
	return o.Type + ": " + show(o.Settings) + "\n" + Steps(o.Steps)
}

// Notes writes what can't be said, and what should be known, without places.
func Notes(n *settings.Notes) string {
	var b strings.Builder
	for _, x := range n.Lost {
		b.WriteString("lost " + x.What + ": " + x.Why + "\n")
	}
	for _, x := range n.Said {
		b.WriteString("said " + x.What + ": " + x.Why + "\n")
	}
	return b.String()
}

func show(v any) string {
	switch v := v.(type) {
	case flow.Map:
		var all []string
		for _, p := range v {
			all = append(all, p.Key+": "+show(p.Value))
		}
		return "{" + strings.Join(all, ", ") + "}"
	case []any:
		var all []string
		for _, x := range v {
			all = append(all, show(x))
		}
		return "[" + strings.Join(all, ", ") + "]"
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}
