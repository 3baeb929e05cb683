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

// newFormat returns the format that cfg names and how it writes times, none where it has no way of its
// own.
func newFormat(cfg Config) (f format, timeFormats []string, err error) {
	switch cfg.Format {
	case formatCRI:
		return cri{}, []string{"rfc3339"}, nil
	case formatJSON:
		return &jsonFormat{}, nil, nil
	case formatRegex:
		if f, err = newRegex(cfg.Regex); err != nil {
			err = &settingError{"regex", err}
		}
		return f, nil, err
	case formatNginx:
		return nginx{}, []string{"%d/%b/%Y:%H:%M:%S %z"}, nil
	case formatApache2:
		return apache2{}, []string{"%d/%b/%Y:%H:%M:%S %z"}, nil
	case formatIngress:
		return ingressNginx{}, []string{"%d/%b/%Y:%H:%M:%S %z"}, nil
	case formatHAProxy:
		return haproxy{}, []string{"%d/%b/%Y:%H:%M:%S.%L"}, nil
	case formatEnvoy:
		return envoy{}, []string{"rfc3339"}, nil
	case formatTraefik:
		return &traefik{}, []string{"%d/%b/%Y:%H:%M:%S %z", "rfc3339"}, nil
	case formatALB:
		return alb{}, []string{"rfc3339"}, nil
	case formatText:
		return wholeText{}, nil, nil
	case formatCSV:
		f, err = newCSV(cfg.CSV)
		return f, nil, err
	case formatLogfmt:
		return &logfmt{bareKeys: cfg.BareKeys != nil && *cfg.BareKeys}, nil, nil
	case formatLTSV:
		f, err = newLTSV(cfg.LTSV)
		return f, nil, err
	case formatSyslog:
		f, err = newSyslog(cfg)
		// It calls setTime.
		return f, nil, err
	}
	return nil, nil, fmt.Errorf("unknown format %q", cfg.Format)
}
