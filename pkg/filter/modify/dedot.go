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
}

// NewDedot returns the step that writes c.Separator for each dot in the fields' names.
func NewDedot(c DedotConfig) (filter.Step, error) {
	if strings.Contains(c.Separator, ".") {
		return nil, fmt.Errorf("dedot: separator %q has a dot itself: write _", c.Separator)
	}
	return &dedot{separator: c.Separator, nested: c.Nested}, nil
}

// Apply renames the fields that have dots in their names. It never fails.
func (d *dedot) Apply(ev *filter.Event) (filter.Verdict, error) {
	dotted := false
	for name, value := range ev.Fields() {
		if dotted = bytes.IndexByte(name, '.') >= 0 || d.nested && hasDots(value); dotted {
			break
		}
	}
	if dotted {
		m, _ := ev.Get()
		d.record = d.append(d.record[:0], m, true)
		ev.Replace(d.record)
	}
	return filter.Keep, nil
}

// hasDots says whether a key in value has a dot.
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

// append appends value with the names in it renamed; deep says whether to look into it.
func (d *dedot) append(dst, value []byte, deep bool) []byte {
	switch t := event.TypeOf(value[0]); {
	case deep && t == event.TypeMap:
		n, _, _ := event.ReadMapHeader(value)
		dst = filter.AppendMapHeader(dst, n)
		for name, inner := range filter.Members(value) {
			if bytes.IndexByte(name, '.') >= 0 {
				name = bytes.ReplaceAll(name, []byte{'.'}, []byte(d.separator))
			}
			dst = d.append(filter.AppendString(dst, name), inner, d.nested)
		}
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
