package modify

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

type dedot struct {
	separator string
	nested    bool
	record    []byte
	// members are those of the maps that are being made, innermost last.
	members []member
	// clash is a name that two values would get.
	clash []byte
}

// NewDedot returns the step that writes c.Separator for each dot in the fields' names.
func NewDedot(c DedotConfig) (filter.Step, error) {
	if strings.Contains(c.Separator, ".") {
		return nil, fmt.Errorf("dedot: separator %q has a dot itself: write _", c.Separator)
	}
	return &dedot{separator: c.Separator, nested: c.Nested}, nil
}

// Apply renames the fields that have dots in their names. Where two values would get one name it fails, and
// the record stays as it is.
func (d *dedot) Apply(ev *filter.Event) (filter.Verdict, error) {
	dotted := false
	for name, value := range ev.Fields() {
		if dotted = bytes.IndexByte(name, '.') >= 0 || d.nested && hasDots(value); dotted {
			break
		}
	}
	if dotted {
		m, _ := ev.Get()
		d.members, d.clash = d.members[:0], nil
		d.record = d.append(d.record[:0], m, true)
		if d.clash != nil {
			return filter.Keep,
				fmt.Errorf("dedot a record: two values would get the name %.100s, and it stays as it is", d.clash)
		}
		ev.Replace(d.record)
	}
	return filter.Keep, nil
}

// hasDots reports whether a key in value has a dot.
func hasDots(value []byte) bool {
	switch event.TypeOf(value[0]) {
	case event.TypeMap:
		for name, inner := range filter.Members(value) {
			if bytes.IndexByte(name, '.') >= 0 || hasDots(inner) {
				return true
			}
		}
	case event.TypeArray:
		n, rest, err := event.ReadArrayHeader(value)
		for ; err == nil && n > 0; n-- {
			var after []byte
			if after, err = event.Skip(rest); err != nil {
				return false
			}
			if hasDots(rest[:len(rest)-len(after)]) {
				return true
			}
			rest = after
		}
	default:
	}
	return false
}

// append appends value with the names in it renamed; deep reports whether to look into it.
func (d *dedot) append(dst, value []byte, deep bool) []byte {
	switch t := event.TypeOf(value[0]); {
	case deep && t == event.TypeMap:
		n, _, _ := event.ReadMapHeader(value)
		dst = filter.AppendMapHeader(dst, n)
		base, renamed := len(d.members), false
		for name, inner := range filter.Members(value) {
			dotted := bytes.IndexByte(name, '.') >= 0
			if dotted {
				name = bytes.ReplaceAll(name, []byte{'.'}, []byte(d.separator))
				renamed = true
			}
			dst = filter.AppendString(dst, name)
			at := len(dst)
			dst = d.append(dst, inner, d.nested)
			d.members = append(d.members, member{int32(at - len(name)), int32(at), int32(len(dst)), dotted})
		}
		if renamed && d.clash == nil {
			d.clash = bytes.Clone(clash(dst, d.members[base:]))
		}
		d.members = d.members[:base]
		return dst
	case deep && t == event.TypeArray:
		n, rest, err := event.ReadArrayHeader(value)
		dst = filter.AppendArrayHeader(dst, n)
		for ; err == nil && n > 0; n-- {
			var after []byte
			if after, err = event.Skip(rest); err == nil {
				dst = d.append(dst, rest[:len(rest)-len(after)], true)
				rest = after
			}
		}
		return dst
	}
	return append(dst, value...)
}
