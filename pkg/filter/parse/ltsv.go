package parse

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// errLTSV is the reason why a text is not LTSV.
const errLTSV = reason("no label with a value")

// LTSV says how labeled values are told apart.
type LTSV struct {
	Delimiter        string `yaml:"delimiter" help:"between fields; empty: a tab"`
	DelimiterPattern string `yaml:"delimiter_pattern" help:"a regular expression instead of delimiter, e.g. \\s+"`
	LabelDelimiter   string `yaml:"label_delimiter" help:"between label and value; empty: a colon"`
}

// ltsv reads labeled values, label:value, with tabs between them (ltsv.org). What has no label or
// no delimiter after it is passed over, as in fluentd; one label there must be.
type ltsv struct {
	delimiter, label []byte
	// pattern stands instead of delimiter where it is not nil.
	pattern *regexp.Regexp
}

func newLTSV(cfg LTSV) (*ltsv, error) {
	f := &ltsv{delimiter: []byte(cmp.Or(cfg.Delimiter, "\t")), label: []byte(cmp.Or(cfg.LabelDelimiter, ":"))}
	if cfg.DelimiterPattern == "" {
		return f, nil
	}
	var err error
	if f.pattern, err = filter.CompilePattern(cfg.DelimiterPattern); err == nil && f.pattern.MatchString("") {
		err = errors.New("it also matches nothing, which is everywhere")
	}
	if err != nil {
		return nil, &settingError{"ltsv.delimiter_pattern", fmt.Errorf("%q: %w", cfg.DelimiterPattern, err)}
	}
	return f, nil
}

func (f *ltsv) parse(dst *fields, text []byte) error {
	fields := 0
	for more := true; more; {
		var pair []byte
		pair, text, more = f.cut(text)
		label, value, ok := bytes.Cut(pair, f.label)
		if !ok || len(label) == 0 {
			continue
		}
		if fields++; fields > maxFields {
			return errFields
		}
		dst.member(label, value)
	}
	if fields == 0 {
		return errLTSV
	}
	return nil
}

// cut cuts text at the first delimiter.
func (f *ltsv) cut(text []byte) (pair, rest []byte, more bool) {
	if f.pattern == nil {
		return bytes.Cut(text, f.delimiter)
	}
	at := f.pattern.FindIndex(text)
	if at == nil || at[1] == 0 {
		return text, nil, false
	}
	return text[:at[0]], text[at[1]:], true
}
