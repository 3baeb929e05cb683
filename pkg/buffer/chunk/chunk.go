// Package chunk is a chunk as engines store it: header, checksum, compression.
package chunk

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// A chunk on disk is one value:
//
//	 0  4  magic
//	 4  4  CRC-32C of everything from byte 8 to the end
//	 8  1  number of the format
//	 9  1  codec of the payload
//	10  1  number of the oldest program that may read it; 0: the same
//	11  1  flags: what the header has besides
//	12  4  length of the whole
//	16  4  length of the header: where the payload begins
//	20  4  length of the entries before compression
//	24  8  sequence number
//	32  8  when it was stored, nanoseconds since 1970
//	40  8  salt of the segment
//	48     cluster, tag, as flagged the source and the new tag, outputs, events, parts: see AppendHeader
//	       payload: the entries
//
// All numbers are little-endian. Magic, length and checksum come first so that a plain scan of a
// file finds every whole chunk even where bbolt's tree is broken. The salt is random and never
// leaves the disk: without it, bytes that an agent sent could pass for a chunk in such a scan.
const (
	Magic     = "\xa9gQ\xc7"
	FixedSize = 48
)

// Format is that of chunks. Magic, length, checksum and salt stay where they are in every format. Since number 2 a
// chunk may have who sent it, behind the tag; since number 3 a new tag, parts with more of their events' ids, and the
// queue that it comes from.
func Format() format.Format { return format.Format{Name: "chunk", Number: 3, Since: 1} }

// Flags of a header.
const (
	// flagSource says that who sent it stands behind the tag.
	flagSource = 1 << iota
	// flagNewTag says that the tag that filters have left stands behind that.
	flagNewTag
	// flagIDs says that keyed parts have Chunk and Joined.
	flagIDs
	// flagOrigin says that the queue that handed it over stands behind these.
	flagOrigin
)

// Flags of a part.
const (
	// PartKeyed says that it came with a chunk id; else only its number of events follows.
	PartKeyed = 1 << iota
	// PartNanos says that the id is stable over resends: entries' times have nanoseconds.
	PartNanos
	// PartLast says that it is the last piece of its message: the message's number of events follows.
	PartLast
	// partSame says that connection and commit are those of the keyed part before.
	partSame
	// PartRequeued says that it was a dead letter: in the connection's place stands its number, see package requeue.
	PartRequeued
	// PartUnrouted says that a dead letter goes to its output, whatever the routes say.
	PartUnrouted
	// PartAhead says that it was sent ahead of acks: those of the connection's commits before are unconfirmed too.
	PartAhead
	// PartFiltered says that it is as the filters have left it, of a chunk that was settled in part.
	PartFiltered
)

// Header is what a chunk tells of itself.
type Header struct {
	Seq uint64
	// Received is in nanoseconds since 1970.
	Received int64
	// Salt is that of the segment or, in a stream, of the process that has made it.
	Salt  uint64
	Codec Codec
	// Size is that of the whole value.
	Size int
	// Payload is where it begins.
	Payload int
	// Raw counts bytes of entries before compression.
	Raw     int
	Events  int
	Cluster string
	Tag     string
	// Source is that of event.Source; "": it is not kept.
	Source string
	// NewTag is that of event.Chunk.
	NewTag string
	// Origin is that of a chunk that was handed over; else zero.
	Origin  Origin
	Outputs []string
	Parts   []Part
}

// Origin is where a chunk was that another queue has handed over.
type Origin struct {
	// Queue is that queue's own number.
	Queue [16]byte
	// Seq is in it, from 1.
	Seq uint64
}

// Part is the piece of a chunk that came in one message.
type Part struct {
	Flags byte
	// Key is that of cluster, tag and the agent's chunk id.
	Key [16]byte
	// Conn is unique over restarts.
	Conn uint64
	// CommitSeq is the number of the commit: ascending for a connection.
	CommitSeq uint64
	// First is the position of the first event in the message.
	First  int
	Events int
	// Total counts events of the whole message, where partLast.
	Total int

	// Of a part that was stored before, where the key is not what they are made of:

	// Chunk is the agent's chunk id: see event.Part; zero: Key's.
	Chunk [16]byte
	// Joined is that of event.Part.
	Joined uint64
}

