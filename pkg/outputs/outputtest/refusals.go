package outputtest

import (
	"os"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Answer is what a destination has been seen to answer, and the line of its table that it is to fit.
type Answer struct {
	// What is that of the Refusal.
	What   string
	Status int
	Kind   string
	Words  string
}

// HoldRefusals checks a destination's table of refusals line by line: each line has an answer that fits it and no line
// before, says what to do, and the last one fits all. The file document shows the table as it is.
func HoldRefusals(t *testing.T, table outputs.Refusals, answers []Answer, document string) {
	t.Helper()
	seen := map[string]bool{}
	for _, a := range answers {
		got := table.Find(a.Status, a.Kind, a.Words)
		if got == nil || got.What != a.What {
			t.Errorf("%d %s %q fits the line %+v, want %q", a.Status, a.Kind, a.Words, got, a.What)
		}
		seen[a.What] = true
	}
	names := map[string]bool{}
	for i := range table {
		r := &table[i]
		if !seen[r.What] {
			t.Errorf("no answer is known for the line %q", r.What)
		}
		if names[r.What] {
			t.Errorf("two lines are called %q", r.What)
		}
		names[r.What] = true
		if r.Reason == "" || r.Remedy == "" {
			t.Errorf("the line %q does not say what follows, or what to do: %+v", r.What, *r)
		}
	}
	if last := table.Find(999, "never-heard-of", "never heard of"); last == nil {
		t.Error("there is an answer that fits no line")
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), table.Table()) {
		t.Errorf("%s does not show the table as it is:\n%s", document, table.Table())
	}
}
