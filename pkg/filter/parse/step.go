package parse

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// errorField is where on_error: tag says why a text did not parse.
const errorField = "_parse_error"

// keepScratch is how many bytes of scratch memory are kept from one event to the next.
const keepScratch = 1 << 20

// parser is the step, but for the joining of lines.
type parser struct {
	field    []string
	format   format
	onError  string
	keep     bool // the text stays
	data     bool // other fields stay
	received bool // the event's time stays
	into     string
	joinKey  *event.Template // nil: the pod and container

	fields  fields
	source  []byte              // the record that the event came with
	members []member            // of source
	record  []byte              // the record that is being made
	names   map[string]struct{} // of the fields, where they are many; nil otherwise
}

// member is where a member of a map lies: its key and the value behind it, from start to end. The
// key's text is from from to to; from is 0 where it has none.
type member struct{ start, from, to, end int }

func (m *member) is(record []byte, name string) bool {
	return m.to-m.from == len(name) && m.from > 0 && string(record[m.from:m.to]) == name
}

// scan finds the members of record, up to the first that is damaged.
func (p *parser) scan(record []byte) {
	p.source, p.members = record, p.members[:0]
	n, rest, err := event.ReadMapHeader(record)
	for i := len(record) - len(rest); n > 0 && err == nil && i < len(record); n-- {
		m := member{start: i}
		if c := record[i]; c&0xe0 == 0xa0 { // a short str: most keys
			m.from, m.to = i+1, i+1+int(c&0x1f)
		} else if key, after, err := event.ReadBytes(record[i:]); err == nil {
			m.to = len(record) - len(after)
			m.from = m.to - len(key)
		} else if after, err = event.Skip(record[i:]); err == nil {
			m.to = len(record) - len(after)
		}
		if m.to == 0 || m.to >= len(record) {
			return
		}
		switch c := record[m.to]; {
		case n == 1: // it ends with the record, which is one value
			m.end = len(record)
		case c&0xe0 == 0xa0:
			m.end = m.to + 1 + int(c&0x1f)
		case c == 0xd9 && m.to+1 < len(record):
			m.end = m.to + 2 + int(record[m.to+1])
		default:
			after, err := event.Skip(record[m.to:])
			if err != nil {
				return
			}
			m.end = len(record) - len(after)
		}
		if i = m.end; i > len(record) {
			return
		}
		p.members = append(p.members, m)
	}
}

// New returns the step that cfg describes: a Joiner where lines of containers are joined, else a
// Step; the other is nil. Errors say which setting can't work.
func New(cfg Config) (filter.Step, filter.Joiner, error) {
	p, err := newParser(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("parse: %w", err)
	}
	if cfg.Format == formatCRI && cfg.Join.Enabled {
		return nil, newJoiner(p, cfg.Join), nil
	}
	return p, nil, nil
}

// newParser returns the step without the joining, or all that is wrong with cfg: *settingErrors,
// joined.
func newParser(cfg Config) (*parser, error) {
	p := &parser{onError: cfg.OnError, keep: cfg.Keep, data: cfg.ReserveData, received: cfg.ReserveTime, into: cfg.Into}
	var wrong []error
	note := func(key string, err error) {
		if err != nil {
			wrong = append(wrong, &settingError{key, err})
		}
	}
	var err error
	p.field, err = filter.ParsePath(cfg.Field)
	note("field", err)
	zone, err := newZone(cfg.Time.Zone)
	if note("time.zone", err); err != nil {
		zone, cfg.Time.Zone = time.UTC, ""
	}
	f := &p.fields
	f.prefix, f.timeKey, f.keep = cfg.Prefix, cfg.Time.Key, cfg.Time.Keep
	f.types, err = parseTypes(cfg.Types, zone)
	note("types", err)
	for _, format := range cfg.Time.Format {
		l, err := newLayout(format, zone)
		note("time.format", err)
		f.layouts = append(f.layouts, l)
	}
	var own string
	if p.format, own, err = newFormat(cfg); err != nil {
		wrong = append(wrong, err)
	} else if len(f.layouts) == 0 {
		l, err := newLayout(own, zone)
		note("time.format", err)
		f.layouts = append(f.layouts, l)
	}
	if cfg.Join.Key != "" {
		p.joinKey, err = event.ParseTemplate(cfg.Join.Key)
		note("join.key", err)
	}
	f.strict = len(cfg.Time.Format) > 0 || own != ""
	return p, errors.Join(wrong...)
}

// Apply replaces the text by what it says.
func (p *parser) Apply(ev *filter.Event) (filter.Verdict, error) {
	text, err := p.text(ev)
	if err == nil {
		p.fields.reset(ev.Time)
		err = p.format.parse(&p.fields, text)
	}
	if err == nil {
		err = p.fields.err
	}
	if err != nil {
		return p.fail(ev, err)
	}
	p.merge(ev)
	return filter.Keep, nil
}

// text returns the text of the field, which is valid until ev changes. It finds the members of the
// record for merge.
func (p *parser) text(ev *filter.Event) ([]byte, error) {
	p.scan(ev.Rendered())
	var value []byte
	for i := range p.members {
		if m := &p.members[i]; m.is(p.source, p.field[0]) {
			value = p.source[m.to:m.end]
		}
	}
	if value != nil && len(p.field) > 1 {
		value, _ = event.Lookup(value, p.field[1:]...)
	}
	if value == nil {
		return nil, errMissing
	}
	text, _, err := event.ReadBytes(value)
	if err != nil {
		return nil, errNoText
	}
	return text, nil
}

// fail does with ev what on_error says.
func (p *parser) fail(ev *filter.Event, err error) (filter.Verdict, error) {
	switch p.onError {
	case onErrorTag:
		ev.Set(filter.AppendString(nil, err.Error()), errorField)
	case onErrorDeadLetter:
		ev.Detail = fmt.Sprintf("parse: field %s: %v", p.field[len(p.field)-1], err)
		return filter.Dead, err
	}
	return filter.Keep, err
}

// merge makes the record of ev, which was scanned, what the settings want of its fields and of those
// read. Those read win over others of the same name.
func (p *parser) merge(ev *filter.Event) {
	f := &p.fields
	if f.timed && !p.received {
		ev.Time = f.time
	}
	if !p.keep && p.data && len(p.field) > 1 && ev.Remove(p.field...) {
		p.scan(ev.Rendered())
	}
	const room = 5 // for the head, which is written last
	out := append(p.record[:0], 0, 0, 0, 0, 0)
	n := 0
	if p.data {
		out, n = p.others(out)
	}
	if p.into != "" {
		out = filter.AppendString(out, p.into)
		out = append(filter.AppendMapHeader(out, len(f.keys)), f.pairs...)
		n++
	} else {
		out = append(out, f.pairs...)
		n += len(f.keys)
	}
	var head [room]byte
	h := filter.AppendMapHeader(head[:0], n)
	copy(out[room-len(h):], h)
	ev.Replace(out[room-len(h):])
	p.record = out
	if cap(out)+cap(f.pairs)+cap(f.keys)+cap(p.members) > keepScratch {
		p.record, p.members, f.pairs, f.keys = nil, nil, nil, nil
	}
	p.source = nil
}

// others appends the record's members less the text and those that were read anew, and returns their
// number.
func (p *parser) others(dst []byte) ([]byte, int) {
	if keys := p.fields.keys; len(keys) > few && len(p.members) > 1 {
		p.names = make(map[string]struct{}, len(keys))
		for _, k := range keys {
			p.names[string(p.fields.pairs[k.from:k.to])] = struct{}{}
		}
		defer func() { p.names = nil }()
	}
	n, run := 0, 0 // run: from where on members stay
	if len(p.members) > 0 {
		run = p.members[0].start
	}
	end := run
	for i := range p.members {
		m := &p.members[i]
		if end = m.end; m.from > 0 && (p.replaced(p.source[m.from:m.to]) || !p.keep && len(p.field) == 1 && m.is(p.source, p.field[0])) {
			dst = append(dst, p.source[run:m.start]...)
			run = m.end
		} else {
			n++
		}
	}
	return append(dst, p.source[run:end]...), n
}

// few is for how many fields a list is searched faster than a map.
const few = 32

// replaced says whether a member of the record gives way to one that was read.
func (p *parser) replaced(key []byte) bool {
	if p.into != "" {
		return string(key) == p.into
	}
	if p.names != nil {
		_, found := p.names[string(key)]
		return found
	}
	return p.fields.has(key)
}
