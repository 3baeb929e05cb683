package filter

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Kind is a kind of step: what the program knows of all steps of that kind. Each package of steps has one, or several,
// and package all lists them. The configuration, its schema and the documentation take what they know of a kind from
// here.
type Kind struct {
	// Name is the key that its settings are given under.
	Name string
	// Summary is one line for people: what it does.
	Summary string
	// NewConfig returns a pointer to settings without any default set.
	NewConfig func() Config
}

// Config is the settings of a step. Its fields have the tags that package config decodes by.
type Config interface {
	setting.Checker
	// New makes a step of settings that have their defaults. It shares nothing with others. The caller closes it, where
	// it holds something open.
	New(d Deps) (Made, error)
}

// Deps is what a step needs of the program besides its settings.
type Deps struct {
	// Log names the step.
	Log zerolog.Logger
	Now func() time.Time
}

// Made is a step, ready to be put in its place.
type Made struct {
	// Step is set, or Joiner.
	Step Step
	// Joiner is set where Step is not.
	Joiner Joiner
	// Then is the stage right behind the step, of a Kind and with a Joiner of its own; nil: there is none. One
	// goroutine uses both.
	Then *Stage
	// Close ends what the step holds open; nil: nothing. The step is not used afterwards.
	Close func() error
}

// Stage is a step in its place.
type Stage struct {
	// Filter is the name of the list that it is in, and Index its place there.
	Filter string
	Index  int
	// Kind is "grep", "parse", and so on.
	Kind string
	When *Condition
	// Either Step or Joiner is set.
	Step   Step
	Joiner Joiner
}
