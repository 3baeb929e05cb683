package jetstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// headRoom is what of a message is left to the chunk's header, and to the message's own.
	headRoom = 64 << 10
	// usualPayload is what servers take where nobody has said otherwise.
	usualPayload = 1 << 20
	// maxPieceSize bounds pieces whatever servers take: larger messages stop smaller ones.
	maxPieceSize = 4 << 20
)

// maxPiece is how many bytes of entries go into one message of the stream.
func (q *Queue) maxPiece() int {
	payload := int(q.nc().MaxPayload())
	if payload <= 0 {
		payload = usualPayload
	}
	return max(min(payload-headRoom, maxPieceSize), payload/2)
}

// seal returns a chunk as it is stored. packed: entries are compressed as h says.
func (q *Queue) seal(h *chunk.Header, entries []byte, packed bool) []byte {
	h.Seq = q.numbers.Add(1)
	b := chunk.AppendHeader(make([]byte, 0, chunk.FixedSize+256+len(entries)), h)
	if packed {
		b = append(b, entries...)
	} else {
		var how chunk.Codec
		b, how = q.packer.Pack(b, entries)
		b[9] = byte(how)
	}
	chunk.Seal(b)
	return b
}

// freshKey returns what the ids of a part's events are made of, and of no others.
func (q *Queue) freshKey() [16]byte { return event.PartKeyOfSeq(q.process, q.numbers.Add(1), 0) }

// freshID returns an id that nothing else has.
func (q *Queue) freshID() string { return q.name + "." + strconv.FormatUint(q.numbers.Add(1), 36) }

func encodeKey(key [16]byte) string { return base64.RawURLEncoding.EncodeToString(key[:]) }

// errOneEvent is returned where an event alone is larger than a message may be.
var errOneEvent = errors.New("an event is larger than the servers' max_payload allows")

// cut calls yield for entries in pieces of at most so many bytes, with the number of events in each. Events of a group
// have its begin and end in each piece. What is yielded is to be copied.
func cut(entries []byte, most int, yield func(piece []byte, events int)) error {
	var e event.Entry
	var group []byte
	piece, events := make([]byte, 0, most), 0
	flush := func() {
		if events == 0 {
			return
		}
		if group != nil {
			piece = append(piece, event.GroupEnd...)
		}
		yield(piece, events)
		piece, events = append(piece[:0], group...), 0
	}
	for rest := entries; len(rest) > 0; {
		var err error
		if rest, err = event.ReadEntry(rest, &e); err != nil {
			return fmt.Errorf("cut %d bytes of entries: %w", len(entries), err)
		}
		if len(piece)+len(e.Raw)+len(event.GroupEnd) > most {
			flush()
		}
		if len(piece)+len(e.Raw)+len(event.GroupEnd) > most {
			return fmt.Errorf("%w: it has %d bytes, %d are left beside a chunk's header", errOneEvent, len(e.Raw), most)
		}
		piece = append(piece, e.Raw...)
		switch e.Kind {
		case event.KindGroupStart:
			group = e.Raw
		case event.KindGroupEnd:
			group = nil
		case event.KindEvent, event.KindInvalid:
			events++
		}
	}
	group = nil
	flush()
	return nil
}
