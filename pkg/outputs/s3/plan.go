package s3

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// plan says which events go to which object: for each target, the chain of its events.
type plan struct {
	byPrefix map[string]int
	targets  []target
	next     []int32 // for each event the next one of the same target; none: the end of the chain
}

const none = -1

// target is an object to be.
type target struct {
	prefix      string
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
		if at < 0 || perRecord || events[i-1].Chunk != ev.Chunk || events[i-1].Time.Sec != ev.Time.Sec {
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

// name gives every target with events its object. keys is used for all chunks of a Send.
func (p *plan) name(events []event.Event, keys chunkKeys, ext string) {
	for i := range p.targets {
		t := &p.targets[i]
		if t.events == 0 {
			continue
		}
		var spans []span
		var last *event.Chunk
		for e := t.first; e != none; e = p.next[e] {
			ev := &events[e]
			if ev.Chunk != last || ev.Pos < spans[len(spans)-1].end() {
				last = ev.Chunk
				spans = append(spans, span{chunk: keys.of(last)})
			}
			spans[len(spans)-1].add(ev.Pos)
		}
		t.object = object{key: objectKey(t.prefix, events[t.first].Time, spans, ext), events: t.events, spans: spans}
	}
}

// object is a key and what is below it, or will be.
type object struct {
	key    string
	events int
	spans  []span
}

// span is events of one chunk, by their positions: ascending runs.
type span struct {
	chunk chunkKey
	runs  []run
}

type run struct{ first, count uint32 }

// end returns the position behind the last one of s.
func (s *span) end() int {
	if len(s.runs) == 0 {
		return 0
	}
	r := s.runs[len(s.runs)-1]
	return int(r.first + r.count)
}

// add adds a position that is not before the end.
func (s *span) add(pos int) {
	if len(s.runs) > 0 && s.end() == pos {
		s.runs[len(s.runs)-1].count++
		return
	}
	s.runs = append(s.runs, run{uint32(pos), 1})
}

// chunkKey tells a chunk of the queue from all others, also from those of another queue, and is the
// same after a restart.
type chunkKey [16]byte

// chunkKeys is the keys of the chunks of a Send.
type chunkKeys map[*event.Chunk]chunkKey

func (k chunkKeys) of(c *event.Chunk) chunkKey {
	key, ok := k[c]
	if ok {
		return key
	}
	b := make([]byte, 0, 256)
	for _, s := range [...]string{c.Cluster, c.Tag} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint64(b, c.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Received.UnixNano()))
	for i := range c.Parts {
		p := &c.Parts[i]
		b = append(b, p.Key[:]...)
		b = binary.AppendUvarint(b, uint64(p.First))
		b = binary.AppendUvarint(b, uint64(p.Events))
	}
	sum := sha256.Sum256(b)
	copy(key[:], sum[:])
	k[c] = key
	return key
}
