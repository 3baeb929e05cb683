// Package syntax is what the readers of fluentd's and Fluent Bit's configurations share: places, mistakes, sections of
// keys and values, and files that are read within limits.
package syntax

import (
	"fmt"
	"strings"
)

// Place is where something stands in an old file. Line and Column count from 1; 0 is the file as a whole.
type Place struct {
	File         string
	Line, Column int
}

// String returns the file and the line.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Error is what can't be read of an old file, and what to do about it.
type Error struct {
	At           Place
	Reason, Hint string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.At.String())
	if e.At.Column > 0 {
		fmt.Fprintf(&b, ":%d", e.At.Column)
	}
	b.WriteString(": " + e.Reason)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Part is a piece of a value: literal text, or an environment variable, or code that is not understood.
type Part struct {
	Text string
	// Env is the name of the variable whose value stands here; Default stands for it where it is not set.
	Env     string
	Default *string
	// File is the path of a file whose text, without its line end, stands here.
	File string
	// Code is embedded Ruby that is no variable.
	Code string
}

// Value is what a key is set to.
type Value struct {
	Parts []Part
	At    Place
}

// Literal returns a value without variables.
func Literal(text string, at Place) Value { return Value{Parts: []Part{{Text: text}}, At: at} }

// Plain returns the text of a value that has neither variables nor code.
func (v Value) Plain() (string, bool) {
	var b strings.Builder
	for _, p := range v.Parts {
		if p.Env != "" || p.Code != "" || p.File != "" {
			return b.String(), false
		}
		b.WriteString(p.Text)
	}
	return b.String(), true
}

// Shown returns the value as people know it, for notes; it may hold a secret.
func (v Value) Shown() string {
	var b strings.Builder
	for _, p := range v.Parts {
		switch {
		case p.Env != "":
			b.WriteString("${" + p.Env + "}")
		case p.File != "":
			b.WriteString("${file:" + p.File + "}")
		case p.Code != "":
			b.WriteString("#{" + p.Code + "}")
		default:
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

// Usual returns the value as it is where no variable is set that has a default.
func (v Value) Usual() string {
	var b strings.Builder
	for _, p := range v.Parts {
		if p.Env != "" && p.Default != nil {
			b.WriteString(*p.Default)
			continue
		}
		b.WriteString(Value{Parts: []Part{p}}.Shown())
	}
	return b.String()
}

// Entry is a key and its value.
type Entry struct {
	Key   string
	Value Value
	At    Place
}

// Section is a section of an old file: <match kube.**> … </match> with Name match and Arg kube.**, or [OUTPUT] with
// Name output. Keys of Fluent Bit, which does not tell their case, are in lower case.
type Section struct {
	Name, Arg string
	At        Place
	Entries   []Entry
	Sections  []*Section
	// Raw is the section's own lines.
	Raw []string
}

// Get returns the last value of a key.
func (s *Section) Get(key string) (Value, bool) {
	for i := len(s.Entries) - 1; i >= 0; i-- {
		if s.Entries[i].Key == key {
			return s.Entries[i].Value, true
		}
	}
	return Value{At: s.At}, false
}

// Text returns a key's value where it is plain text, "" otherwise.
func (s *Section) Text(key string) string {
	v, _ := s.Get(key)
	text, _ := v.Plain()
	return text
}

// Children returns the sections of a name.
func (s *Section) Children(name string) (all []*Section) {
	for _, c := range s.Sections {
		if c.Name == name {
			all = append(all, c)
		}
	}
	return all
}
