package event

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// PartKeyOfChunk returns the key of the message that carries the agent's chunk id: the same for a
// message and for its resend, to whatever server. It is only as unique as the id: see Part.
func PartKeyOfChunk(cluster, tag, chunk string) [16]byte {
	b := make([]byte, 0, 256)
	b = append(b, 'c')
	for _, s := range [...]string{cluster, tag, chunk} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return partKey(b)
}

// PartKeyOfSeq returns the key of a message that has no chunk id to rely on: of the number part of
// the chunk seq in the queue whose own random id is queue.
func PartKeyOfSeq(queue [16]byte, seq uint64, part int) [16]byte {
	b := make([]byte, 0, 64)
	b = append(b, 's')
	b = append(b, queue[:]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint64(b, uint64(part))
	return partKey(b)
}

// partKey cuts the SHA-256 of b. The fields in b have a length of their own each, and b begins with
// a letter for their kind, so that no two lists of fields make the same bytes.
func partKey(b []byte) (key [16]byte) {
	sum := sha256.Sum256(b)
	copy(key[:], sum[:])
	return key
}

// AppendID appends the event's id, which is the same for every delivery of the event: the 22
// base64url characters of its part's key, "-", and its position in the agent's message; where it is
// Joined also "-" and that in hexadecimal. An event of a chunk without parts has none.
func (ev *Event) AppendID(dst []byte) []byte { return new(IDs).Append(dst, ev) }

// AppendChunkID appends AppendID's id made of the agent's chunk id: the same for every message with that id, to
// whatever server, also where it does not tell one message from another; see PartKeyOfChunk. Of an event that came
// without a chunk id it is AppendID's.
func (ev *Event) AppendChunkID(dst []byte) []byte { return new(IDs).AppendOfChunk(dst, ev) }

// IDs appends the ids of one event after another. It keeps the text of the last key, which the events of a message
// share. It is for one goroutine.
type IDs struct {
	key [16]byte
	// text is key's, and "-"; zero before the first event.
	text [23]byte
}

// Append is Event.AppendID.
func (ids *IDs) Append(dst []byte, ev *Event) []byte {
	part, at := ev.whichPart()
	if part == nil {
		return dst
	}
	return ids.append(dst, ev, &part.Key, at)
}

// AppendOfChunk is Event.AppendChunkID.
func (ids *IDs) AppendOfChunk(dst []byte, ev *Event) []byte {
	part, at := ev.whichPart()
	switch {
	case part == nil:
		return dst
	case part.Chunk == [16]byte{}:
		return ids.append(dst, ev, &part.Key, at)
	}
	return ids.append(dst, ev, &part.Chunk, at)
}

func (ids *IDs) append(dst []byte, ev *Event, key *[16]byte, at int) []byte {
	if last := len(ids.text) - 1; ids.key != *key || ids.text[last] == 0 {
		ids.key, ids.text[last] = *key, '-'
		base64.RawURLEncoding.Encode(ids.text[:], key[:])
	}
	dst = append(dst, ids.text[:]...)
	dst = strconv.AppendInt(dst, int64(at), 10)
	if ev.Joined != 0 {
		dst = strconv.AppendUint(append(dst, '-'), ev.Joined, 16)
	}
	return dst
}

// Part returns what makes the event's ids: its part of the chunk, cut to the event alone. false: it has none.
func (ev *Event) Part() (p Part, ok bool) {
	part, at := ev.whichPart()
	if part == nil {
		return p, false
	}
	return Part{Key: part.Key, Chunk: part.Chunk, First: at, Events: 1, Joined: ev.Joined}, true
}

// whichPart returns the event's part, and its position in the agent's message; nil where it has none.
func (ev *Event) whichPart() (part *Part, at int) {
	parts := ev.Chunk.Parts
	p := ev.part
	if p.index >= len(parts) || ev.Pos < p.first {
		p = place{}
	}
	for p.index < len(parts) && ev.Pos >= p.first+parts[p.index].Events {
		p.first += parts[p.index].Events
		p.index++
	}
	if p.index >= len(parts) {
		return nil, 0
	}
	part = &parts[p.index]
	return part, part.First + ev.Pos - p.first
}
