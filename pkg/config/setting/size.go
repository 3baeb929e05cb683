package setting

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Size is a number of bytes, written 512KiB, 10MiB, 1GB or as a plain number.
type Size int64

// Rate is bytes per second, written 50MiB/s or as a plain number; 0 means no limit.
type Rate int64

// SizePattern and RatePattern are regular expressions of what ParseSize and ParseRate accept.
const (
	SizePattern = `^[0-9]+([KMGT]i?B|B)?$`
	RatePattern = `^[0-9]+(([KMGT]i?B|B)/s)?$`
)

type unit struct {
	name  string
	bytes int64
}

// units go from the largest to the smallest, so that String finds the shortest form first.
func units() []unit {
	return []unit{
		{"TiB", 1 << 40},
		{"TB", 1e12},
		{"GiB", 1 << 30},
		{"GB", 1e9},
		{"MiB", 1 << 20},
		{"MB", 1e6},
		{"KiB", 1 << 10},
		{"KB", 1e3},
		{"B", 1},
	}
}

// SyntaxError says why a text is no value of its type, and what to write instead ("" where
// that can't be guessed). It does not contain the text, which may be confidential.
type SyntaxError struct{ Reason, Hint string }

func (e *SyntaxError) Error() string {
	if e.Hint == "" {
		return e.Reason
	}
	return e.Reason + " (" + e.Hint + ")"
}

// ParseSize reads a size. Its errors are of type *SyntaxError.
func ParseSize(text string) (Size, error) {
	number, suffix := splitNumber(text)
	if number == "" {
		return 0, &SyntaxError{Reason: "is not a size", Hint: "write a size like 512KiB, 10MiB or 1GB"}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, &SyntaxError{Reason: "is too large for a size"}
	}
	if suffix == "" {
		return Size(n), nil
	}
	for _, u := range units() {
		if u.name != suffix {
			continue
		}
		if n > math.MaxInt64/u.bytes {
			return 0, &SyntaxError{Reason: "is too large for a size"}
		}
		return Size(n * u.bytes), nil
	}
	reason := "has an unknown unit"
	if suffix[0] == '.' {
		reason = "is not a whole number"
	}
	return 0, &SyntaxError{Reason: reason, Hint: unitHint(number, suffix)}
}

// ParseRate reads a rate. Its errors are of type *SyntaxError.
func ParseRate(text string) (Rate, error) {
	size, perSecond := strings.CutSuffix(text, "/s")
	n, err := ParseSize(size)
	if err != nil {
		hint := "write a rate like 50MiB/s, or 0 for no limit"
		if syntax, ok := errors.AsType[*SyntaxError](err); ok && perSecond && strings.HasPrefix(syntax.Hint, meant) {
			if n, err := ParseSize(strings.TrimPrefix(syntax.Hint, meant)); err == nil {
				hint = meant + Rate(n).String()
			}
		}
		return 0, &SyntaxError{Reason: "is not a rate", Hint: hint}
	}
	if _, suffix := splitNumber(size); perSecond == (suffix == "") {
		return 0, &SyntaxError{Reason: "is not a rate per second", Hint: meant + Rate(n).String()}
	}
	return Rate(n), nil
}

func splitNumber(text string) (number, suffix string) {
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		return text, ""
	}
	return text[:end], text[end:]
}

// meant begins a hint that has what to write instead.
const meant = "write "

// unitHint guesses what "10mb", "10 MiB", "10Mi", "10M", "1.5GiB" or "10_000" was to be.
func unitHint(number, suffix string) string {
	if plain := Ungrouped(number + suffix); plain != "" {
		return meant + plain
	}
	fraction := ""
	if rest, ok := strings.CutPrefix(suffix, "."); ok {
		fraction, suffix = splitNumber(rest)
		fraction = "." + fraction
	}
	folded := strings.ToLower(strings.TrimSpace(suffix))
	for _, u := range units() {
		name := strings.ToLower(u.name)
		if folded != name && folded+"b" != name {
			continue
		}
		if fraction == "" {
			return meant + number + u.name
		}
		value, ok := new(big.Rat).SetString(number + fraction + "0")
		if ok && value.Mul(value, big.NewRat(u.bytes, 1)).IsInt() && value.Num().IsInt64() {
			return meant + Size(value.Num().Int64()).String()
		}
		return "write a whole number of a smaller unit"
	}
	return "units are B, KB, MB, GB, TB and KiB, MiB, GiB, TiB"
}

// Ungrouped returns the number that a text like 10_000 or 10,000 means, "" where it is no such text.
func Ungrouped(text string) string {
	plain := strings.NewReplacer("_", "", ",", "", "'", "", " ", "").Replace(text)
	if _, suffix := splitNumber(plain); suffix != "" || plain == "" || plain == text {
		return ""
	}
	return plain
}

// String writes s without loss, in the largest unit that it is a multiple of.
func (s Size) String() string {
	n := int64(s)
	for _, u := range units()[:8] {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// String writes r without loss; "0" means no limit.
func (r Rate) String() string {
	if r == 0 {
		return "0"
	}
	s := Size(r).String()
	if _, suffix := splitNumber(s); suffix == "" {
		s += "B"
	}
	return s + "/s"
}

// MarshalText writes s as String does.
func (s Size) MarshalText() ([]byte, error) { return fmt.Append(nil, s.String()), nil }

// MarshalText writes r as String does.
func (r Rate) MarshalText() ([]byte, error) { return fmt.Append(nil, r.String()), nil }
