package route

import (
	"fmt"
	"strings"
)

// PatternError is a mistake in a pattern. Column counts bytes from 1.
type PatternError struct {
	Pattern string
	Column  int
	Reason  string
}

func (e *PatternError) Error() string {
	return fmt.Sprintf("pattern %q, column %d: %s", e.Pattern, e.Column, e.Reason)
}

// Pattern is a compiled tag pattern, as fluentd has them:
//
//   - any text without a dot, also none: one part of the tag, or a piece of a part (web-*)
//     **       any text: zero or more parts; "a.**" matches "a", "**.b" matches "b", "a.**.c" matches "a.c"
//     {x,y}    one of several patterns, which may hold dots, wildcards and braces
//     \c       the character c itself
//     p q      what p or q matches
//
// fluentd forgets a dot that ends a pattern, and so does this. Unlike there, a wildcard also stands
// for line breaks, a brace without its fellow is a mistake, and so is a regular expression.
//
// A match takes time in proportion to the tag's length times the pattern's, whatever their text.
// The zero value matches nothing. Safe for concurrent use.
type Pattern struct{ programs []program }

// Compile reads one or more patterns with white space between them. Its errors are *PatternError.
func Compile(text string) (Pattern, error) { return compileAll(text, opNotDot) }

// compileGlob reads a cluster's pattern: like a tag's, but to * a dot is like any other character.
func compileGlob(text string) (Pattern, error) { return compileAll(text, opAny) }

func compileAll(text string, star opcode) (Pattern, error) {
	var p Pattern
	from := 0
	for _, field := range strings.Fields(text) {
		from += strings.Index(text[from:], field)
		c := compiler{text: field, star: star}
		if err := c.compile(); err != nil {
			err.Pattern, err.Column = text, err.Column+from
			return Pattern{}, err
		}
		p.programs = append(p.programs, c.out)
		from += len(field)
	}
	if p.programs == nil {
		return Pattern{}, &PatternError{Pattern: text, Column: 1, Reason: "it is empty (** matches every tag)"}
	}
	return p, nil
}

// compiler translates one pattern, left to right in one pass. Nested braces need no recursion.
type compiler struct {
	text string
	// star is what * repeats.
	star opcode
	out  program
	// groups are open braces, the innermost last.
	groups []group
	// dot says that a dot was read and is not in out yet: a ** behind it decides what it means.
	dot bool
}

// group is an open brace: where it is, the split that chooses between the current alternative and
// those to come, and the jumps out of the finished ones.
type group struct {
	column, split int
	jumps         []int
}

func (c *compiler) compile() *PatternError {
	if c.text[0] == '/' {
		return &PatternError{
			Column: 1, Reason: `regular expressions are not supported (write \/ for a tag that begins with a slash)`,
		}
	}
	for i := 0; i < len(c.text); i++ {
		if strings.HasPrefix(c.text[i:], "**") {
			i += c.doubleStar(i)
			continue
		}
		c.flushDot()
		switch b := c.text[i]; b {
		case '\\':
			if i++; i == len(c.text) {
				return &PatternError{Column: i, Reason: `nothing follows the \`}
			}
			c.emit(instruction{op: opByte, b: c.text[i]})
		case '.':
			c.dot = true
		case '*':
			c.repeat(c.star)
		case '{':
			c.groups = append(c.groups, group{column: i + 1, split: c.emitSplit()})
		case '}', ',':
			if len(c.groups) == 0 && b == ',' {
				c.emit(instruction{op: opByte, b: b})
			} else if len(c.groups) == 0 {
				return &PatternError{Column: i + 1, Reason: `} without a { (write \} for the character)`}
			} else if b == ',' {
				c.alternative()
			} else {
				c.closeGroup()
			}
		default:
			c.emit(instruction{op: opByte, b: b})
		}
	}
	if n := len(c.groups); n > 0 {
		return &PatternError{
			Column: c.groups[n-1].column,
			Reason: `{ without a } (no spaces between braces; write \{ for the character)`,
		}
	}
	c.emit(instruction{op: opMatch})
	return nil
}

// doubleStar translates the ** at c.text[i:] and returns how many bytes it took beyond the first.
func (c *compiler) doubleStar(i int) int {
	if c.dot {
		// "a.**": the text behind a is none, or begins with a dot.
		c.emit(instruction{op: opPartEnd})
		c.dot = false
	}
	if strings.HasPrefix(c.text[i+2:], ".") {
		// "**.b": b is at the beginning of the tag or behind a dot.
		split := c.emitSplit()
		c.repeat(opAny)
		c.emit(instruction{op: opByte, b: '.'})
		jump := c.emit(instruction{op: opJump})
		c.out[split].y = c.emit(instruction{op: opStart})
		c.out[jump].x = len(c.out)
		return 2
	}
	if i+2 == len(c.text) && len(c.groups) == 0 {
		c.emit(instruction{op: opRest})
	} else {
		c.repeat(opAny)
	}
	return 1
}

func (c *compiler) emit(in instruction) int {
	c.out = append(c.out, in)
	return len(c.out) - 1
}

// emitSplit goes on with the next instruction and with y, which the caller sets.
func (c *compiler) emitSplit() int {
	return c.emit(instruction{op: opSplit, x: len(c.out) + 1, y: len(c.out) + 1})
}

func (c *compiler) flushDot() {
	if c.dot {
		c.emit(instruction{op: opByte, b: '.'})
		c.dot = false
	}
}

// repeat translates "any number of op".
func (c *compiler) repeat(op opcode) {
	split := c.emitSplit()
	c.emit(instruction{op: op})
	c.emit(instruction{op: opJump, x: split})
	c.out[split].y = len(c.out)
}

func (c *compiler) alternative() {
	g := &c.groups[len(c.groups)-1]
	g.jumps = append(g.jumps, c.emit(instruction{op: opJump}))
	next := c.emitSplit()
	c.out[g.split].y, g.split = next, next
}

func (c *compiler) closeGroup() {
	g := c.groups[len(c.groups)-1]
	c.groups = c.groups[:len(c.groups)-1]
	for _, jump := range g.jumps {
		c.out[jump].x = len(c.out)
	}
}
