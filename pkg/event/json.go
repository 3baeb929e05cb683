package event

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"sort"
)

// Errors of the rendering. No event that ReadEntry let pass meets them.
var (
	errTooNested = fmt.Errorf("nested deeper than %d levels", MaxDepth)
	errNotMap    = errors.New("not a map")
)

// Encoder renders events as JSON. It keeps scratch memory between events and allocates nothing per
// event; it is not safe for concurrent use. The zero Encoder adds no fields.
//
// msgpack becomes JSON so: integers are exact; floats are the shortest text that reads back as the
// same float and is still one (2.0, 1e+21), NaN and infinities null; a str or a bin is a string, with
// U+FFFD for each byte that is not UTF-8; an EventTime is an RFC 3339 string, another ext {"type":n,"data":base64}. A
// key that is no str or bin is its JSON text. Keys are unique in every object: of members whose keys render alike the
// last one stays.
type Encoder struct {
	fields Fields
	static map[string]map[string]string
	// time is `"@timestamp":"`, nil without.
	time    []byte
	cluster struct {
		name string
		// names is the rendered names of what is added, metadata's last if it has one.
		names [][]byte
		// mask is that of their hashes.
		mask uint64
		// static has the static fields, rendered.
		static []byte
		known  bool
	}
	// Tag, cluster and source of the last event, rendered.
	origin struct {
		source string
		tag    string
		text   []byte
	}
	// second is that of the last time rendered.
	second struct {
		sec  int64
		text []byte
	}
	r renderer
}

// NewEncoder returns an Encoder that adds the fields that f names. Of two with the same name the
// first in the order of Fields is added.
func NewEncoder(f Fields) *Encoder {
	seen := map[string]bool{}
	for _, name := range []*string{&f.Time, &f.Tag, &f.Cluster, &f.Metadata, &f.ID, &f.Source} {
		if seen[*name] {
			*name = ""
		}
		seen[*name] = true
	}
	e := &Encoder{fields: f}
	if f.Time != "" {
		e.time = append(appendName(nil, f.Time), '"')
	}
	return e
}

// SetClusterFields sets what is added to every event of a cluster, by the cluster's name and the
// field's. Names that Fields has already are left out. The maps are kept, and must not be changed.
func (e *Encoder) SetClusterFields(fields map[string]map[string]string) {
	e.static = fields
	e.cluster.known = false
}

// AppendEvent appends ev as one JSON object: the record's fields in their order, then what is
// added, Time, Tag, Cluster, Metadata, ID and the cluster's fields, which win over fields of the
// record that have the same name. Metadata is added where there is any: that of the event over that
// of its group and the group's record, in one object. After an error, which says that the event is
// not one that ReadEntry would let pass, dst is returned as it was.
func (e *Encoder) AppendEvent(dst []byte, ev *Event) ([]byte, error) {
	if c := ev.Chunk; !e.cluster.known || e.cluster.name != c.Cluster {
		e.useCluster(c.Cluster)
		e.renderOrigin(ev.DeliveredTag(), c.Source)
	} else if tag := ev.DeliveredTag(); e.origin.tag != tag || e.origin.source != c.Source {
		e.renderOrigin(tag, c.Source)
	}
	start := len(dst)
	out, err := e.appendEvent(dst, ev)
	if errors.Is(err, errSuspect) {
		e.r.strict = true
		out, err = e.appendEvent(out[:start], ev)
		e.r.strict = false
	}
	e.r.trim()
	if err != nil {
		return dst[:start], fmt.Errorf("render event %d of chunk %d as JSON: %w", ev.Pos, ev.Chunk.Seq, err)
	}
	return out, nil
}

func (e *Encoder) appendEvent(dst []byte, ev *Event) ([]byte, error) {
	r := &e.r
	var metadata [3][]byte
	sources := 0
	if e.fields.Metadata != "" {
		sources = metadataOf(ev, &metadata)
	}
	r.added, r.addedMask = e.cluster.names, e.cluster.mask
	if e.fields.Metadata != "" && sources == 0 {
		r.added = r.added[:len(r.added)-1]
	}
	dst = append(dst, '{')
	dst, err := r.record(dst, ev.Record)
	r.added = nil
	if err != nil {
		return dst, err
	}
	if e.time != nil {
		dst = append(dst, e.time...)
		dst = e.appendTime(dst, ev.Time)
		dst = append(dst, '"', ',')
	}
	dst = append(dst, e.origin.text...)
	if sources > 0 {
		dst = appendName(dst, e.fields.Metadata)
		if dst, err = r.merge(dst, metadata[:sources]); err != nil {
			return dst, err
		}
		dst = append(dst, ',')
	}
	if e.fields.ID != "" {
		dst = append(appendName(dst, e.fields.ID), '"')
		dst = append(ev.AppendID(dst), '"', ',')
	}
	dst = append(dst, e.cluster.static...)
	return closeObject(dst), nil
}

