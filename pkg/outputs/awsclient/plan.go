package awsclient

import (
	"fmt"
	"hash/fnv"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// plan says which events of a batch go to which stream, and in which order: as they came, but those of
// one partition key together where lines are aggregated.
type plan struct {
	// limit counts characters of a stream's name.
	limit int
	// byName has groups by the stream, a zero byte and the key.
	byName map[string]int32
	groups []group
	// groupOf is that of each event.
	groupOf []int32
	// order has the events, those of a stream one after the other.
	order   []int32
	streams []span
	byNames map[string]int
	scratch []byte
}

// group is events whose lines may share a record.
type group struct {
	n int32
	// next is where in order the next event goes.
	next int32
	// after is the stream's next group; -1: none.
	after int32
}

// span is a stream's events in order.
type span struct {
	name     string
	from, to int
	// first and last are groups.
	first, last int32
}

// assign fills the plan. key, if not nil, is what aggregated lines must have in common.
func (p *plan) assign(events []event.Event, stream, key *event.Template) {
	if p.byName == nil {
		p.byName, p.byNames = map[string]int32{}, map[string]int{}
	}
	clear(p.byName)
	clear(p.byNames)
	p.groups, p.streams = p.groups[:0], p.streams[:0]
	p.groupOf, p.order = resize(p.groupOf, len(events)), resize(p.order, len(events))
	perChunk := stream.PerChunk() && (key == nil || key.PerChunk())
	g := int32(-1)
	for i := range events {
		if i == 0 || !perChunk || !events[i].SameOrigin(&events[i-1]) {
			g = p.group(&events[i], stream, key)
		}
		p.groupOf[i] = g
		p.groups[g].n++
	}
	at := int32(0)
	for i := range p.streams {
		s := &p.streams[i]
		s.from = int(at)
		for g := s.first; g >= 0; g = p.groups[g].after {
			p.groups[g].next = at
			at += p.groups[g].n
		}
		s.to = int(at)
	}
	for i, g := range p.groupOf {
		p.order[p.groups[g].next] = int32(i)
		p.groups[g].next++
	}
}

// group returns the number of ev's group.
func (p *plan) group(ev *event.Event, stream, key *event.Template) int32 {
	p.scratch = appendName(p.scratch[:0], ev, stream, p.limit)
	n := len(p.scratch)
	if key != nil {
		p.scratch = key.Append(append(p.scratch, 0), ev, appendKey)
	}
	if g, ok := p.byName[string(p.scratch)]; ok {
		return g
	}
	g := int32(len(p.groups))
	p.groups = append(p.groups, group{after: -1})
	p.byName[string(p.scratch)] = g
	if s, ok := p.byNames[string(p.scratch[:n])]; ok {
		p.groups[p.streams[s].last].after = g
		p.streams[s].last = g
		return g
	}
	name := string(p.scratch[:n])
	p.byNames[name] = len(p.streams)
	p.streams = append(p.streams, span{name: name, first: g, last: g})
	return g
}

func resize(s []int32, n int) []int32 {
	if cap(s) < n {
		return make([]int32, n)
	}
	return s[:n]
}

// StreamName returns the name of ev's stream, which has at most limit characters: see appendName.
func StreamName(ev *event.Event, stream *event.Template, limit int) string {
	return string(appendName(nil, ev, stream, limit))
}

// appendName appends the name of ev's stream: what a value has beyond letters, digits, "_", "." and "-"
// becomes "-", a value that is missing "unknown", and a name over limit characters ends in a checksum.
func appendName(dst []byte, ev *event.Event, stream *event.Template, limit int) []byte {
	from := len(dst)
	dst = stream.Append(dst, ev, func(dst, value []byte) []byte {
		if len(value) == 0 {
			return append(dst, "unknown"...)
		}
		for _, b := range value {
			if !inName(b) {
				b = '-'
			}
			dst = append(dst, b)
		}
		return dst
	})
	if len(dst)-from > limit {
		h := fnv.New32a()
		h.Write(dst[from:])
		dst = fmt.Appendf(dst[:from+limit-9], "-%08x", h.Sum32())
	}
	return dst
}

func inName(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '.' || b == '-'
}
