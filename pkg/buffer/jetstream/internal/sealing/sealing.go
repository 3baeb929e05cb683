// Package sealing makes messages of the stream out of entries: in pieces that fit, with the parts that they are of, and
// under ids that whoever does it again makes too.
package sealing

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// headRoom is what of a message is left to the chunk's header, and to the message's own.
	headRoom = 64 << 10
	// usualPayload is what servers take where nobody has said otherwise.
	usualPayload = 1 << 20
	// MaxPieceSize bounds pieces whatever servers take: larger messages stop smaller ones.
	MaxPieceSize = 4 << 20
)

// MaxPiece is how many bytes of entries go into one message, where servers take so many; 0: nobody has said.
func MaxPiece(payload int) int {
	if payload <= 0 {
		payload = usualPayload
	}
	return max(min(payload-headRoom, MaxPieceSize), payload/2)
}

// Fits reports whether so many bytes of compressed entries fit into a message, where servers take so large ones.
func Fits(packed, payload int) bool {
	if payload <= 0 {
		payload = usualPayload
	}
	return packed <= max(payload-headRoom, payload/2)
}

// Append appends a chunk to b as it is stored. packed: entries are compressed as h says.
func Append(b []byte, packer *chunk.Packer, h *chunk.Header, entries []byte, packed bool) []byte {
	at := len(b)
	b = chunk.AppendHeader(slices.Grow(b, chunk.FixedSize+256+len(entries)), h)
	if packed {
		b = append(b, entries...)
	} else {
		var how chunk.Codec
		b, how = packer.Pack(b, entries)
		b[at+9] = byte(how)
	}
	chunk.Seal(b[at:])
	return b
}

// ID returns an id of the kind that is made of a key and of the number of events.
func ID(kind string, key *[16]byte, events int) string {
	b := append(make([]byte, 0, 48), kind...)
	b = append(base64.RawURLEncoding.AppendEncode(b, key[:]), '-')
	return string(strconv.AppendInt(b, int64(events), 10))
}

// Digest returns what stands in the id of what is left of a chunk: of which events it is, and, where filters have made
// something else of them, of what that is.
func Digest(parts []event.Part, filtered bool, entries []byte) string {
	h := sha256.New()
	var b []byte
	for _, p := range parts {
		b = append(b, p.Key[:]...)
		b = binary.AppendUvarint(b, uint64(p.First))
		b = binary.AppendUvarint(b, uint64(p.Events))
		b = binary.AppendUvarint(b, p.Joined)
	}
	if filtered {
		b = append(b, 1)
		// Other filters leave something else of the same events.
		b = append(b, entries...)
	}
	_, _ = h.Write(b) // never fails
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// Cut calls yield for entries in pieces of at most so many bytes, with the number of events in each; an event that is
// larger is a piece of its own. Events of a group have its begin and end in each piece. What is yielded is to be
// copied.
func Cut(entries []byte, most int, yield func(piece []byte, events int)) error {
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

// Pieces calls put for entries and the parts that they are of, in pieces of at most so many bytes, with the number of
// events before.
func Pieces(entries []byte, parts []event.Part, most int, put func([]byte, []event.Part, int)) error {
	if len(entries) <= most {
		put(entries, parts, 0)
		return nil
	}
	parts = slices.Clone(parts)
	first := 0
	return Cut(entries, most, func(piece []byte, events int) {
		var of []event.Part
		of, parts = splitParts(parts, events)
		put(piece, of, first)
		first += events
	})
}

// splitParts returns the parts of the first so many events, and those of what follows.
func splitParts(parts []event.Part, events int) (head, tail []event.Part) {
	for events > 0 && len(parts) > 0 {
		p := parts[0]
		if p.Events > events {
			rest := p
			rest.First, rest.Events = p.First+events, p.Events-events
			p.Events = events
			parts = append([]event.Part{rest}, parts[1:]...)
		} else {
			parts = parts[1:]
		}
		head = append(head, p)
		events -= p.Events
	}
	return head, parts
}