// Kept returns how parts are stored whose events keep the ids that they have.
func Kept(parts []event.Part, flags byte) []Part {
	kept := make([]Part, len(parts))
	for i, p := range parts {
		kept[i] = Part{Flags: flags, Key: p.Key, First: p.First, Events: p.Events, Joined: p.Joined}
		if p.Chunk != p.Key {
			kept[i].Chunk = p.Chunk
		}
	}
	return kept
}

// flags returns what h has besides what every header has.
func (h *Header) flags() (flags byte) {
	if h.Source != "" {
		flags |= flagSource
	}
	if h.NewTag != "" {
		flags |= flagNewTag
	}
	if h.Origin.Seq != 0 {
		flags |= flagOrigin
	}
	for i := range h.Parts {
		if p := &h.Parts[i]; p.Joined != 0 || p.Chunk != [16]byte{} {
			return flags | flagIDs
		}
	}
	return flags
}

// Oldest returns the number of the oldest program that may read a chunk with such a header.
func (h *Header) Oldest() int {
	switch flags := h.flags(); {
	case flags&(flagNewTag|flagIDs|flagOrigin) != 0:
		return 3
	case flags&flagSource != 0:
		return 2
	}
	return 1
}

// AppendHeader appends h to b, with room for what seal writes once the payload follows.
func AppendHeader(b []byte, h *Header) []byte {
	at := len(b)
	b = append(b, Magic...)
	has := h.flags()
	b = append(b, 0, 0, 0, 0, byte(Format().Number), byte(h.Codec), byte(h.Oldest()), has)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.Raw))
	b = binary.LittleEndian.AppendUint64(b, h.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Received))
	b = binary.LittleEndian.AppendUint64(b, h.Salt)
	b = boltfile.AppendString(b, h.Cluster)
	b = boltfile.AppendString(b, h.Tag)
	if h.Source != "" {
		b = boltfile.AppendString(b, h.Source)
	}
	if h.NewTag != "" {
		b = boltfile.AppendString(b, h.NewTag)
	}
	if h.Origin.Seq != 0 {
		b = binary.LittleEndian.AppendUint64(append(b, h.Origin.Queue[:]...), h.Origin.Seq)
	}
	b = boltfile.AppendStrings(b, h.Outputs)
	b = binary.AppendUvarint(b, uint64(h.Events))
	b = binary.AppendUvarint(b, uint64(len(h.Parts)))
	var conn, turn uint64
	for i := range h.Parts {
		p := &h.Parts[i]
		flags := p.Flags &^ partSame
		if flags&PartKeyed != 0 && i > 0 && p.Conn == conn && p.CommitSeq == turn {
			flags |= partSame
		}
		b = append(b, flags)
		b = binary.AppendUvarint(b, uint64(p.Events))
		if flags&PartKeyed == 0 {
			continue
		}
		b = append(b, p.Key[:]...)
		if has&flagIDs != 0 {
			b = append(b, p.Chunk[:]...)
			b = binary.AppendUvarint(b, p.Joined)
		}
		b = binary.AppendUvarint(b, uint64(p.First))
		if flags&partSame == 0 {
			b = binary.LittleEndian.AppendUint64(b, p.Conn)
			b = binary.AppendUvarint(b, p.CommitSeq)
			conn, turn = p.Conn, p.CommitSeq
		}
		if flags&PartLast != 0 {
			b = binary.AppendUvarint(b, uint64(p.Total))
		}
	}
	binary.LittleEndian.PutUint32(b[at+16:], uint32(len(b)-at))
	return b
}

// Seal writes length and checksum into the value b, which appendHeader began.
func Seal(b []byte) {
	binary.LittleEndian.PutUint32(b[12:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[4:], boltfile.Checksum(b[8:]))
}

// Length returns the length that the beginning of a chunk declares, and its header's.
func Length(b []byte) (size, head int, err error) {
	if len(b) < FixedSize || string(b[:4]) != Magic {
		return 0, 0, fmt.Errorf("chunk without its magic number: %w", boltfile.ErrDamaged)
	}
	n, h := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:])
	if n > math.MaxInt32 || h < FixedSize || h > n {
		return 0, 0, fmt.Errorf("chunk with a header of %d of %d bytes: %w", h, n, boltfile.ErrDamaged)
	}
	return int(n), int(h), nil
}

