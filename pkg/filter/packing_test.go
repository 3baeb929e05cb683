package filter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/expression"
	"github.com/seed-afc6a195/aggregator/pkg/filter/grep"
	"github.com/seed-afc6a195/aggregator/pkg/filter/lookup"
	"github.com/seed-afc6a195/aggregator/pkg/filter/modify"
	"github.com/seed-afc6a195/aggregator/pkg/filter/multiline"
	"github.com/seed-afc6a195/aggregator/pkg/filter/parse"
	"github.com/seed-afc6a195/aggregator/pkg/filter/redact"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/filter/sample"
)

type (
	patterns = map[string][]string
	texts    = map[string]string
)

// packingSteps are the settings of steps of every kind that look at the field log.
func packingSteps(table string) (all []any) {
	for _, format := range []string{"cri", "json", "nginx", "apache2", "logfmt", "ltsv", "syslog", "regex"} {
		c := parse.Config{
			Field: "log", Format: format, ReserveData: true, OnError: "tag", Time: parse.Time{Key: "time"},
		}
		c.Join = parse.Join{Enabled: true, MaxLines: 10, MaxBytes: 1 << 10, MaxWait: time.Second}
		c.Syslog.StructuredData = true
		if format == "regex" {
			c.Regex, c.Types, c.OnError = `^(?<level>\w+) (?<message>.*)$`, []string{"message:array"}, "dead_letter"
		}
		all = append(all, c)
		c.Join.Enabled, c.Keep = false, true
		all = append(all, c)
	}
	lines := multiline.Config{Field: "log", MaxLines: 10, MaxBytes: 1 << 10, MaxWait: time.Second, Separator: "\n"}
	start, traces := lines, lines
	start.Start = `^\S`
	traces.Format, traces.Key = "all", "{record.log}"
	return append(all,
		start, traces,
		grep.Config{Include: patterns{"log": {"^ERROR"}}},
		grep.Config{Exclude: patterns{"log": {"done$", "\ufffd"}}},
		grep.Config{Include: patterns{"log": {"^$"}, "in.log": {"^$"}}},
		modify.Config{
			Set: map[string]any{"copy": "{record.log}", "text": "{tag}: {record.log}", "none": "{record.log|none}"},
		},
		modify.Config{Convert: texts{"log": "string"}},
		modify.Config{Convert: texts{"log": "int"}},
		modify.Config{Convert: texts{"log": "float"}},
		modify.Config{Convert: texts{"log": "bool"}},
		modify.Config{Rename: texts{"log": "message"}, MoveUnder: patterns{"app": {"in"}}},
		modify.Config{Rename: texts{"log": "in.log"}, Keep: []string{"in"}},
		modify.Config{Flatten: &modify.Flatten{Field: "in", Separator: "_"}},
		modify.DedotConfig{Separator: "_", Nested: true},
		redact.Config{
			Patterns: []redact.Pattern{{Regex: `token=(\S+)`}, {Regex: "caf."}},
			Builtin:  []string{"email", "ipv4", "ipv6", "credit_card", "bearer", "aws_key", "jwt"}, Mask: "***",
		},
		redact.Config{Patterns: []redact.Pattern{{Regex: "[a-z]+$"}}, With: "hash", Key: setting.NewSecret("k")},
		sample.Config{Rate: 0.5, Key: "{record.log}"},
		sample.ThrottleConfig{Rate: 1, Interval: time.Second, Key: "{record.log}", MaxKeys: 10},
		lookup.Config{
			File: table, Field: "log", Format: "csv", Key: "key", Add: texts{"found": "value"}, MaxSize: 1 << 20,
		},
		expression.Config{Drop: `record.log matches "done$"`},
		expression.Config{Drop: `record.log contains "ERROR" and record["in"].log == record.log`},
		expression.Config{Drop: `not (record.log startsWith "ERROR")`},
		expression.Config{Set: texts{
			"a": "record.log", "b": "len(record.log)", "c": "lower(record.log)", "d": "toJSON(record)",
			"e": "base64(record.log)",
			"f": `split(record.log, " ")`, "g": "fromJSON(record.log)", "h": "int(record.log) * 2",
		}},
	)
}

