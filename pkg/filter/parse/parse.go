// Package parse is the filter step that reads structure out of a field's text: container runtimes'
// lines (CRI), JSON, nginx and Apache access logs, logfmt, LTSV, syslog and what a regular
// expression with named groups matches.
package parse

import (
	"fmt"
)

// format reads one way of writing. One goroutine uses it at a time.
type format interface {
	// parse adds the fields of text to dst, or returns why text is not written so: a reason, which
	// is free. It does not keep text, and takes time and memory in proportion to it whatever it holds.
	parse(dst *fields, text []byte) error
}

// reason says in words why a text does not parse, without the text: it is counted and shown.
type reason string

func (r reason) Error() string { return string(r) }

// The reasons that are no format's own.
const (
	errMissing = reason("the record does not have the field")
	errNoText  = reason("the field is not a text")
	errTime    = reason("the time is not written as time.format has it")
)

// newFormat returns the format that cfg names and how it writes times, "" where it has no way of its
// own.
func newFormat(cfg Config) (f format, timeFormat string, err error) {
	switch cfg.Format {
	case formatCRI:
		return cri{}, "rfc3339", nil
	case formatJSON:
		return &jsonFormat{}, "", nil
	case formatRegex:
		if f, err = newRegex(cfg.Regex); err != nil {
			err = &settingError{"regex", err}
		}
		return f, "", err
	case formatNginx:
		return nginx{}, "%d/%b/%Y:%H:%M:%S %z", nil
	case formatApache2:
		return apache2{}, "%d/%b/%Y:%H:%M:%S %z", nil
	case formatLogfmt:
		return &logfmt{bareKeys: cfg.BareKeys != nil && *cfg.BareKeys}, "", nil
	case formatLTSV:
		f, err = newLTSV(cfg.LTSV)
		return f, "", err
	case formatSyslog:
		f, err = newSyslog(cfg)
		return f, "", err // it calls setTime
	}
	return nil, "", fmt.Errorf("unknown format %q", cfg.Format)
}
