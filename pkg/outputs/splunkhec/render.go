package splunkhec

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// member is a key of what stands around an event, with the template of its value.
type member struct {
	name  string
	value *event.Template
}

// renderer makes what is sent of events. It is for one goroutine.
type renderer struct {
	enc  *event.Encoder
	text *outputs.Text
	raw  bool
	// names is that of indexes.
	names *event.Template
	// around is host, source and sourcetype: those that are set.
	around []member
	fields []member
	// steady says that all of these are the same for events of a chunk and a tag. Then head is what the last event had
	// before its time, and last that event.
	steady bool
	last   event.Event
	head   []byte
	// value and packed are scratch.
	value  []byte
	packed []byte
}

// newRenderer returns what makes requests as c says. added is what is added to the events of each cluster.
func newRenderer(c *Config, added map[string]map[string]string) (*renderer, error) {
	r := &renderer{enc: event.NewEncoder(c.Fields), raw: c.Endpoint == endpointRaw, steady: true}
	r.enc.SetClusterFields(added)
	parse := func(key, text string) (*event.Template, error) {
		t, err := event.ParseTemplate(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		r.steady = r.steady && t.PerChunk()
		return t, nil
	}
	var err error
	if r.names, err = parse("index", c.Index); err != nil {
		return nil, err
	}
	for _, m := range []struct{ key, text string }{
		{"host", c.Host}, {"source", c.Source}, {"sourcetype", c.SourceType},
	} {
		if m.text == "" {
			continue
		}
		value, err := parse(m.key, m.text)
		if err != nil {
			return nil, err
		}
		r.around = append(r.around, member{m.key, value})
	}
	for _, name := range slices.Sorted(maps.Keys(c.IndexedFields)) {
		value, err := event.ParseTemplate(c.IndexedFields[name])
		if err != nil {
			return nil, fmt.Errorf("indexed_fields.%s: %w", name, err)
		}
		r.fields = append(r.fields, member{name, value})
	}
	if r.text, err = c.Text(c.Fields, added, r.raw); err != nil {
		return nil, err
	}
	return r, nil
}

// index appends the name of ev's index.
func (r *renderer) index(dst []byte, ev *event.Event) []byte {
	return r.names.Append(dst, ev, appendIndex)
}

// appendIndex appends a value as it may stand in the name of an index: lower case, digits, _ and -.
func appendIndex(dst, value []byte) []byte {
	for _, b := range value {
		switch {
		case b >= 'A' && b <= 'Z':
			b += 'a' - 'A'
		case b >= 'a' && b <= 'z', b >= '0' && b <= '9', b == '-', b == '_':
		default:
			b = '_'
		}
		dst = append(dst, b)
	}
	return dst
}

// query appends what a raw request says of its lines in its URL.
func (r *renderer) query(dst []byte, ev *event.Event) []byte {
	add := func(key string, value []byte) {
		if len(value) > 0 {
			dst = append(append(append(append(dst, '&'), key...), '='), url.QueryEscape(string(value))...)
		}
	}
	r.value = r.index(r.value[:0], ev)
	add("index", r.value)
	for _, m := range r.around {
		r.value = m.value.Append(r.value[:0], ev, nil)
		add(m.name, r.value)
	}
	return dst
}

// append appends what is sent of ev: an object, or a line. After an error, which is the event's, dst is as it was.
func (r *renderer) append(dst []byte, ev *event.Event) ([]byte, error) {
	from := len(dst)
	if r.raw {
		out, err := r.text.Append(dst, ev)
		if err != nil {
			return dst[:from], err
		}
		return append(out, '\n'), nil
	}
	if !r.steady || r.last.Chunk == nil || !r.last.SameOrigin(ev) {
		r.makeHead(ev)
	}
	dst = append(dst, r.head...)
	dst = appendTime(dst, ev.Time)
	dst = append(dst, `"event":`...)
	out, err := r.appendEvent(dst, ev)
	if err != nil {
		return dst[:from], err
	}
	return append(r.appendFields(out, ev), '}'), nil
}

// makeHead makes the head for ev and those like it.
func (r *renderer) makeHead(ev *event.Event) {
	r.last = event.Event{Chunk: ev.Chunk, Tag: ev.Tag}
	r.head = append(r.head[:0], '{')
	add := func(key string, value []byte) {
		if len(value) > 0 {
			r.head = append(r.quote(append(append(append(r.head, '"'), key...), `":`...), value), ',')
		}
	}
	r.value = r.index(r.value[:0], ev)
	add("index", r.value)
	for _, m := range r.around {
		r.value = m.value.Append(r.value[:0], ev, nil)
		add(m.name, r.value)
	}
}

// appendEvent appends the event itself: an object, or the field that is sent alone as a string.
func (r *renderer) appendEvent(dst []byte, ev *event.Event) ([]byte, error) {
	text, ok := r.text.AppendField(r.value[:0], ev)
	if r.value = text; ok {
		return r.quote(dst, text), nil
	}
	return r.enc.AppendEvent(dst, ev)
}

// appendFields appends the fields that are indexed beside the event.
func (r *renderer) appendFields(dst []byte, ev *event.Event) []byte {
	open := false
	for _, m := range r.fields {
		if r.value = m.value.Append(r.value[:0], ev, nil); len(r.value) == 0 {
			continue
		}
		if open {
			dst = append(dst, ',')
		} else {
			dst, open = append(dst, `,"fields":{`...), true
		}
		dst = r.quote(append(r.quote(dst, []byte(m.name)), ':'), r.value)
	}
	if open {
		dst = append(dst, '}')
	}
	return dst
}

// quote appends text as a string of JSON.
func (r *renderer) quote(dst, text []byte) []byte {
	r.packed = msgp.AppendStringFromBytes(r.packed[:0], text)
	// A str is always well-formed.
	dst, _ = r.enc.AppendValue(dst, r.packed)
	return dst
}

// lastSecond is where times end that can be meant.
const lastSecond = 1 << 33

// appendTime appends an event's time as Splunk reads it, seconds since 1970 with microseconds. What can't be a time is
// left out: then it is the time of receipt.
func appendTime(dst []byte, t event.Time) []byte {
	if t.Sec <= 0 || t.Sec > lastSecond {
		return dst
	}
	dst = strconv.AppendInt(append(dst, `"time":`...), t.Sec, 10)
	if micros := t.Nsec / 1000; micros > 0 {
		dst = append(dst, '.')
		for unit := uint32(100_000); unit > 0; unit /= 10 {
			dst = append(dst, byte('0'+micros/unit%10))
		}
	}
	return append(dst, ',')
}
