package filter

import (
	"fmt"
	"regexp"
	"strings"
)

// failure is why an expression has no value for an event. Its text is made when it is asked for: each event
// may fail, and few of their errors are read.
type failure struct {
	expression string
	err        error
}

func (f *failure) Error() string {
	return fmt.Sprintf("evaluate %.200q: %s", f.expression, plain(f.err))
}
func (f *failure) Unwrap() error { return f.err }

// plain is an error of expr without the copy of the expression that is in it.
func plain(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return inPlainWords(text)
}

// inPlainWords says what Go and expr call by the names of Go's types as the guide does.
func inPlainWords(text string) string {
	for _, w := range [...]struct{ pattern, words string }{
		{`interface conversion: interface \{\} is (.+), not \[\]uint8`, "$1 where string is wanted"},
		{`interface conversion: interface \{\} is (.+), not ([^ ]+)`, "$1 where $2 is wanted"},
		{`reflect: call of reflect\.Value\.\w+ on zero Value`, "nil is no list or map"},
		{`reflect: call of reflect\.Value\.\w+ on (\S+) Value`, "$1 is no list or map"},
		{`reflect\.Value\.MapIndex: value of type (\S+) is not assignable to type string`, "$1 is no name of a field"},
		{`invalid operation: (?:bool|float|int)\(([^()]+)\)`, "$1 where another kind of value is wanted"},
		{`type (time\.\w+) has no method`, "$1 has no method"},
		{`strconv\.\w+: parsing .*: (.+)`, "$1"},
		{`invalid operation: (\S+) ([-+*/<>=]+|\*\*) (\S+)( \(\d+:\d+\))?$`, "$2 is not for $1 and $3$4"},
		{`map\[string\](?:interface \{\}|any)`, "a map"},
		{`\[\](?:interface \{\}|any|string|int|uint8)`, "a list"},
		{`interface \{\}`, "any value"},
		{`<nil>`, "nil"},
		{`\bu?int(?:8|16|32|64)?\b`, "an integer"},
		{`\bfloat(?:32|64)\b`, "a float"},
		{`\bstring\b`, "a text"},
		{`\bbool\b`, "a truth value"},
		{`\btime\.Time\b`, "a time"},
		{`\btime\.Duration\b`, "a duration"},
	} {
		text = regexp.MustCompile(w.pattern).ReplaceAllString(text, w.words)
	}
	return text
}