// Salt returns that of a chunk of any format, which has a header.
func Salt(b []byte) uint64 { return binary.LittleEndian.Uint64(b[40:]) }

// Verify returns nil where b is one whole chunk that is as it was written, and that the program may read.
func Verify(b []byte) error {
	n, _, err := Length(b)
	if err != nil {
		return err
	}
	if n != len(b) {
		return fmt.Errorf("chunk of %d bytes says it has %d: %w", len(b), n, boltfile.ErrDamaged)
	}
	if got, want := boltfile.Checksum(b[8:]), binary.LittleEndian.Uint32(b[4:]); got != want {
		return fmt.Errorf("chunk's checksum is %08x, not %08x: %w", got, want, boltfile.ErrDamaged)
	}
	return Format().Check(int(b[8]), int(b[10]))
}

// DecodeHeader reads the header that b begins with; b may end where the header does. parts is
// memory to reuse. Nothing is allocated for more parts than there are bytes.
func DecodeHeader(b []byte, parts []Part) (Header, error) { return decodeHeader(b, parts, allTexts) }

// DecodeForOutput is DecodeHeader without Outputs, for who delivers to one of them.
func DecodeForOutput(b []byte, parts []Part) (Header, error) {
	return decodeHeader(b, parts, noOutputs)
}

// DecodeParts is DecodeHeader without any text, so that no memory is taken where parts has room.
func DecodeParts(b []byte, parts []Part) (Header, error) { return decodeHeader(b, parts, noTexts) }

// texts is which of a header's texts somebody wants.
type texts int

const (
	allTexts texts = iota
	noOutputs
	noTexts
)

func decodeHeader(b []byte, parts []Part, want texts) (Header, error) {
	n, head, err := Length(b)
	if err != nil {
		return Header{}, err
	}
	if err := Format().Check(int(b[8]), int(b[10])); err != nil {
		return Header{}, err
	}
	if head > len(b) {
		return Header{}, fmt.Errorf("chunk's header is cut at %d of %d bytes: %w", len(b), head, boltfile.ErrDamaged)
	}
	h := Header{
		Codec: Codec(b[9]), Size: n, Payload: head,
		Raw:      int(binary.LittleEndian.Uint32(b[20:])),
		Seq:      binary.LittleEndian.Uint64(b[24:]),
		Received: int64(binary.LittleEndian.Uint64(b[32:])),
		Salt:     Salt(b),
		Parts:    parts[:0],
	}
	d := boltfile.Decoder{B: b[FixedSize:head], Skip: want == noTexts}
	h.Cluster, h.Tag = d.String(), d.String()
	if b[11]&flagSource != 0 {
		h.Source = d.String()
	}
	if b[11]&flagNewTag != 0 {
		h.NewTag = d.String()
	}
	if b[11]&flagOrigin != 0 {
		copy(h.Origin.Queue[:], d.Bytes(len(h.Origin.Queue)))
		h.Origin.Seq = d.Uint64()
		d.Bad = d.Bad || h.Origin.Seq == 0
	}
	d.Skip = want != allTexts
	h.Outputs = d.Strings()
	h.Events = d.Int()
	var conn, turn uint64
	sum := 0
	for i := d.Count(2); i > 0 && !d.Bad; i-- {
		p := Part{Flags: d.Byte()}
		p.Events = d.Int()
		sum += p.Events
		if p.Flags&PartKeyed != 0 {
			copy(p.Key[:], d.Bytes(len(p.Key)))
			if b[11]&flagIDs != 0 {
				copy(p.Chunk[:], d.Bytes(len(p.Chunk)))
				p.Joined = d.Uvarint()
			}
			p.First = d.Int()
			if p.Flags&partSame == 0 {
				conn, turn = d.Uint64(), d.Uvarint()
			}
			p.Conn, p.CommitSeq = conn, turn
			if p.Flags&PartLast != 0 {
				p.Total = d.Int()
			}
		}
		h.Parts = append(h.Parts, p)
	}
	if d.Bad || len(d.B) > 0 || sum != h.Events {
		return Header{}, fmt.Errorf("chunk %d's header makes no sense: %w", h.Seq, boltfile.ErrDamaged)
	}
	return h, nil
}
