package parse

import (
	"errors"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/charset"
)

// Config is the settings of a parse step.
type Config struct {
	Field    string   `yaml:"field" required:"true" help:"whose text is read, e.g. log or kubernetes.log"`
	Format   string   `yaml:"format" required:"true"`
	Regex    string   `yaml:"regex" help:"format regex: an expression with named groups, (?<name>…)"`
	Encoding string   `yaml:"encoding" default:"utf-8"`
	Types    []string `yaml:"types"`
	Time     Time     `yaml:"time" help:"which of the fields read is the event's time"`

	Keep        bool   `yaml:"keep" default:"false" help:"the text stays in the record next to what was read out of it"`
	ReserveData bool   `yaml:"reserve_data" default:"true"`
	ReserveTime bool   `yaml:"reserve_time" default:"false" help:"the event keeps the time it came with"`
	Into        string `yaml:"into" help:"what was read becomes one map in this field; empty: fields of the record"`
	Prefix      string `yaml:"prefix" help:"put before the name of each field that was read"`
	OnError     string `yaml:"on_error" default:"keep" enum:"keep|tag|dead_letter"`

	BareKeys *bool `yaml:"bare_keys"`

	CSV    CSV    `yaml:"csv" help:"format csv: the columns"`
	LTSV   LTSV   `yaml:"ltsv" help:"format ltsv: what stands between fields, and between label and value"`
	Syslog Syslog `yaml:"syslog" help:"format syslog: which of its two ways of writing"`
	Join   Join   `yaml:"join" help:"format cri: partial lines are joined to the line that the container wrote"`
}

// Enum implements setting.Enumerated.
func (Config) Enum() map[string][]string {
	return map[string][]string{
		"format": {
			"cri", "json", "nginx", "apache2", "ingress_nginx", "haproxy", "envoy", "traefik", "alb", "csv", "logfmt",
			"ltsv", "syslog", "text", "regex",
		},
	}
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"format":       "how the text is written",
		"encoding":     "of the text, by its IANA name: euc-kr, shift_jis, iso-8859-1, gbk, …; it is UTF-8 afterwards",
		"types":        "what texts become: code:integer, size:integer, ok:bool, took:float, at:time:%s, ids:array:;",
		"reserve_data": "the record's other fields stay; false: the record is what was read",
		"on_error": "what does not parse goes on unchanged, goes on with the reason in _parse_error, or becomes " +
			"a dead letter",
		"bare_keys": "format logfmt: each word without = is a key that is true, also in prose; false, the default: " +
			"only single ones among pairs",
	}
}

// Time says where the time of an event stands and how it is written.
type Time struct {
	Key    string   `yaml:"key" default:"time" short:"true"`
	Format []string `yaml:"format"`
	Zone   string   `yaml:"zone" default:"UTC" help:"of times that name none: UTC, Local, Asia/Seoul, +09:00"`
	Keep   bool     `yaml:"keep" default:"false" help:"the field stays in the record"`
}

// Help implements setting.Explained.
func (Time) Help() map[string]string {
	return map[string]string{
		"key": "the field read with the time, time or instant.epochSecond; empty: none",
		"format": "strptime (%d/%b/%Y:%H:%M:%S %z), Go's (2006-01-02 15:04:05), unix, unix_ms, unix_us, unix_ns or " +
			"rfc3339; several are tried in turn; empty: the format's own, or any of RFC 3339 and Unix",
	}
}

// Join bounds how partial lines of a container are joined.
type Join struct {
	Enabled  bool          `yaml:"enabled" default:"true" help:"false: each partial line is an event"`
	Key      string        `yaml:"key"`
	MaxLines int           `yaml:"max_lines" default:"1000" min:"2" help:"partial lines of one joined line"`
	MaxBytes setting.Size  `yaml:"max_bytes" default:"1MiB" min:"1KiB"`
	MaxWait  time.Duration `yaml:"max_wait" default:"5s" min:"1ms" help:"for the next part; then what is there goes on"`
}

// Help implements setting.Explained.
func (Join) Help() map[string]string {
	return map[string]string{
		"key": "what tells streams apart besides cluster, tag and stdout or stderr; empty: the namespace, pod " +
			"and container in kubernetes, and container_id",
		"max_bytes": "of one joined line; what is longer goes on in pieces",
	}
}

// The names of formats and of what happens to a text that is not written so.
const (
	formatCRI     = "cri"
	formatJSON    = "json"
	formatNginx   = "nginx"
	formatApache2 = "apache2"
	formatIngress = "ingress_nginx"
	formatHAProxy = "haproxy"
	formatEnvoy   = "envoy"
	formatTraefik = "traefik"
	formatALB     = "alb"
	formatCSV     = "csv"
	formatLogfmt  = "logfmt"
	formatLTSV    = "ltsv"
	formatSyslog  = "syslog"
	formatText    = "text"
	formatRegex   = "regex"

	onErrorTag        = "tag"
	onErrorDeadLetter = "dead_letter"
)

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	if c.Format == formatRegex && c.Regex == "" {
		r.Add("regex", `write one such as ^(?<method>\S+) (?<path>\S+)$`, "format regex needs an expression")
	}
	if c.Format != formatRegex && c.Regex != "" {
		r.Add("regex", "write format: regex, or remove it", "format %s has no expression of its own", c.Format)
	}
	if _, err := filter.CompilePattern(c.Regex); err == nil && c.Format == formatRegex {
		filter.CheckPattern(r, "regex", c.Regex)
	}
	if pattern := c.LTSV.DelimiterPattern; pattern != "" && c.Format == formatLTSV {
		if _, err := filter.CompilePattern(pattern); err == nil {
			filter.CheckPattern(r, "ltsv.delimiter_pattern", pattern)
		}
	}
	if d, err := charset.New(c.Encoding); c.Format == formatCRI && err == nil && d != nil {
		r.Add("encoding", `write a step after it: {field: message, format: text, encoding: `+c.Encoding+`}`,
			"lines of containers are cut between the bytes of a character: they are decoded once they are joined")
	}
	switch {
	case c.Format != formatLogfmt && c.BareKeys != nil:
		r.Add("bare_keys", "remove it", "format %s has no keys alone", c.Format)
	case c.Format == formatLogfmt && c.BareKeys == nil:
		r.Warn("format", "write bare_keys: false if that is right, true to have each word as a key",
			"text with words without = stays as it is, as prose does: before, each word became a field")
	}
	if c.Time.Key == "" && len(c.Time.Format) > 0 {
		r.Add("time.format", "name the field in time.key", "no field has the time")
	}
	if slices.ContainsFunc(r.Problems, func(p setting.Problem) bool { return !p.Warning }) {
		return
	}
	_, err := newParser(*c)
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range all.Unwrap() {
			wrong := &settingError{err: err}
			errors.As(err, &wrong)
			r.Add(wrong.key, "see the examples in the documentation", "%v", wrong.err)
		}
	}
}

// settingError is what is wrong with the setting key.
type settingError struct {
	key string
	err error
}

func (e *settingError) Error() string { return e.key + ": " + e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }
