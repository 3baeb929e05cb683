package parse

import (
	"fmt"

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

	fields fields
	record []byte // the record that is being made
}

// New returns the step that cfg describes: a Joiner where lines of containers are joined, else a
// Step; the other is nil. Errors say which setting can't work.
func New(cfg Config) (filter.Step, filter.Joiner, error) {
	p, err := newParser(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("parse: %w", err)
	}
	if cfg.Format == formatCRI && cfg.Join.Enabled {
		j, err := newJoiner(p, cfg.Join)
		if err != nil {
			return nil, nil, fmt.Errorf("parse: %w", err)
		}
		return nil, j, nil
	}
	return p, nil, nil
}

func newParser(cfg Config) (*parser, error) {
	p := &parser{onError: cfg.OnError, keep: cfg.Keep, data: cfg.ReserveData, received: cfg.ReserveTime, into: cfg.Into}
	var err error
	if p.field, err = filter.ParsePath(cfg.Field); err != nil {
		return nil, &settingError{"field", err}
	}
	format, own, err := newFormat(cfg)
	if err != nil {
		return nil, err
	}
	p.format = format
	zone, err := newZone(cfg.Time.Zone)
	if err != nil {
		return nil, &settingError{"time.zone", err}
	}
	f := &p.fields
	f.prefix, f.timeKey, f.keep = cfg.Prefix, cfg.Time.Key, cfg.Time.Keep
	formats := cfg.Time.Format
	f.strict = len(formats) > 0 || own != ""
	if len(formats) == 0 {
		formats = []string{own}
	}
	for _, format := range formats {
		l, err := newLayout(format, zone)
		if err != nil {
			return nil, &settingError{"time.format", err}
		}
		f.layouts = append(f.layouts, l)
	}
	if f.types, err = parseTypes(cfg.Types, zone); err != nil {
		return nil, &settingError{"types", err}
	}
	return p, nil
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

// text returns the text of the field, which is valid until ev changes.
func (p *parser) text(ev *filter.Event) ([]byte, error) {
	ev.Rendered() // now, for it may move what Get returns
	value, ok := ev.Get(p.field...)
	if !ok {
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

// merge makes the record of ev what the settings want of its fields and of those read. Those read
// win over others of the same name.
func (p *parser) merge(ev *filter.Event) {
	f := &p.fields
	if f.timed && !p.received {
		ev.Time = f.time
	}
	if !p.keep && p.data && len(p.field) > 1 {
		ev.Remove(p.field...)
	}
	const room = 5 // for the head, which is written last
	out := append(p.record[:0], 0, 0, 0, 0, 0)
	n := 0
	if p.data {
		out, n = p.others(out, ev.Rendered())
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
	if p.record = out; cap(out)+cap(f.pairs)+cap(f.keys) > keepScratch {
		p.record, f.pairs, f.keys = nil, nil, nil
	}
}

// others appends the record's fields less the text and those that were read anew, and returns their
// number.
func (p *parser) others(dst, record []byte) ([]byte, int) {
	count, rest, err := event.ReadMapHeader(record)
	if err != nil {
		return dst, 0
	}
	replaced := p.replaced()
	n, run := 0, rest // run begins with the fields that stay, up to rest
	for ; count > 0; count-- {
		at := rest
		key, after, err := event.ReadBytes(rest)
		named := err == nil
		if !named {
			if after, err = event.Skip(rest); err != nil {
				break
			}
		}
		if rest, err = event.Skip(after); err != nil {
			rest = at
			break
		}
		if named && (!p.keep && len(p.field) == 1 && string(key) == p.field[0] || replaced(key)) {
			dst = append(dst, run[:len(run)-len(at)]...)
			run = rest
			continue
		}
		n++
	}
	return append(dst, run[:len(run)-len(rest)]...), n
}

// replaced returns whether a field of the record gives way to one that was read.
func (p *parser) replaced() func(key []byte) bool {
	f := &p.fields
	if p.into != "" {
		return p.isInto
	}
	const few = 32
	if len(f.keys) <= few {
		return f.has
	}
	names := make(map[string]struct{}, len(f.keys))
	for _, k := range f.keys {
		names[string(f.pairs[k.from:k.to])] = struct{}{}
	}
	return func(key []byte) bool {
		_, found := names[string(key)]
		return found
	}
}

func (p *parser) isInto(key []byte) bool { return string(key) == p.into }
