// Package flow is what an old configuration does with events, whoever's it was: pipes of filters and matches in their
// order, with labels, copies and rewritten tags. It says the same as routes, whose first that matches decides.
package flow

import (
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Map is a mapping of the new configuration, in the order in which it is written. Values are texts as YAML has them
// before variables are filled in, ints, bools, Maps and lists of these.
type Map []Pair

// Pair is a key with its value; Comment stands above it.
type Pair struct {
	Key     string
	Value   any
	Comment string
}

// With returns m with one more key, or with the key's new value.
func (m Map) With(key string, value any) Map {
	for i := range m {
		if m[i].Key == key {
			m[i].Value = value
			return m
		}
	}
	return append(m, Pair{Key: key, Value: value})
}

// Add returns m with one more value of a key, which may have several.
func (m Map) Add(key string, value any) Map {
	switch had := m.Get(key).(type) {
	case nil:
		return m.With(key, value)
	case []any:
		return m.With(key, append(had, value))
	default:
		return m.With(key, []any{had, value})
	}
}

// Without returns m without some of its keys.
func (m Map) Without(keys ...string) Map {
	return slices.DeleteFunc(slices.Clone(m), func(p Pair) bool { return slices.Contains(keys, p.Key) })
}

// Get returns a key's value, nil where it is not there.
func (m Map) Get(key string) any {
	for _, p := range m {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

// In returns m with a key of the map below another one set.
func (m Map) In(outer, key string, value any) Map {
	inner, _ := m.Get(outer).(Map)
	return m.With(outer, inner.With(key, value))
}

// Literal writes text so that it stands for itself where variables are filled in.
func Literal(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// LiteralTemplate writes text so that it stands for itself in a placeholder's place too.
func LiteralTemplate(text string) string {
	return Literal(strings.NewReplacer("{", "{{", "}", "}}", "%", "%%").Replace(text))
}

// Expression writes an expression so that only ${env:…} and ${file:…} are filled in.
func Expression(code string) string {
	return strings.NewReplacer("${env:", "${env:", "${file:", "${file:", "${", "$${").Replace(code)
}

// Step is one step of a filter.
type Step struct {
	// Kind is modify, parse, ….
	Kind string
	// Body is its settings, a Map.
	Body any
	When string
	// Note stands above it, next to the old file's line.
	Note string
}

// Filter is a piece of a pipe that changes or drops events whose tag is one of Tags.
type Filter struct {
	At syntax.Place
	// Title is the filter as people know it, <filter kube.**> grep.
	Title string
	// Name is the one that is wished for, "" for one by its tags.
	Name  string
	Tags  Tags
	Steps []Step
	// AgentOnly says why only an agent can do this, "" where the aggregator can.
	AgentOnly string
	Raw       []string
}

// Match is where events of Tags leave a pipe, each to all Targets.
type Match struct {
	At      syntax.Place
	Title   string
	Tags    Tags
	Targets []Target
	Raw     []string
}

// Target is one place where events go to; one of its fields is set.
type Target struct {
	Output *Output
	// Label is another pipe of the flow.
	Label string
	// Retag leads back to the beginning of a pipe, under another tag.
	Retag *Retag
	// Null leads nowhere.
	Null bool
}

// Retag gives events new tags, by the first of the rules that takes them.
type Retag struct {
	Rules []Rule
	// Label is the pipe that they go to, "" for the one that they started in.
	Label string
	// Once says that the new tags are none that the match takes again, whatever they may be.
	Once bool
}

// Rule is one way to get a tag.
type Rule struct {
	At syntax.Place
	// When says which events the rule takes, "" for all, by the field Field of the record, which is a path. Take are
	// steps that drop what it does not take; Leave those that drop what it does.
	When, Field string
	Take, Leave []Step
	// Set is what sets the tag.
	Set []Step
	// Tags is what the new tag is like.
	Tags Tags
	// Keep says that the event goes on under its own tag as well.
	Keep bool
	// Label is where its events go, if not to the label of all rules.
	Label *string
}

// Output is a destination.
type Output struct {
	At    syntax.Place
	Title string
	// Name is the one that is wished for.
	Name     string
	Type     string
	Settings Map
	// Steps are changes that events need for this output alone.
	Steps []Step
	Notes []string
	// WhenFull is what its buffer did when it was full, block or drop_oldest; "" where it says nothing.
	WhenFull string
	// Copy is which copy of Original it is, for events that come to the same destination twice; 0 for no copy.
	Copy     int
	Original *Output
}

// Retags reports whether a match gives events another tag and sends them back.
func (m *Match) Retags() bool {
	return slices.ContainsFunc(m.Targets, func(t Target) bool { return t.Retag != nil })
}

// Stage is a piece of a pipe; one of its fields is set.
type Stage struct {
	Filter *Filter
	Match  *Match
}

// Pipe is stages in their order.
type Pipe struct {
	Stages []Stage
	// All says that each match gets its events, whatever stands before it, and after all filters: Fluent Bit's way.
	// Else the first that matches takes them.
	All bool
}

// Flow is a whole configuration.
type Flow struct {
	// Pipes are by label, "" for where events start.
	Pipes map[string]*Pipe
	// Start is the pipe where what comes from agents starts.
	Start string
	// Ways is how many inputs events come in by.
	Ways int

	entrances []Entrance
}

// Route is a route of the new configuration.
type Route struct {
	At    syntax.Place
	Title string
	Match []string
	// When is conditions that all have to be true.
	When  []string
	Steps []Use
	// Outputs is none where what comes here is dropped.
	Outputs  []*Output
	Continue bool
}

// Use is a filter as a route has it. When is a condition that its tags make necessary, "" for none.
type Use struct {
	Filter *Filter
	When   string
}

// Listener is where an old program let agents come in.
type Listener struct {
	At       syntax.Place
	Title    string
	Settings Map
	Clusters []Map
}

// Source is an input that stays with an agent, such as the reading of files.
type Source struct {
	At    syntax.Place
	Title string
	Raw   []string
	// Label is the pipe that its events go to.
	Label string
	// More is settings that it lacks so that what it reads is not lost, as lines of key and value.
	More []string
}

// Old is one old configuration.
type Old struct {
	File      string
	Flow      *Flow
	Listeners []Listener
	Sources   []Source
	// Service is the raw lines of what an agent needs besides its sources, such as [SERVICE].
	Service []string
	// Parsers is the raw lines of the parsers that stand in the same file, by what the list is called.
	Parsers map[string][][]string
	// Bit says that it is Fluent Bit's, YAML that it is in that form.
	Bit, YAML bool
	// Status says that the old program served metrics.
	Status bool
	// WhenFull is what its buffers did when they were full, by output.
	WhenFull []string
	// Samples is events that inputs for trying things out make.
	Samples []Sample
}

// Sample is events that an input makes up, as JSON, under its tag.
type Sample struct {
	At    syntax.Place
	Tag   string
	Lines []string
}

// Text is all texts of the settings, for a look at what is among them.
func (o *Output) Text() string {
	var b strings.Builder
	for _, p := range o.Settings {
		if text, ok := p.Value.(string); ok {
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}
