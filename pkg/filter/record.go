package filter

import (
	"iter"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// keepMemory is how many bytes of scratch memory an Event keeps from one Reset to the next.
const keepMemory = 1 << 20

// Reset makes e stand for ev, with one origin. Memory of e is used again; what ev points to is not
// copied.
func (e *Event) Reset(ev *event.Event, origin any) {
	e.Event, e.Detail = *ev, ""
	e.Origins = append(e.Origins[:0], origin)
	e.fields, e.read, e.looked, e.changed = e.fields[:0], false, false, false
	if cap(e.memory)+cap(e.rendered)+cap(e.fields) > keepMemory {
		e.memory, e.rendered, e.fields = nil, nil, nil
	}
	e.memory = e.memory[:0]
}

// Get returns the msgpack value of the field that path leads to through maps in maps; without a
// path the record. Of equal keys the last counts. It is valid until e is changed or reset.
func (e *Event) Get(path ...string) (value []byte, ok bool) {
	switch {
	case len(path) == 0:
		return e.Rendered(), true
	case !e.read && !e.looked:
		// One look-up alone is cheaper than to read all fields.
		e.looked = true
		return event.Lookup(e.Record, path...)
	}
	i := e.index(path[0])
	if i < 0 {
		return nil, false
	}
	return event.Lookup(e.fields[i].msgpack(), path[1:]...)
}

// Set puts a copy of value, one msgpack value, where path leads to: in the place of the field that
// is there, else as the last one. Maps are made on the way, and replace what is no map.
func (e *Event) Set(value []byte, path ...string) {
	if len(path) == 0 {
		e.Replace(value)
		return
	}
	i := e.index(path[0])
	var old []byte
	if i >= 0 && len(path) > 1 {
		old = e.fields[i].msgpack()
	}
	f := e.newField(path[0], old, value, path[1:])
	e.changed = true
	if i < 0 {
		e.fields = append(e.fields, f)
	} else {
		e.fields[i] = f
	}
}

// newField makes a field of the record: old with value at path, which is value where path is empty.
func (e *Event) newField(name string, old, value []byte, path []string) field {
	start := len(e.memory)
	e.memory = AppendString(e.memory, name)
	at := len(e.memory) - start
	if len(path) == 0 {
		e.memory = append(e.memory, value...)
	} else {
		e.memory = appendSet(e.memory, old, value, path)
	}
	return field{entry: e.memory[start:], from: int32(at - len(name)), to: int32(at), value: int32(at)}
}

// Remove removes the field that path leads to, and reports whether there was one.
func (e *Event) Remove(path ...string) bool {
	if len(path) == 0 {
		return false
	}
	i := e.index(path[0])
	if i < 0 {
		return false
	}
	if len(path) == 1 {
		e.removeAll(path[0], i)
		return true
	}
	f := &e.fields[i]
	start := len(e.memory)
	out, ok := appendWithout(append(e.memory, f.entry[:f.value]...), f.msgpack(), path[1:])
	if ok {
		e.memory, e.changed = out, true
		f.entry = out[start:]
	}
	return ok
}

// removeAll removes the fields of the record with that name: the last one has the index i.
func (e *Event) removeAll(name string, i int) {
	e.changed = true
	e.fields = append(e.fields[:i], e.fields[i+1:]...)
	if e.before(i, name) >= 0 {
		e.RemoveFunc(func(n []byte) bool { return string(n) == name })
	}
}

// Rename gives the value at from the place to, where it replaces what is there, and reports whether
// there was one. A field of the record that stays one keeps its place among the others.
func (e *Event) Rename(from, to []string) bool {
	if len(from) == 0 || len(to) == 0 {
		return false
	}
	if len(from) > 1 || len(to) > 1 {
		value, ok := e.Get(from...)
		if ok && !slices.Equal(from, to) {
			e.Remove(from...)
			e.Set(value, to...)
		}
		return ok
	}
	i := e.index(from[0])
	if i < 0 || from[0] == to[0] {
		return i >= 0
	}
	if j := e.index(to[0]); j >= 0 {
		e.removeAll(to[0], j)
		i = e.index(from[0])
	}
	e.fields[i] = e.newField(to[0], nil, e.fields[i].msgpack(), nil)
	e.changed = true
	if j := e.before(i, from[0]); j >= 0 {
		// There were two.
		e.removeAll(from[0], j)
	}
	return true
}

// Fields goes through the Members of the map at path, or of the record. They are valid until e is
// changed or reset; e must not be changed meanwhile.
func (e *Event) Fields(path ...string) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) { e.eachField(path, yield) }
}

