package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// packingSteps are steps of every kind that look at the field log.
func packingSteps(table string) []string {
	return []string{
		"grep: {include: {log: '^ERROR'}}", "grep: {exclude: {log: ['done$', '\\x{fffd}']}}",
		"parse: {field: log, format: cri}", "parse: {field: log, format: cri, join: {enabled: false}}",
		"parse: {field: log, format: json, on_error: tag}", "parse: {field: log, format: nginx}",
		"parse: {field: log, format: apache2}", "parse: {field: log, format: logfmt, keep: true}",
		"parse: {field: log, format: ltsv}", "parse: {field: log, format: syslog, syslog: {structured_data: true}}",
		`parse: {field: log, format: regex, regex: '^(?<level>\w+) (?<message>.*)$', types: ["message:array"], on_error: dead_letter}`,
		"modify: {set: {copy: '{record.log}', text: '{tag}: {record.log}', none: '{record.log|none}'}}",
		"modify: {convert: {log: string}}", "modify: {convert: {log: int}}", "modify: {convert: {log: bool}}",
		"modify: {rename: {log: message}}", "modify: {move_under: {app: [log]}}", "modify: {keep: [log]}",
		"modify: {flatten: {field: in, separator: _}}", "dedot: {}",
		`redact: {patterns: ['token=(\S+)', 'caf.'], builtin: [email, ipv4, credit_card, bearer]}`,
		"redact: {patterns: ['[a-z]+$'], with: hash, key: k}",
		"sample: {rate: 0.5, key: '{record.log}'}", "throttle: {rate: 1, key: '{record.log}'}",
		`multiline: {start: '^\S', field: log}`, "multiline: {format: all, field: log, key: '{record.log}'}",
		fmt.Sprintf("lookup: {file: '%s', field: log, add: {found: value}}", table),
		`expr: {drop: 'record.log matches "done$"'}`, `expr: {drop: 'record.log contains "ERROR" and record["in"].log == record.log'}`,
		`expr: {set: {a: record.log, b: len(record.log), c: lower(record.log), d: toJSON(record), e: base64(record.log), f: 'split(record.log, " ")', g: fromJSON(record.log)}}`,
		`grep: {include: {nothing: "^$"}}` + "\n      when: 'record.log startsWith \"ERROR\"'",
	}
}

// packing is what the steps make of an event, in words.
type packing struct{ texts []string }

func (p *packing) Emit(e *filter.Event) {
	ev := e.Event
	ev.Record = e.Rendered()
	text, err := event.NewEncoder(event.Fields{Time: "@timestamp", Tag: "tag"}).AppendEvent([]byte("delivered: "), &ev)
	path, _ := event.ParseTemplate(" to {record.log|none}/{record.message|none}")
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
	var text strings.Builder
	text.WriteString("filters:\n")
	for i, step := range packingSteps(table) {
		fmt.Fprintf(&text, "  f%d:\n    - %s\n", i, step)
	}
	text.WriteString("routes:\n")
	for i := range packingSteps(table) {
		fmt.Fprintf(&text, "  - {match: '**', when: 'record.log != \"odd\" and not (record.log matches \"^skip$\")', filters: [f%d], outputs: [o%d], continue: true}\n", i, i)
	}
	text.WriteString("outputs:\n")
	for i := range packingSteps(table) {
		fmt.Fprintf(&text, "  o%d: {type: stdout}\n", i)
	}
	cfg, err := config.Parse("test.yaml", []byte(text.String()), config.Options{})
	if err != nil {
		f.Fatal(err)
	}
	asStr, asBin := packingRules(f, cfg), packingRules(f, cfg) // a step may remember what it saw
	for _, seed := range []string{
		"ERROR caf\xe9 closed\n", "token=s3cret caf\xe9", "2026-03-01T09:15:02Z stdout F na\xefve\n", `{"a":"caf` + "\xe9" + `"}`,
		"a=1 b=\"\xff\"", "a:1\tb:\xff", "<34>1 2026-03-01T09:15:02.003Z h a 1 - [x y=\"\xe9\"] m", "caf\xe9", "ERROR", "odd", "skip\r\n",
		"\xe6\x97", "kim@ex\xe4mple.com 4111 1111 1111 1111", "java.lang.Error: \xe9\n", "18446744073709551615", "", "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) > 255 {
			return
		}
		str := filter.AppendString(nil, line)
		bin := append([]byte{0xc4, byte(len(line))}, line...)
		for i := range packingSteps(table) {
			if one, other := pack(asStr[i], str), pack(asBin[i], bin); one != other {
				t.Errorf("%s: %q\nas str %q\nas bin %q", packingSteps(table)[i], line, one, other)
			}
		}
	})
}

// packingRules returns the rules of all outputs of cfg, in their order.
func packingRules(f *testing.F, cfg *config.Config) (all []*Rules) {
	f.Helper()
	for range cfg.Outputs {
		rules, err := NewRules(cfg, fmt.Sprintf("o%d", len(all)), zerolog.Nop())
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() {
			if err := rules.Close(); err != nil {
				f.Error(err)
			}
		})
		all = append(all, rules)
	}
	return all
}

// pack returns what the rules make of an event with value in its fields.
func pack(rules *Rules, value []byte) string {
	record := filter.AppendMapHeader(nil, 2)
	record = append(filter.AppendString(record, "log"), value...)
	record = filter.AppendMapHeader(filter.AppendString(record, "in"), 1)
	record = append(filter.AppendString(record, "log"), value...)
	chunk := &event.Chunk{Cluster: "seoul", Tag: "app", Events: 1, Parts: []event.Part{{Events: 1}}}
	out, now := &packing{}, time.Unix(1.7e9, 0)
	e := &filter.Event{}
	e.Reset(&event.Event{Chunk: chunk, Time: event.Time{Sec: 1.7e9}, Record: record}, "origin")
	rules.Process(e, now, out)
	rules.Flush(now.Add(time.Hour), true, out)
	return strings.Join(out.texts, "\n")
}
