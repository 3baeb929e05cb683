package tryout

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

// Escapes of a terminal.
const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// maxShown is how much of a value a change shows, in bytes.
const maxShown = 160

// printer writes outcomes for people.
type printer struct {
	w        *bufio.Writer
	color    bool
	patterns map[string]string // of a route
}

// patterns returns what each route matches, by its name.
func (c *Configuration) patterns() map[string]string {
	all := map[string]string{}
	for i := range c.routes {
		all[fmt.Sprintf("routes[%d]", i)] = strings.Join(c.routes[i].Match, ", ")
	}
	return all
}

// line writes a line, painted where there are colours. What it says of events can't do anything to a
// terminal.
func (p printer) line(paint, format string, args ...any) {
	text := safetext.Line(fmt.Sprintf(format, args...), unicode.ReplacementChar)
	if p.color && paint != "" {
		text = paint + text + plain
	}
	// Flush tells what went wrong.
	_, _ = p.w.WriteString(text + "\n")
}

// text writes one outcome.
func (p printer) text(o *Outcome) error {
	what := fmt.Sprintf("event %d", o.Event)
	switch {
	case o.Event == 0:
		what = "an event that a step made"
	case len(o.Parts) > 1:
		what = "events " + numbers(o.Parts)
	}
	p.line(bold, "%s: cluster %s, tag %s", what, o.Cluster, o.Tag)
	for _, why := range o.Refused {
		p.line(dim, "  %s", why)
	}
	if o.Route != "" {
		p.line("", "  %s %s", o.Route, p.patterns[o.Route])
	}
	for i := range o.Steps {
		p.step(&o.Steps[i])
	}
	switch o.Result {
	case Delivered:
		for _, d := range o.Documents {
			p.line(green, "  → %s", strings.Join(d.places(), "; "))
			p.line("", "    %s", d.Document)
		}
	case Joined:
		p.line(yellow, "  joined to event %d%s", o.Into, at(o.Outputs))
	case Dropped:
		p.line(yellow, "  dropped: %s%s", p.reason(o), at(o.Outputs))
	case DeadLetter:
		p.line(red, "  dead letter: %s%s", p.reason(o), at(o.Outputs))
	}
	return nil
}

func at(outputs []string) string {
	if len(outputs) == 0 {
		return ""
	}
	return " (" + strings.Join(outputs, ", ") + ")"
}

// reason says more where no route took an event.
func (p printer) reason(o *Outcome) string {
	switch {
	case o.Reason == "unrouted" && len(o.Refused) == 0:
		return "unrouted: no route matches this cluster and tag"
	case o.Reason == "unrouted":
		return "unrouted: no route's condition is true"
	case o.Reason == "tag_not_allowed":
		return "tag_not_allowed: the cluster's tags don't include this one"
	}
	return o.Reason
}

func numbers(all []int) string {
	words := make([]string, len(all))
	for i, n := range all {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ", ")
}

func (p printer) step(s *Step) {
	words := map[string]string{
		kept: "unchanged", changed: "", dropped: "dropped", dead: "dead letter", held: "held back",
		skipped: "skipped: when is false", made: "made it",
	}[s.Effect]
	paint := dim
	switch {
	case s.Error != "":
		words, paint = strings.TrimSuffix("failed: "+s.Error+", "+words, ", "), red
	case s.Effect == dropped || s.Effect == held:
		paint = yellow
	case s.Effect == dead:
		paint = red
	case s.Effect == changed:
		paint = ""
	}
	if words != "" {
		words = ": " + words
	}
	p.line(paint, "    %s%s", s, words)
	for _, c := range s.Changes {
		p.change("      ", &c)
	}
}

// change writes one field as a diff.
func (p printer) change(indent string, c *Change) {
	switch {
	case c.To == nil:
		p.line(red, "%s- %s: %s", indent, c.Field, safetext.Clip(string(c.From), maxShown))
	case c.From == nil:
		p.line(green, "%s+ %s: %s", indent, c.Field, safetext.Clip(string(c.To), maxShown))
	default:
		p.line(yellow, "%s~ %s: %s → %s", indent, c.Field, safetext.Clip(string(c.From), maxShown),
			safetext.Clip(string(c.To), maxShown))
	}
}
