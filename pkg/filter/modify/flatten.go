package modify

import (
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

type flatten struct {
	// path may be empty: every map in the record.
	path      []string
	separator string

	name, body, result []byte
	members            []member
	names              nameFilter
	// alike says that two names may be equal.
	alike    bool
	n, limit int
}

// apply moves the members of the map at f.path, and of maps within it, to where the map is, under
// their names joined. Empty maps stay. Where two values would get one name nothing is moved.
func (f *flatten) apply(ev *filter.Event) error {
	if !f.needed(ev) {
		return nil
	}
	parent, last := f.path, ""
	if n := len(f.path); n > 0 {
		parent, last = f.path[:n-1], f.path[n-1]
	}
	m, _ := ev.Get(parent...)
	// Names are repeated for each member: a hostile record could grow with the square of its size.
	f.names, f.alike = nameFilter{}, false
	f.n, f.body, f.limit = 0, f.body[:0], 4*len(m)+64<<10
	for name, value := range filter.Members(m) {
		if filled(value) && (len(f.path) == 0 || string(name) == last) {
			f.name = append(f.name[:0], name...)
			if err := f.walk(value); err != nil {
				return err
			}
		} else {
			f.append(name, value)
		}
	}
	f.result = append(filter.AppendMapHeader(f.result[:0], f.n), f.body...)
	if f.alike {
		f.members = membersOf(f.members[:0], f.result)
		if name := clash(f.body, f.members); name != nil {
			return fmt.Errorf("flatten a record: two values would get the name %.100s, and it stays as it is", name)
		}
	}
	ev.Set(f.result, parent...)
	return nil
}

func (f *flatten) needed(ev *filter.Event) bool {
	if len(f.path) > 0 {
		m, _ := ev.Get(f.path...)
		return filled(m)
	}
	for _, value := range ev.Fields() {
		if filled(value) {
			return true
		}
	}
	return false
}

// filled reports whether value is a map that is not empty.
func filled(value []byte) bool {
	n, _, err := event.ReadMapHeader(value)
	return err == nil && n > 0
}

func (f *flatten) append(name, value []byte) {
	f.body = append(filter.AppendString(f.body, name), value...)
	f.n++
	f.alike = f.names.add(name) || f.alike
}

// walk appends what the map m, whose name is f.name, holds.
func (f *flatten) walk(m []byte) error {
	f.name = append(f.name, f.separator...)
	length := len(f.name)
	for name, value := range filter.Members(m) {
		f.name = append(f.name[:length], name...)
		if filled(value) {
			if err := f.walk(value); err != nil {
				return err
			}
			continue
		}
		if len(f.body)+len(f.name)+len(value) > f.limit {
			return fmt.Errorf("flatten a record: it would have more than %d bytes, and stays as it is", f.limit)
		}
		f.append(f.name, value)
	}
	return nil
}
