package tryout

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/stepdiff"
)

// Check runs a test and returns what came out otherwise than expected, as lines of text; none: it
// passed.
func (c *Configuration) Check(t *Test) (wrong []string, err error) {
	run, err := c.Start()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	var all []Outcome
	for _, ev := range t.Events {
		all = append(all, run.Give(ev, t.At)...)
	}
	all = append(all, run.Flush(t.At, true)...)
	all = slices.DeleteFunc(all, func(o Outcome) bool { return o.Result == Joined })
	// What was held back goes where its first event stood; what steps made, to the end.
	slices.SortStableFunc(all, func(a, b Outcome) int { return order(a) - order(b) })

	for i := range min(len(all), len(t.Expect)) {
		if differs := t.Expect[i].compare(&all[i]); len(differs) > 0 {
			wrong = append(wrong, fmt.Sprintf("%s, expected at line %d:", label(&all[i]), t.Expect[i].Line))
			wrong = append(wrong, differs...)
		}
	}
	for _, x := range t.Expect[min(len(all), len(t.Expect)):] {
		wrong = append(wrong,
			fmt.Sprintf("line %d expects one more event (%s), but nothing more came out", x.Line, x.Result))
	}
	for i := range all[min(len(all), len(t.Expect)):] {
		o := &all[len(t.Expect)+i]
		wrong = append(wrong, fmt.Sprintf("%s is not expected: %s", label(o), summary(o)))
	}
	return wrong, nil
}

func order(o Outcome) int {
	if o.Event == 0 {
		return int(^uint(0) >> 1)
	}
	return o.Event
}

func label(o *Outcome) string {
	if o.Event == 0 {
		return "an event that a step made"
	}
	return fmt.Sprintf("event %d", o.Event)
}

func summary(o *Outcome) string {
	if o.Result == Delivered {
		return fmt.Sprintf("%s by %s to %s: %s", o.Result, o.Route, strings.Join(o.Outputs, ", "), o.Record)
	}
	return o.Result + ": " + o.Reason
}

// compare returns how o is not as x has it.
func (x *Expectation) compare(o *Outcome) (differs []string) {
	add := func(what, want, got string) {
		differs = append(differs, fmt.Sprintf("  - %s: %s", what, want), fmt.Sprintf("  + %s: %s", what, got))
	}
	if x.Result != o.Result {
		add("result", x.Result, summary(o))
		return differs
	}
	if !strings.Contains(o.Reason, x.Reason) {
		add("reason", x.Reason, o.Reason)
	}
	if x.Route != "" && x.Route != o.Route {
		add("route", x.Route, o.Route)
	}
	if x.Outputs != nil &&
		!slices.Equal(slices.Sorted(slices.Values(x.Outputs)), slices.Sorted(slices.Values(o.Outputs))) {
		add("outputs", strings.Join(x.Outputs, ", "), strings.Join(o.Outputs, ", "))
	}
	if !x.Time.IsZero() {
		if got, err := time.Parse(time.RFC3339Nano, o.Time); err != nil || !got.Equal(x.Time) {
			add("time", x.Time.UTC().Format(time.RFC3339Nano), o.Time)
		}
	}
	fields := func(what string, changes []stepdiff.Change, others bool) {
		for _, c := range changes {
			name := what + " " + c.Field
			if c.From != nil {
				differs = append(differs, fmt.Sprintf("  - %s: %s", name, c.From))
			}
			if c.To != nil && (c.From != nil || others) {
				differs = append(differs, fmt.Sprintf("  + %s: %s", name, c.To))
			}
		}
	}
	if x.Record != nil {
		fields("record", stepdiff.Objects(x.Record, o.Record), true)
	}
	if x.Contains != nil {
		fields("record", stepdiff.Objects(x.Contains, o.Record), false)
	}
	if x.Targets != nil {
		var got []string
		for _, d := range o.Documents {
			got = append(got, d.Targets...)
		}
		if !slices.Equal(got, x.Targets) {
			differs = append(differs, "  - targets: "+strings.Join(x.Targets, "; "),
				"  + targets: "+strings.Join(got, "; "))
		}
	}
	if x.Document != nil {
		for _, d := range o.Documents {
			fields("document for "+strings.Join(d.Outputs, ", ")+":", stepdiff.Objects(x.Document, d.Document), false)
		}
	}
	return differs
}

// RunTests checks all tests and writes a line for each to out, and under it what differs: - is what
// was expected, + what came out. It returns how many failed.
func (c *Configuration) RunTests(tests []Test, out io.Writer, color bool) (failed int, err error) {
	p := printer{w: bufio.NewWriter(out), color: color}
	for i := range tests {
		t := &tests[i]
		wrong, err := c.Check(t)
		if err != nil {
			return failed, err
		}
		if len(wrong) == 0 {
			p.line(green, "ok    %s:%d: %s", t.File, t.Line, t.Name)
			continue
		}
		failed++
		p.line(red, "FAIL  %s:%d: %s", t.File, t.Line, t.Name)
		for _, line := range wrong {
			paint := ""
			switch {
			case strings.HasPrefix(line, "  - "):
				paint = red
			case strings.HasPrefix(line, "  + "):
				paint = green
			}
			p.line(paint, "      %s", line)
		}
	}
	return failed, p.w.Flush()
}