// newPackingStep returns the step that settings are for, in its place.
func newPackingStep(settings any) (s filter.Stage, err error) {
	switch c := settings.(type) {
	case parse.Config:
		s.Step, s.Joiner, err = parse.New(c)
	case multiline.Config:
		s.Joiner, err = multiline.New(c)
	case grep.Config:
		s.Step, err = grep.New(c)
	case modify.Config:
		s.Step, err = modify.New(c)
	case modify.DedotConfig:
		s.Step, err = modify.NewDedot(c)
	case redact.Config:
		s.Step, err = redact.New(c)
	case sample.Config:
		s.Step, err = sample.New(c)
	case sample.ThrottleConfig:
		s.Step, err = sample.NewThrottle(c, time.Now)
	case lookup.Config:
		s.Step, err = lookup.New(c, zerolog.Nop())
	case expression.Config:
		s.Step, err = expression.New(c)
	}
	return s, err
}

// packingRules returns rules for each of the settings, behind a condition.
func packingRules(tb testing.TB, all []any) (made []*rules.Rules) {
	tb.Helper()
	when, err := filter.NewCondition(`record.log != "odd" and not (record.log matches "^skip$")`)
	if err != nil {
		tb.Fatal(err)
	}
	for _, settings := range all {
		s, err := newPackingStep(settings)
		if err != nil {
			tb.Fatalf("%+v: %v", settings, err)
		}
		if l, ok := s.Step.(*lookup.Step); ok {
			tb.Cleanup(func() { _ = l.Close() })
		}
		made = append(made, rules.New("o", []rules.Route{{
			Match: func(string, string) bool { return true }, When: when, Steps: []filter.Stage{s},
			Outputs: []string{"o"},
		}}, false))
	}
	return made
}

// packing is what the rules make of an event, in words.
type packing struct{ texts []string }

func (p *packing) Emit(e *filter.Event) {
	ev := e.Event
	ev.Record = e.Rendered()
	text, err := event.NewEncoder(event.Fields{Time: "@timestamp", Tag: "tag"}).AppendEvent([]byte("delivered: "), &ev)
	path, _ := event.ParseTemplate(" to {record.log|none}/{record.message|none} ")
	p.texts = append(p.texts, string(ev.AppendID(path.Append(text, &ev, nil))), fmt.Sprint(err))
}

func (p *packing) Dropped(_ any, reason string) { p.texts = append(p.texts, "dropped: "+reason) }

func (p *packing) Dead(e *filter.Event, reason string) {
	p.texts = append(p.texts, "dead: "+reason+" "+e.Detail)
}

// FuzzPacking holds that a text is the same text whether an agent packed it as str or as bin: in every step,
// condition, placeholder, id and document.
func FuzzPacking(f *testing.F) {
	table := filepath.Join(f.TempDir(), "table.csv")
	if err := os.WriteFile(table, []byte("key,value\ncaf\xe9,coffee\nERROR,bad\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	steps := packingSteps(table)
	asStr, asBin := packingRules(f, steps), packingRules(f, steps) // a step may remember what it saw
	for _, seed := range []string{
		"ERROR caf\xe9 closed\n", "token=s3cret caf\xe9", "2026-03-01T09:15:02Z stdout F na\xefve\n",
		`{"a":"caf` + "\xe9" + `"}`,
		"a=1 b=\"\xff\"", "a:1\tb:\xff", "<34>1 2026-03-01T09:15:02.003Z h a 1 - [x y=\"\xe9\"] m", "caf\xe9", "ERROR",
		"odd",
		"skip\r\n", "\xe6\x97", "kim@ex\xe4mple.com 4111 1111 1111 1111", "java.lang.Error: \xe9\n",
		"18446744073709551615", "", "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) > 255 {
			return
		}
		str := filter.AppendString(nil, line)
		bin := append([]byte{0xc4, byte(len(line))}, line...)
		for i, settings := range steps {
			if one, other := pack(asStr[i], str), pack(asBin[i], bin); one != other {
				t.Errorf("%T %+v: %q\nas str %q\nas bin %q", settings, settings, line, one, other)
			}
		}
	})
}

// pack returns what the rules make of an event with value in its fields.
func pack(r *rules.Rules, value []byte) string {
	record := filter.AppendMapHeader(nil, 2)
	record = append(filter.AppendString(record, "log"), value...)
	record = filter.AppendMapHeader(filter.AppendString(record, "in"), 1)
	record = append(filter.AppendString(record, "log"), value...)
	chunk := &event.Chunk{Cluster: "seoul", Tag: "app", Events: 1, Parts: []event.Part{{Events: 1}}}
	out, now := &packing{}, time.Unix(1.7e9, 0)
	e := &filter.Event{}
	e.Reset(&event.Event{Chunk: chunk, Time: event.Time{Sec: 1.7e9}, Record: record}, "origin")
	r.Process(e, now, out)
	r.Flush(now.Add(time.Hour), true, out)
	return strings.Join(out.texts, "\n")
}
