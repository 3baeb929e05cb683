package tryout

import (
	"bufio"
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/internal/stepdiff"
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

// printer writes outcomes for people.
type printer struct {
	w     *bufio.Writer
	color bool
	// patterns are those of a route.
	patterns map[string]string
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
		for _, l := range o.Steps[i].Lines() {
			p.line(paints()[l.Kind], "    %s", l.Text)
		}
	}
	switch o.Result {
	case Delivered:
		for _, d := range o.Documents {
			p.line(green, "  → %s", strings.Join(d.places(), "; "))
			for line := range strings.SplitSeq(cmp.Or(d.Text, string(d.Document)), "\n") {
				p.line("", "    %s", line)
			}
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

// paints returns the colours of what steps did.
func paints() map[stepdiff.LineKind]string {
	return map[stepdiff.LineKind]string{
		stepdiff.Quiet: dim, stepdiff.Notable: yellow, stepdiff.Bad: red, stepdiff.Added: green, stepdiff.Removed: red,
		stepdiff.Altered: yellow,
	}
}
