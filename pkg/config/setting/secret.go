package setting

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
)

// concealed stands for a secret in everything that is printed.
const concealed = "<secret>"

// Secret is a string that does not print: every way of formatting or marshalling it gives
// "<secret>". Only Reveal shows it. The zero Secret is not set.
//
// The text is behind a pointer, because fmt skips the methods of unexported fields and prints what
// is there, and its bytes are inverted, because other printers follow pointers by reflection.
// That keeps a secret out of logs; it does not protect it from who can read the memory.
type Secret struct{ inverted *[]byte }

// NewSecret returns a secret that is set to text, which may be empty.
func NewSecret(text string) Secret {
	b := []byte(text)
	invert(b)
	return Secret{inverted: &b}
}

// Reveal returns the text, "" where s is not set.
func (s Secret) Reveal() string {
	if s.inverted == nil {
		return ""
	}
	b := append([]byte(nil), *s.inverted...)
	invert(b)
	return string(b)
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// IsSet reports whether the secret was given, be it as an empty text.
func (s Secret) IsSet() bool { return s.inverted != nil }

// Equal reports whether both are not set or both are the same text, in a time that does not tell
// where they differ.
func (s Secret) Equal(t Secret) bool {
	if s.inverted == nil || t.inverted == nil {
		return s.inverted == t.inverted
	}
	return subtle.ConstantTimeCompare(*s.inverted, *t.inverted) == 1
}

// Format implements fmt.Formatter: every verb prints "<secret>".
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, concealed) }

// String returns "<secret>".
func (s Secret) String() string { return concealed }

// GoString returns "<secret>".
func (s Secret) GoString() string { return concealed }

// MarshalText returns "<secret>".
func (s Secret) MarshalText() ([]byte, error) { return []byte(concealed), nil }

// MarshalJSON returns "<secret>" as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(concealed) }

// MarshalYAML returns "<secret>".
func (s Secret) MarshalYAML() (any, error) { return concealed, nil }