// AppendValue appends one msgpack value as JSON. After an error dst is returned as it was.
func (e *Encoder) AppendValue(dst, value []byte) ([]byte, error) {
	start := len(dst)
	out, _, err := e.r.value(dst, value, 0, 0)
	if errors.Is(err, errSuspect) {
		e.r.strict = true
		out, _, err = e.r.value(out[:start], value, 0, 0)
		e.r.strict = false
	}
	e.r.trim()
	if err != nil {
		return dst[:start], fmt.Errorf("render a value as JSON: %w", err)
	}
	return out, nil
}

func (e *Encoder) appendTime(dst []byte, t Time) []byte {
	if e.second.text == nil || e.second.sec != t.Sec {
		e.second.sec, e.second.text = t.Sec, appendSecond(e.second.text[:0], t.Sec)
	}
	return appendFraction(append(dst, e.second.text...), t.Nsec)
}

// useCluster prepares what is the same for all events of a cluster.
func (e *Encoder) useCluster(cluster string) {
	c := &e.cluster
	c.name, c.known = cluster, true
	c.names, c.static, c.mask = c.names[:0], c.static[:0], 0
	add := func(name string) {
		c.names = append(c.names, appendString(nil, name))
	}
	own := map[string]bool{"": true}
	for _, name := range []string{
		e.fields.Time, e.fields.Tag, e.fields.Cluster, e.fields.ID, e.fields.Source, e.fields.Metadata,
	} {
		if !own[name] && name != e.fields.Metadata {
			add(name)
		}
		own[name] = true
	}
	names := make([]string, 0, len(e.static[cluster]))
	for name := range e.static[cluster] {
		if !own[name] {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		add(name)
		c.static = appendName(c.static, name)
		c.static = append(appendString(c.static, e.static[cluster][name]), ',')
	}
	if e.fields.Metadata != "" {
		add(e.fields.Metadata)
	}
	for _, name := range c.names {
		c.mask |= maskBit(hashText(name[1 : len(name)-1]))
	}
}

func (e *Encoder) renderOrigin(tag, source string) {
	o := &e.origin
	o.tag, o.source, o.text = tag, source, o.text[:0]
	if e.fields.Tag != "" {
		o.text = append(appendString(appendName(o.text, e.fields.Tag), tag), ',')
	}
	if e.fields.Cluster != "" {
		o.text = append(appendString(appendName(o.text, e.fields.Cluster), e.cluster.name), ',')
	}
	if e.fields.Source != "" {
		// A record's own field of that name never stands for it, also where it is not known.
		o.text = append(append(appendName(o.text, e.fields.Source), cmp.Or(source, "null")...), ',')
	}
}

// metadataOf fills maps with what is merged into an event's metadata, later over earlier, and
// returns how many there are; maps that are empty don't count.
func metadataOf(ev *Event, maps *[3][]byte) (n int) {
	add := func(m []byte) {
		if size, _, err := ReadMapHeader(m); err == nil && size > 0 {
			maps[n] = m
			n++
		}
	}
	if ev.Group != nil {
		var g Entry
		if _, kind := readStored(ev.Group, 0, &g); kind == KindGroupStart {
			add(g.Metadata)
			add(g.Record)
		}
	}
	add(ev.Metadata)
	return n
}

// appendName appends `"name":`.
func appendName(dst []byte, name string) []byte {
	return append(appendString(dst, name), ':')
}

func appendString(dst []byte, s string) []byte { return appendQuoted(dst, []byte(s)) }

// closeObject ends an object whose members were each followed by a comma.
func closeObject(dst []byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = '}'
		return dst
	}
	return append(dst, '}')
}

// isAdded reports whether text, a rendered key with its quotes, is one of names.
func isAdded(names [][]byte, text []byte) bool {
	for _, name := range names {
		if bytes.Equal(name, text) {
			return true
		}
	}
	return false
}
