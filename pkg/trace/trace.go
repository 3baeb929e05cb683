// Package trace says where an event is: it reads an event's id, and remembers the events that outputs were done with
// last.
package trace

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unique"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// ID is an event's id: see event.Event.AppendID and AppendChunkID.
type ID struct {
	// key is that of the part that it came in, or of the agent's chunk id.
	key [16]byte
	// pos is a position in that.
	pos int
}

// ParseID reads an id.
func ParseID(text string) (id ID, err error) {
	const letters = 22
	if len(text) > letters && text[letters] == '-' {
		var key []byte
		pos, _, _ := strings.Cut(text[letters+1:], "-")
		if key, err = base64.RawURLEncoding.DecodeString(text[:letters]); err == nil {
			if id.pos, err = strconv.Atoi(pos); err == nil && id.pos >= 0 {
				copy(id.key[:], key)
				return id, nil
			}
		}
	}
	return ID{},
		fmt.Errorf("%q is no event's id: that has 22 letters, a dash and a number, such as the _id of a document", text)
}

// in reports whether the event of that id is in the part.
func (id *ID) in(p *event.Part) bool {
	return (id.key == p.Key || id.key == p.Chunk) && id.pos >= p.First && id.pos < p.First+p.Events
}

// In reports whether the event of that id is in one of the parts.
func (id *ID) In(parts []event.Part) bool {
	for i := range parts {
		if id.in(&parts[i]) {
			return true
		}
	}
	return false
}

// Settled is that an output was done with an event: it was delivered, dropped by the output's rules, or is a dead
// letter.
type Settled struct {
	Output, Cluster, Tag string
	Time                 time.Time
}

// Ledger remembers the events that outputs were done with last. Safe for concurrent use.
type Ledger struct {
	// limit is that of events.
	limit int
	now   func() time.Time

	mu sync.Mutex
	// recent is from first on, in order of time.
	recent []entry
	first  int
	events int
}

// entry is a part of a chunk.
type entry struct {
	part                 event.Part
	output, cluster, tag unique.Handle[string]
	// at counts nanoseconds since 1970.
	at int64
}

// NewLedger returns a Ledger of as many events, or a few more.
func NewLedger(limit int, now func() time.Time) *Ledger { return &Ledger{limit: limit, now: now} }

// Find returns who was done with the event lately, in order of time.
func (l *Ledger) Find(id ID) (found []Settled) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.recent[l.first:] {
		if e := &l.recent[l.first+i]; id.in(&e.part) {
			found = append(found, Settled{e.output.Value(), e.cluster.Value(), e.tag.Value(), time.Unix(0, e.at)})
		}
	}
	return found
}

// note remembers that the output was done with parts of c.
func (l *Ledger) note(output unique.Handle[string], c *event.Chunk, parts []event.Part) {
	if len(parts) == 0 {
		return
	}
	cluster, tag, at := unique.Make(c.Cluster), unique.Make(c.Tag), l.now().UnixNano()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range parts {
		l.recent = append(l.recent, entry{parts[i], output, cluster, tag, at})
		l.events += parts[i].Events
	}
	for l.first < len(l.recent)-1 && l.events-l.recent[l.first].part.Events >= l.limit {
		l.events -= l.recent[l.first].part.Events
		l.first++
	}
	if l.first > len(l.recent)/2 {
		// Moved rarely, since it halves what is left to move.
		l.recent = append(make([]entry, 0, 2*(len(l.recent)-l.first)), l.recent[l.first:]...)
		l.first = 0
	}
}

// Source returns s as the output's, which notes what is Done; of a nil Ledger it is s.
func (l *Ledger) Source(output string, s buffer.Source) buffer.Source {
	if l == nil {
		return s
	}
	return &source{Source: s, ledger: l, output: unique.Make(output)}
}

type source struct {
	buffer.Source
	ledger *Ledger
	output unique.Handle[string]
}

// Done notes c's events.
func (s *source) Done(c *event.Chunk) {
	s.ledger.note(s.output, c, c.Parts)
	s.Source.Done(c)
}

// SettlePart notes those of c's events that are not among the rests.
func (s *source) SettlePart(ctx context.Context, c *event.Chunk, rests []buffer.Rest) error {
	done := without(c.Parts, rests)
	note := event.Chunk{Cluster: strings.Clone(c.Cluster), Tag: strings.Clone(c.Tag)}
	if err := s.Source.SettlePart(ctx, c, rests); err != nil {
		return err
	}
	s.ledger.note(s.output, &note, done)
	return nil
}

// SettleParts does the same for several chunks.
func (s *source) SettleParts(ctx context.Context, list []buffer.Settlement) error {
	done, notes := make([][]event.Part, len(list)), make([]event.Chunk, len(list))
	for i := range list {
		c := list[i].Chunk
		done[i] = without(c.Parts, list[i].Rests)
		notes[i] = event.Chunk{Cluster: strings.Clone(c.Cluster), Tag: strings.Clone(c.Tag)}
	}
	if err := s.Source.SettleParts(ctx, list); err != nil {
		return err
	}
	for i := range list {
		s.ledger.note(s.output, &notes[i], done[i])
	}
	return nil
}

// without returns parts without what is in the rests.
func without(parts []event.Part, rests []buffer.Rest) (left []event.Part) {
	waits := map[ID]struct{}{}
	for i := range rests {
		for _, p := range rests[i].Parts {
			for n := range p.Events {
				waits[ID{p.Key, p.First + n}] = struct{}{}
			}
		}
	}
	for _, p := range parts {
		from := p.First
		for at := p.First; at <= p.First+p.Events; at++ {
			if _, rest := waits[ID{p.Key, at}]; !rest && at < p.First+p.Events {
				continue
			}
			if at > from {
				piece := p
				piece.First, piece.Events = from, at-from
				left = append(left, piece)
			}
			from = at + 1
		}
	}
	return left
}
