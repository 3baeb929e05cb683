package parse

import (
	"errors"
	"regexp"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// errPattern is the reason of a text that the expression does not match.
const errPattern = reason("the regular expression does not match")

// regexFormat reads what the named groups of an expression match. Groups that take part in no match
// leave no field.
type regexFormat struct {
	expression *regexp.Regexp
	// names are those of the groups, "" for those without one.
	names []string
}

func newRegex(text string) (format, error) {
	re, err := filter.CompilePattern(text)
	if err != nil {
		return nil, err
	}
	f := &regexFormat{expression: re, names: re.SubexpNames()}
	for _, name := range f.names {
		if name != "" {
			return f, nil
		}
	}
	return nil, errors.New("no group has a name: write (?<name>…) for what becomes a field")
}

func (f *regexFormat) parse(dst *fields, text []byte) error {
	m := f.expression.FindSubmatchIndex(text)
	if m == nil {
		return errPattern
	}
	for i, name := range f.names {
		if name != "" && m[2*i] >= 0 {
			dst.text(name, text[m[2*i]:m[2*i+1]])
		}
	}
	return nil
}

// wholeText is the text as one field, message: for who wants no more of it than another encoding or a time.
type wholeText struct{}

func (wholeText) parse(dst *fields, text []byte) error {
	dst.text("message", text)
	return nil
}