func (e *Event) eachField(path []string, yield func([]byte, []byte) bool) {
	if len(path) > 0 {
		m, _ := e.Get(path...)
		members(m, yield)
		return
	}
	e.ReadFields()
	for i := range e.fields {
		f := &e.fields[i]
		if !yield(f.name(), f.msgpack()) {
			return
		}
	}
}

// RemoveFunc removes the fields of the record whose names are so; those without a text as key stay.
func (e *Event) RemoveFunc(so func(name []byte) bool) {
	e.ReadFields()
	kept := 0
	for i := range e.fields {
		f := &e.fields[i]
		if f.from > 0 && so(f.name()) {
			e.changed = true
			continue
		}
		if kept < i {
			e.fields[kept] = *f
		}
		kept++
	}
	e.fields = e.fields[:kept]
}

// Append adds the members of a msgpack map, key, value, key, value, …, to the record, as its last
// ones. They are copied. Nothing else is removed: of equal names the last counts.
func (e *Event) Append(members []byte) {
	e.ReadFields()
	start := len(e.memory)
	e.memory = append(e.memory, members...)
	e.changed = true
	e.add(e.memory[start:], 0, len(members), false)
}

// Replace makes a copy of record, a msgpack map, the event's record.
func (e *Event) Replace(record []byte) {
	start := len(e.memory)
	e.memory = append(e.memory, record...)
	e.Record = e.memory[start:len(e.memory):len(e.memory)]
	e.fields, e.read, e.looked, e.changed = e.fields[:0], false, false, false
}

// Clone returns a copy of e that shares no memory with it or with the entries that e came in.
func (e *Event) Clone() *Event {
	c := &Event{Event: e.Event, Detail: e.Detail, Origins: slices.Clone(e.Origins)}
	c.Record, c.Metadata, c.Group = slices.Clone(e.Rendered()), slices.Clone(e.Metadata), slices.Clone(e.Group)
	return c
}

// Absorb has e stand for what other stands for too.
func (e *Event) Absorb(other *Event) { e.Origins = append(e.Origins, other.Origins...) }

// Rendered brings Record up to date and returns it: a msgpack map, valid until e is changed and
// rendered again, or reset.
func (e *Event) Rendered() []byte {
	if !e.changed {
		return e.Record
	}
	e.rendered = AppendMapHeader(e.rendered[:0], len(e.fields))
	for i := range e.fields {
		e.rendered = append(e.rendered, e.fields[i].entry...)
	}
	e.Record, e.changed = e.rendered, false
	return e.Record
}

// AppendTemplate appends t's text for e as it is now.
func (e *Event) AppendTemplate(dst []byte, t *event.Template) []byte {
	if e.changed && !t.PerChunk() {
		e.Rendered()
	}
	return t.Append(dst, &e.Event, nil)
}

// index returns which of the fields has that name, the last one, or -1.
func (e *Event) index(name string) int {
	e.ReadFields()
	return e.before(len(e.fields), name)
}

// before is index for those before the field i.
func (e *Event) before(i int, name string) int {
	for i--; i >= 0 && !e.fields[i].is(name); i-- {
	}
	return i
}

// ReadFields finds all fields of the record at once, for who will look up several of them or change it.
func (e *Event) ReadFields() {
	if e.read {
		return
	}
	e.read = true
	n, at := header(e.Record)
	e.add(e.Record, at, n, true)
}

// add adds the n members that lie in b from at on to the fields; whole: they end with b.
func (e *Event) add(b []byte, at, n int, whole bool) {
	for ; n > 0 && at < len(b); n-- {
		if len(e.fields) < cap(e.fields) {
			// Read sets all of it.
			e.fields = e.fields[:len(e.fields)+1]
		} else {
			e.fields = append(e.fields, field{})
		}
		if at = e.fields[len(e.fields)-1].read(b, at, n == 1 && whole); at == 0 {
			e.fields = e.fields[:len(e.fields)-1]
			return
		}
	}
}
