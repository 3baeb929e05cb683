package s3

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

// plan says which events go to which object: for each target, the chain of its events.
type plan struct {
	byPrefix map[string]int
	targets  []target
	// next is for each event the next one of the same target; none: the end of the chain.
	next []int32
}

const none = -1

// target is an object to be.
type target struct {
	prefix      string
	hash        string
	first, last int32
	events      int
	object      object
}

// assign makes a plan of the events but those to be skipped, which may be nil.
func assign(path *event.Template, events []event.Event, skip []bool) *plan {
	p := &plan{byPrefix: map[string]int{}, next: make([]int32, len(events))}
	perRecord := strings.Contains(path.String(), "{record")
	var filled []byte
	at := -1
	for i := range events {
		ev := &events[i]
		if at < 0 || perRecord || !events[i-1].SameOrigin(ev) || events[i-1].Time.Sec != ev.Time.Sec {
			filled = path.Append(filled[:0], ev, appendClean)
			at = p.target(filled)
		}
		p.next[i] = none
		if skip != nil && skip[i] {
			continue
		}
		t := &p.targets[at]
		if t.last == none {
			t.first = int32(i)
		} else {
			p.next[t.last] = int32(i)
		}
		t.last = int32(i)
		t.events++
	}
	return p
}

// target returns the index of the target for the filled-in prefix.
func (p *plan) target(filled []byte) int {
	if i, ok := p.byPrefix[string(filled)]; ok {
		return i
	}
	i := len(p.targets)
	p.targets = append(p.targets, target{prefix: finalPrefix(filled), first: none, last: none})
	p.byPrefix[string(filled)] = i
	return i
}

// name gives every target with events its object. keys is used for all chunks of a Send; n numbers objects.
func (p *plan) name(events []event.Event, keys intent.Keys, ext string, n *numbers) {
	for i := range p.targets {
		t := &p.targets[i]
		if t.events == 0 {
			continue
		}
		var b intent.Builder
		for e := t.first; e != none; e = p.next[e] {
			b.Add(&events[e], keys)
		}
		t.hash = objectHash(b.Spans)
		key := n.key(t.prefix, events[t.first].Time, t.hash, ext)
		t.object = object{key: key, events: t.events, spans: b.Spans}
	}
}

// object is a key and what is below it, or will be.
type object struct {
	key    string
	events int
	spans  []intent.Span
}
