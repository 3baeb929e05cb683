// Package setting holds the types that a configuration is made of. Every part of the program owns
// a Config built from them; package config gathers, decodes and checks these.
//
// A Config is a struct whose fields carry these tags:
//
//	yaml:"name"      the key
//	default:"10s"    the value, in YAML, where the key is missing
//	enum:"a|b"       the only values that a string may have
//	min:"1"          the least value of a number, size, rate or duration, in YAML; 0 where not given
//	required:"true"  the key must be there, and not empty
//	help:"…"         one line for the JSON Schema; longer ones are in a method, as Explained has it
//	placeholders:"…" the text has placeholders, and is the name of where events go (target) or another (other)
//	short:"true"     a text in place of the struct stands for this key alone
package setting

import "fmt"

// Checker is implemented by a Config (pointer receiver) that has rules beyond its fields' types.
// Check reports every broken rule; it is called after defaults are set.
type Checker interface{ Check(r *Report) }

// Explained is implemented by a Config (value receiver) of which a tag has no room for all that is to be said of some
// keys. Help returns that by key, for the keys without a help tag.
type Explained interface{ Help() map[string]string }

// Enumerated is implemented by a Config (value receiver) with strings whose values are too many for a tag. Enum returns
// them by key, for the keys without an enum tag.
type Enumerated interface{ Enum() map[string][]string }

// Report collects broken rules.
type Report struct{ Problems []Problem }

// Problem is one broken rule: Key is relative to the reporting Config ("tls.cert_file", "" for
// itself), Reason says what is wrong, Hint what to do. A Warning is about what is allowed but hardly meant.
type Problem struct {
	Key, Reason, Hint string
	Warning           bool
}

// Add records a broken rule at key, with what to do about it in hint.
func (r *Report) Add(key, hint, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{Key: key, Reason: fmt.Sprintf(format, args...), Hint: hint})
}

// Warn records at key what is allowed but hardly meant, with what to do about it in hint.
func (r *Report) Warn(key, hint, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{Key: key, Reason: fmt.Sprintf(format, args...), Hint: hint, Warning: true})
}
