package event

import (
	"cmp"
	"fmt"
)

// Iterator walks the events of a chunk. It allocates nothing.
type Iterator struct {
	c *Chunk
	// at is a position in c.Entries.
	at    int
	pos   int
	group []byte
	part  place
	err   error
}

// place is where an event's part is found: its index in Chunk.Parts and the position in the chunk
// of its first event.
type place struct{ index, first int }

// Iterator returns an iterator before the first event of c.
func (c *Chunk) Iterator() Iterator { return Iterator{c: c} }

// Err returns what ended the iteration early: bytes that are not entries. They were checked when
// they were stored, so this is damage.
func (it *Iterator) Err() error { return it.err }

// Next sets ev to the next event and returns true, or false at the end or at damage, see Err. Group
// markers are no events; the events between them have them as Group.
func (it *Iterator) Next(ev *Event) bool {
	b := it.c.Entries
	for it.err == nil && it.at < len(b) {
		var e Entry
		end, kind := readStored(b, it.at, &e)
		switch kind {
		case KindEvent:
			for it.part.index < len(it.c.Parts)-1 && it.pos >= it.part.first+it.c.Parts[it.part.index].Events {
				it.part.first += it.c.Parts[it.part.index].Events
				it.part.index++
			}
			*ev = Event{
				Chunk: it.c, Pos: it.pos, Time: e.Time,
				Metadata: e.Metadata, Group: it.group, Record: e.Record, part: it.part,
			}
			if it.c.Filtered && it.part.index < len(it.c.Parts) {
				ev.Joined = it.c.Parts[it.part.index].Joined
			}
			it.at = end
			it.pos++
			return true
		case KindGroupStart:
			it.group = b[it.at:end:end]
		case KindGroupEnd:
			it.group = nil
		default:
			it.err = fmt.Errorf("entries of chunk %d are damaged at byte %d of %d, after %d events: %s",
				it.c.Seq, it.at, len(b), it.pos, e.Reason)
			return false
		}
		it.at = end
	}
	return false
}

// readStored is ReadEntry for bytes that passed it before: it checks no more than staying within b.
// Of e it sets Time, Metadata, Record and, for KindInvalid, Reason.
func readStored(b []byte, i int, e *Entry) (end int, kind Kind) {
	e.Reason = reasonNotArray
	t, n, i, err := head(b, i)
	if err != nil || t != TypeArray || n < 2 {
		return 0, KindInvalid
	}
	e.Reason = ""
	if TypeOf(b[i]) == TypeArray {
		var m int
		if _, m, i, err = head(b, i); err != nil || m < 2 {
			e.Reason = reasonHeader
			return 0, KindInvalid
		}
		if i, kind, err = readTime(b, i, e); err != nil || e.Reason != "" {
			e.Reason = cmp.Or(e.Reason, reasonTime)
			return 0, KindInvalid
		}
		for from := i; m > 1; m-- {
			if end = ValueEnd(b, i); end < 0 {
				e.Reason = reasonHeader
				return 0, KindInvalid
			}
			if i == from && TypeOf(b[i]) == TypeMap {
				e.Metadata = b[i:end:end]
			}
			i = end
		}
	} else if i, kind, err = readTime(b, i, e); err != nil || e.Reason != "" {
		e.Reason = cmp.Or(e.Reason, reasonTime)
		return 0, KindInvalid
	}
	if end = ValueEnd(b, i); end < 0 || TypeOf(b[i]) != TypeMap {
		e.Reason = reasonRecord
		return 0, KindInvalid
	}
	e.Record = b[i:end:end]
	for ; n > 2; n-- {
		if end = ValueEnd(b, end); end < 0 {
			e.Reason = ErrTruncated.Error()
			return 0, KindInvalid
		}
	}
	return end, kind
}
