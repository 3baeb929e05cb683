// Package dialect turns regular expressions of Ruby and Onigmo, which fluentd and Fluent Bit have, into those of RE2.
package dialect

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Pattern returns what matches the same in RE2's syntax, which pkg/filter compiles. Slashes around it, with flags, may
// be there. The error says what RE2 has nothing for. As in RE2, ^ and $ are the ends of the text, not of each of its
// lines.
func Pattern(text string) (string, error) {
	flags := ""
	if end := strings.LastIndexByte(text, '/'); len(text) > 1 && text[0] == '/' && end > 0 && strings.Trim(text[end+1:],
		"imxounse") == "" {
		text, flags = text[1:end], text[end+1:]
	}
	t := &translator{in: text, extended: strings.Contains(flags, "x")}
	if err := t.run(); err != nil {
		return "", err
	}
	out := t.out.String()
	own := ""
	if strings.Contains(flags, "i") {
		own += "i"
	}
	if strings.Contains(flags, "m") {
		own += "s"
	}
	if own != "" {
		out = "(?" + own + ")" + out
	}
	if _, err := regexp.Compile(out); err != nil {
		return "", fmt.Errorf("the expression has no like in RE2: %w", err)
	}
	return out, nil
}

// Negative returns the X of ^(?!X), in Ruby's syntax, or of ^((?!X).)*$: what such an expression matches is what X does
// not match, at the beginning or anywhere. ok is false for any other.
func Negative(text string) (inner string, ok bool) {
	flags := ""
	if end := strings.LastIndexByte(text, '/'); len(text) > 1 && text[0] == '/' && end > 0 {
		text, flags = text[1:end], text[end+1:]
	}
	if inner, ok := Without(text); ok && flags == "" {
		return inner, true
	}
	rest, found := strings.CutPrefix(text, "^(?!")
	if !found || flags != "" && flags != "i" {
		return "", false
	}
	depth := 1
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth > 0 {
				continue
			}
			switch rest[i+1:] {
			case "", ".*", ".*$", ".+", ".+$":
				if flags != "" {
					return "/^(?:" + rest[:i] + ")/" + flags, true
				}
				return "^(?:" + rest[:i] + ")", true
			}
			return "", false
		}
	}
	return "", false
}

// Without returns the X of ^((?!X).)*$, in Ruby's syntax: such an expression matches a text in which X is nowhere. ok
// is false for any other.
func Without(text string) (inner string, ok bool) {
	if len(text) > 1 && text[0] == '/' && text[len(text)-1] == '/' {
		text = text[1 : len(text)-1]
	}
	for _, front := range [...]string{"^((?!", "^(?:(?!"} {
		rest, found := strings.CutPrefix(text, front)
		if !found {
			continue
		}
		for _, end := range [...]string{").)*$", ").)+$", ").)*"} {
			if inner, found = strings.CutSuffix(rest, end); found && balanced(inner) {
				return inner, true
			}
		}
	}
	return "", false
}

// balanced reports whether all groups of an expression end within it.
func balanced(text string) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0
}

type translator struct {
	in       string
	out      strings.Builder
	pos      int
	extended bool
}

func (t *translator) run() error {
	for t.pos < len(t.in) {
		c := t.in[t.pos]
		rest := t.in[t.pos:]
		switch {
		case c == '\\':
			if err := t.escape(false); err != nil {
				return err
			}
		case c == '[':
			if err := t.class(); err != nil {
				return err
			}
		case strings.HasPrefix(rest, "(?"):
			if err := t.group(rest); err != nil {
				return err
			}
		case t.extended && strings.IndexByte(" \t\n", c) >= 0:
			t.pos++
		case t.extended && c == '#':
			for t.pos < len(t.in) && t.in[t.pos] != '\n' {
				t.pos++
			}
		case strings.HasPrefix(rest, "{,"):
			t.out.WriteString("{0,")
			t.pos += 2
		case strings.IndexByte("*+?", c) >= 0 && len(rest) > 1 && rest[1] == '+':
			// Possessive: nothing goes back here.
			t.out.WriteByte(c)
			t.pos += 2
		default:
			t.out.WriteByte(c)
			t.pos++
		}
	}
	return nil
}

