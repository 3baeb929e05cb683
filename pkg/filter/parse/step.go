package parse

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/charset"
	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/timelayout"
)

// errorField is where on_error: tag says why a text did not parse.
const errorField = "_parse_error"

// keepScratch is how many bytes of scratch memory are kept from one event to the next.
const keepScratch = 1 << 20

// parser is the step, but for the joining of lines.
type parser struct {
	field  []string
	format format
	// decoder may be nil: the text is UTF-8.
	decoder *charset.Decoder
	onError string
	// keep says that the text stays.
	keep bool
	// data says that other fields stay.
	data bool
	// received says that the event's time stays.
	received bool
	into     string
	// joinKey may be nil: the pod and container.
	joinKey *event.Template

	fields fields
	// timeIn is where in the fields read the time is, where that is in a map; nil otherwise.
	timeIn []string
	// names are those of the fields, where they are many; nil otherwise.
	names map[string]struct{}
	// whole is the map that the fields become, see Config.Into.
	whole []byte
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
	p.decoder, err = charset.New(cfg.Encoding)
	note("encoding", err)
	zone, err := timelayout.NewZone(cfg.Time.Zone)
	if note("time.zone", err); err != nil {
		zone, cfg.Time.Zone = time.UTC, ""
	}
	f := &p.fields
	f.prefix, f.keep = cfg.Prefix, cfg.Time.Keep
	note("time.key", p.setTimeKey(cfg.Time.Key))
	f.types, err = parseTypes(cfg.Types, zone)
	note("types", err)
	for _, format := range cfg.Time.Format {
		l, err := timelayout.New(format, zone)
		note("time.format", err)
		f.layouts = append(f.layouts, l)
	}
	var own []string
	if p.format, own, err = newFormat(cfg); err != nil {
		wrong = append(wrong, err)
	} else if len(f.layouts) == 0 {
		if own == nil {
			// It is guessed.
			own = []string{""}
		}
		for _, format := range own {
			l, err := timelayout.New(format, zone)
			note("time.format", err)
			f.layouts = append(f.layouts, l)
		}
	}
	if cfg.Join.Key != "" {
		p.joinKey, err = event.ParseTemplate(cfg.Join.Key)
		note("join.key", err)
	}
	f.strict = len(cfg.Time.Format) > 0 || len(own) > 0 && own[0] != ""
	return p, errors.Join(wrong...)
}

// Apply replaces the text by what it says.
func (p *parser) Apply(ev *filter.Event) (filter.Verdict, error) {
	text, err := p.text(ev)
	if err == nil {
		p.fields.reset(ev.Time)
		err = p.format.parse(&p.fields, text)
	}
	nested := false
	if err == nil {
		nested = p.nestedTime()
		err = p.fields.err
	}
	if err != nil {
		return p.fail(ev, err)
	}
	if p.keep && p.decoder != nil {
		ev.Set(filter.AppendString(nil, text), p.field...)
	}
	p.merge(ev)
	if nested && !p.fields.keep {
		ev.Remove(p.timeIn...)
	}
	return filter.Keep, nil
}

// setTimeKey takes the path of the field with the time. What looks like a path may be a name with dots too.
func (p *parser) setTimeKey(key string) error {
	p.fields.timeKey = key
	if key == "" {
		return nil
	}
	path, err := filter.ParsePath(key)
	if err != nil {
		return err
	}
	if len(path) == 1 {
		p.fields.timeKey = path[0]
		return nil
	}
	p.timeIn = append(p.timeIn, p.fields.prefix+path[0])
	p.timeIn = append(p.timeIn, path[1:]...)
	if p.into != "" {
		p.timeIn = append([]string{p.into}, p.timeIn...)
	}
	return nil
}

// nestedTime takes the event's time from a map in a field, and reports whether it did.
func (p *parser) nestedTime() bool {
	f := &p.fields
	if p.timeIn == nil || f.timed {
		return false
	}
	path := p.timeIn
	if p.into != "" {
		path = path[1:]
	}
	k := f.last([]byte(path[0]))
	if k == nil {
		return false
	}
	value, ok := event.Lookup(f.pairs[k.to:event.ValueEnd(f.pairs, k.to)], path[1:]...)
	if !ok {
		return false
	}
	p.whole = event.AppendText(p.whole[:0], value)
	f.takeTime(p.whole)
	return f.timed
}

// text returns the text of the field, without its line end. It is valid until ev changes.
func (p *parser) text(ev *filter.Event) ([]byte, error) {
	// Merge changes them.
	ev.ReadFields()
	value, ok := ev.Get(p.field...)
	if !ok {
		return nil, errMissing
	}
	text, _, err := event.ReadBytes(value)
	if err != nil {
		return nil, errNoText
	}
	text = filter.TrimLineEnd(text)
	if p.decoder != nil {
		text = p.decoder.Decode(text)
	}
	return text, nil
}

// fail does with ev what on_error says.
func (p *parser) fail(ev *filter.Event, err error) (filter.Verdict, error) {
	switch p.onError {
	case onErrorTag:
		if _, told := ev.Get(errorField); told && errors.Is(err, errMissing) {
			// The step before, which did not read the field, has said why.
			return filter.Keep, err
		}
		ev.Set(filter.AppendString(nil, err.Error()), errorField)
	case onErrorDeadLetter:
		ev.Detail = fmt.Sprintf("parse: field %s: %v", p.field[len(p.field)-1], err)
		return filter.Dead, err
	}
	return filter.Keep, err
}

// merge makes the record of ev what the settings want of its fields and of those read. Those read win
// over others of the same name.
func (p *parser) merge(ev *filter.Event) {
	f := &p.fields
	if f.timed && !p.received {
		ev.Time = f.time
	}
	if !p.data {
		// The record has no fields then.
		ev.Replace([]byte{0x80})
	} else {
		if !p.keep && len(p.field) > 1 {
			ev.Remove(p.field...)
		}
		ev.RemoveFunc(p.replaced)
		p.names = nil
	}
	if p.into == "" {
		ev.Append(f.pairs)
	} else {
		p.whole = append(filter.AppendMapHeader(p.whole[:0], len(f.keys)), f.pairs...)
		ev.Set(p.whole, p.into)
	}
	if cap(p.whole)+cap(f.pairs)+cap(f.keys) > keepScratch {
		p.whole, f.pairs, f.keys = nil, nil, nil
	}
}

// few is for how many fields a list is searched faster than a map.
const few = 32

// replaced reports whether a field of the record gives way to what was read.
func (p *parser) replaced(name []byte) bool {
	switch {
	case !p.keep && len(p.field) == 1 && string(name) == p.field[0]:
		return true
	case p.into != "":
		return string(name) == p.into
	case len(p.fields.keys) <= few:
		return p.fields.has(name)
	}
	if p.names == nil {
		p.names = make(map[string]struct{}, len(p.fields.keys))
		for _, k := range p.fields.keys {
			p.names[string(p.fields.pairs[k.from:k.to])] = struct{}{}
		}
	}
	_, found := p.names[string(name)]
	return found
}
