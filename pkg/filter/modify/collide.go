package modify

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// moveField gives the value at from the place to. A place that is taken by something else is an error, and
// both stay as they are: no value is lost without a word. nil takes no place, and an equal value is no loss.
func moveField(ev *filter.Event, from, to []string) error {
	// It is not the only look-up.
	ev.ReadFields()
	if len(to) == 1 {
		if _, there := ev.Get(to[0]); !there {
			ev.Rename(from, to)
			return nil
		}
	}
	value, ok := ev.Get(from...)
	if !ok || slices.Equal(from, to) {
		return nil
	}
	if taken(ev, value, from, to) {
		return fmt.Errorf("give %s the name %s: there is another value, and both stay as they are",
			strings.Join(from, "."), strings.Join(to, "."))
	}
	ev.Rename(from, to)
	return nil
}

// taken reports whether a value would be lost if the one at from took the place to.
func taken(ev *filter.Event, value []byte, from, to []string) bool {
	for n := 1; n <= len(to); n++ {
		there, ok := ev.Get(to[:n]...)
		switch {
		case !ok || isNil(there) || slices.Equal(from, to[:n]):
			// It is the one that leaves.
			return false
		case n < len(to):
			if event.TypeOf(there[0]) != event.TypeMap {
				return true
			}
		case len(from) > n && slices.Equal(from[:n], to):
			// Out of the map that it replaces.
			return !alone(there, from[n:])
		default:
			return !bytes.Equal(there, value)
		}
	}
	return false
}

// blocked reports whether path leads through a value that is no map.
func blocked(ev *filter.Event, path []string) bool {
	for n := 1; n < len(path); n++ {
		there, ok := ev.Get(path[:n]...)
		if !ok || isNil(there) {
			return false
		}
		if event.TypeOf(there[0]) != event.TypeMap {
			return true
		}
	}
	return false
}

// alone reports whether the map m holds nothing but what path leads to.
func alone(m []byte, path []string) bool {
	for n := range path {
		if size, _, err := event.ReadMapHeader(m); err != nil || size != 1 {
			return false
		}
		m, _ = event.Lookup(m, path[n])
	}
	return true
}

// member is a member of a map that is being made: where its name and its value are in the map's bytes.
type member struct {
	name, value, end int32
	// moved says that it had another name.
	moved bool
}

// nameFilter holds 1024 bits of names: one whose bit is not set yet is no other's.
type nameFilter [16]uint64

// add sets the bit of a name, and reports whether it was set.
func (f *nameFilter) add(name []byte) (set bool) {
	h := uint32(len(name))
	if h >= 4 {
		h += binary.LittleEndian.Uint32(name[h-4:])*0x85ebca6b + binary.LittleEndian.Uint32(name[h/2-2:])
	} else if h > 0 {
		h += uint32(name[0])<<8 + uint32(name[h/2])<<16 + uint32(name[h-1])<<24
	}
	h ^= h >> 15
	h = h * 0x9e3779b1 >> 22
	bit := uint64(1) << (h & 63)
	set = f[h>>6]&bit != 0
	f[h>>6] |= bit
	return set
}

// membersOf appends to dst where the members of the map m, whose names are str, are behind its head.
func membersOf(dst []member, m []byte) []member {
	at := 0
	for name, value := range filter.Members(m) {
		from := at + headBytes(len(name))
		at = from + len(name) + len(value)
		dst = append(dst, member{int32(from), int32(from + len(name)), int32(at), true})
	}
	return dst
}

// headBytes is how many bytes stand before a str of n bytes.
func headBytes(n int) int {
	switch {
	case n < 32:
		return 1
	case n < 1<<8:
		return 2
	case n < 1<<16:
		return 3
	}
	return 5
}

// few is for how many members a comparison of each with each is faster than sorting.
const few = 32

// clash returns the name that two members of a map in b have whose values are not equal, one of them moved;
// nil where there is none. It may change the order of members.
func clash(b []byte, members []member) []byte {
	name := func(m member) []byte { return b[m.name:m.value] }
	differ := func(one, other member) bool {
		return (one.moved || other.moved) && !bytes.Equal(b[one.value:one.end], b[other.value:other.end])
	}
	if len(members) <= few {
		var mask uint64
		for i, one := range members {
			text := name(one)
			bit := uint64(1)
			if n := len(text); n > 0 {
				bit <<= (7*n + int(text[n/2]) + 3*int(text[n-1])) & 63
			}
			if mask&bit != 0 {
				for _, other := range members[:i] {
					if bytes.Equal(text, name(other)) && differ(one, other) {
						return text
					}
				}
			}
			mask |= bit
		}
		return nil
	}
	slices.SortFunc(members, func(one, other member) int {
		return cmp.Or(bytes.Compare(name(one), name(other)), cmp.Compare(one.name, other.name))
	})
	for i := 1; i < len(members); i++ {
		if one, other := members[i-1], members[i]; bytes.Equal(name(one), name(other)) && differ(one, other) {
			return name(one)
		}
	}
	return nil
}