// group writes what begins with (?.
func (t *translator) group(rest string) error {
	for _, f := range [...]struct{ from, to string }{{"(?>", "(?:"}, {"(?m)", "(?s)"}, {"(?m:", "(?s:"}, {
		"(?mi)",
		"(?si)",
	}, {"(?im)", "(?is)"}, {"(?mi:", "(?si:"}, {"(?im:", "(?is:"}} {
		if strings.HasPrefix(rest, f.from) {
			t.out.WriteString(f.to)
			t.pos += len(f.from)
			return nil
		}
	}
	switch {
	case strings.HasPrefix(rest, "(?#"):
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return errors.New("a comment without its end")
		}
		t.pos += end + 1
		return nil
	case strings.HasPrefix(rest, "(?'"):
		end := strings.IndexByte(rest[3:], '\'')
		if end < 0 {
			return errors.New("a group's name without its end")
		}
		t.out.WriteString("(?<" + rest[3:3+end] + ">")
		t.pos += 3 + end + 1
		return nil
	case strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") || strings.HasPrefix(rest,
		"(?<=") || strings.HasPrefix(rest, "(?<!"):
		return errors.New("look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is around too, " +
			"or use a second step")
	case strings.HasPrefix(rest, "(?<"):
		end := strings.IndexByte(rest, '>')
		if end < 0 {
			return errors.New("a group's name without its end")
		}
		t.out.WriteString("(?<" + rest[3:end] + ">")
		t.pos += end + 1
		return nil
	case strings.HasPrefix(rest, "(?x"):
		return errors.New("(?x) has no like: write the expression without blanks")
	}
	t.out.WriteString("(?")
	t.pos += 2
	return nil
}

// escape writes what a backslash begins.
func (t *translator) escape(inClass bool) error {
	if t.pos+1 >= len(t.in) {
		return errors.New("it ends in a backslash")
	}
	c := t.in[t.pos+1]
	t.pos += 2
	switch {
	case c == 'h' && inClass:
		t.out.WriteString("0-9a-fA-F")
	case c == 'h':
		t.out.WriteString("[0-9a-fA-F]")
	case c == 'H' && !inClass:
		t.out.WriteString("[^0-9a-fA-F]")
	case c == 'Z' && !inClass:
		t.out.WriteString("$")
	case c == 'R' && !inClass:
		t.out.WriteString(`(?:\r\n|\n|\r)`)
	case c == 'X' && !inClass:
		t.out.WriteString(".")
	case c == 'e':
		t.out.WriteString(`\x1b`)
	case c == 'u' && t.pos+4 <= len(t.in):
		t.out.WriteString(`\x{` + t.in[t.pos:t.pos+4] + "}")
		t.pos += 4
	case c == '/':
		t.out.WriteByte('/')
	case c == 'p' || c == 'P':
		return t.property(c, inClass)
	case c >= '1' && c <= '9' || c == 'k' || c == 'g':
		return errors.New("references to groups have no like")
	case c == 'G' || c == 'K':
		return fmt.Errorf(`\%c has no like: put what is wanted in a group`, c)
	case strings.IndexByte("@#%&=:;,<>!~\"'` _", c) >= 0:
		t.out.WriteByte(c)
	default:
		t.out.WriteString(`\` + string(c))
	}
	return nil
}

// property writes \p{Alpha} and the like as a class of ASCII, and others as they are.
func (t *translator) property(c byte, inClass bool) error {
	rest := t.in[t.pos:]
	end := strings.IndexByte(rest, '}')
	if !strings.HasPrefix(rest, "{") || end < 0 {
		return errors.New(`\p without {…}`)
	}
	name := rest[1:end]
	t.pos += end + 1
	switch lower := strings.ToLower(name); lower {
	case "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
		"xdigit":
		class := "[:" + lower + ":]"
		if c == 'P' {
			class = "[:^" + lower + ":]"
		}
		if !inClass {
			class = "[" + class + "]"
		}
		t.out.WriteString(class)
	default:
		t.out.WriteString(`\` + string(c) + "{" + name + "}")
	}
	return nil
}

// class writes […].
func (t *translator) class() error {
	t.out.WriteByte('[')
	t.pos++
	for first := true; t.pos < len(t.in); first = false {
		c := t.in[t.pos]
		rest := t.in[t.pos:]
		switch {
		case c == '^' && first:
			t.out.WriteByte('^')
			t.pos++
			if strings.HasPrefix(t.in[t.pos:], "]") {
				t.out.WriteString(`\]`)
				t.pos++
			}
		case c == ']' && !first:
			t.out.WriteByte(']')
			t.pos++
			return nil
		case strings.HasPrefix(rest, "[:"):
			end := strings.Index(rest, ":]")
			if end < 0 {
				return errors.New("[: without :]")
			}
			t.out.WriteString(rest[:end+2])
			t.pos += end + 2
		case c == '[':
			t.out.WriteString(`\[`)
			t.pos++
		case strings.HasPrefix(rest, "&&"):
			return errors.New("the intersection && of classes has no like: write the class out")
		case c == '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		default:
			t.out.WriteByte(c)
			t.pos++
		}
	}
	return errors.New("[ without ]")
}
