package stepdiff

import (
	"fmt"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

// Step is what a step did with an event.
type Step struct {
	Filter string `json:"filter"`
	Index  int    `json:"index"`
	Kind   string `json:"kind"`
	// Effect is one of the effects.
	Effect  string   `json:"effect"`
	Error   string   `json:"error,omitempty"`
	Changes []Change `json:"changes,omitempty"`
	// Unseen: the event was too large for its changes to be told.
	Unseen bool `json:"unseen,omitempty"`
}

// Effects of a step.
const (
	Kept    = "kept"
	Changed = "changed"
	Dropped = "dropped"
	Dead    = "dead_letter"
	// Held: the event waits to be joined with others.
	Held = "held"
	// Skipped: the step's condition is not true.
	Skipped = "skipped"
	// Made: the step made the event.
	Made = "made"
)

// String returns the step's place in the configuration.
func (s *Step) String() string { return fmt.Sprintf("%s[%d] %s", s.Filter, s.Index, s.Kind) }

// maxShown is how much of a value a line shows, in bytes.
const maxShown = 160

// LineKind says what a Line is about.
type LineKind int

// Kinds of lines.
const (
	// Plain is a step that changed the event.
	Plain LineKind = iota
	// Quiet is one that did nothing to it.
	Quiet
	// Notable is one that keeps it from going on.
	Notable
	// Bad is one that failed, or made a dead letter of it.
	Bad
	// Added is a field that came.
	Added
	// Removed is a field that went.
	Removed
	// Altered is a field with another value.
	Altered
)

// Line is a line of what a step did.
type Line struct {
	Kind LineKind
	Text string
}

// Lines returns what the step did, and under it, farther to the right, each field that differs.
func (s *Step) Lines() []Line {
	words := map[string]string{
		Kept: "unchanged", Changed: "", Dropped: "dropped", Dead: "dead letter", Held: "held back",
		Skipped: "skipped: when is false", Made: "made it",
	}[s.Effect]
	kind := Quiet
	switch {
	case s.Error != "":
		words, kind = strings.TrimSuffix("failed: "+s.Error+", "+words, ", "), Bad
	case s.Effect == Dropped || s.Effect == Held:
		kind = Notable
	case s.Effect == Dead:
		kind = Bad
	case s.Effect == Changed:
		kind = Plain
	}
	if words != "" {
		words = ": " + words
	}
	all := []Line{{kind, s.String() + words}}
	for i := range s.Changes {
		all = append(all, s.Changes[i].line())
	}
	if s.Unseen {
		all = append(all, Line{Quiet, "  (" + tooLarge + ")"})
	}
	return all
}

// tooLarge says why a Step has no changes where it may have changed something.
const tooLarge = "too large for its changes to be shown"

// line writes a field as a diff.
func (c *Change) line() Line {
	from, to := safetext.Clip(string(c.From), maxShown), safetext.Clip(string(c.To), maxShown)
	switch {
	case c.To == nil && c.From == nil:
		return Line{Altered, "  ~ " + c.Field}
	case c.To == nil:
		return Line{Removed, fmt.Sprintf("  - %s: %s", c.Field, from)}
	case c.From == nil:
		return Line{Added, fmt.Sprintf("  + %s: %s", c.Field, to)}
	default:
		return Line{Altered, fmt.Sprintf("  ~ %s: %s → %s", c.Field, from, to)}
	}
}
