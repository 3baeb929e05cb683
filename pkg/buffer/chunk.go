package buffer

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

// A chunk on disk is one value:
//
//	 0  4  magic
//	 4  4  CRC-32C of everything from byte 8 to the end
//	 8  1  version
//	 9  1  codec of the payload
//	10  2  zero
//	12  4  length of the whole
//	16  4  length of the header: where the payload begins
//	20  4  length of the entries before compression
//	24  8  sequence number
//	32  8  when it was stored, nanoseconds since 1970
//	40  8  salt of the segment
//	48     cluster, tag, outputs, events, parts: see appendHeader
//	       payload: the entries
//
// All numbers are little-endian. Magic, length and checksum come first so that a plain scan of a
// file finds every whole chunk even where bbolt's tree is broken. The salt is random and never
// leaves the disk: without it, bytes that an agent sent could pass for a chunk in such a scan.
const (
	chunkMagic   = "\xa9gQ\xc7"
	chunkVersion = 1
	chunkFixed   = 48
)

// Flags of a part.
const (
	partKeyed  = 1 << iota // it came with a chunk id; else only its number of events follows
	partNanos              // the id is stable over resends: entries' times have nanoseconds
	partLast               // the last piece of its message: the message's number of events follows
	partSame               // connection and turn are those of the keyed part before
	partLetter             // it was a dead letter: in the connection's place stands its number, see retry.go
	partSent               // of a dead letter: it goes to its output whatever the routes say
	partAhead              // it was sent ahead of acks: those of the connection's turns before are unconfirmed too
)

// header is what a chunk tells of itself.
type header struct {
	seq      uint64
	received int64 // nanoseconds since 1970
	salt     uint64
	codec    codec
	size     int // of the whole value
	payload  int // where it begins
	raw      int // bytes of entries before compression
	events   int
	cluster  string
	tag      string
	outputs  []string
	parts    []part
}

// part is the piece of a chunk that came in one message.
type part struct {
	flags  byte
	key    [16]byte // of cluster, tag and the agent's chunk id
	conn   uint64   // unique over restarts
	turn   uint64   // number of the commit: ascending for a connection
	first  int      // position of the first event in the message
	events int
	total  int // events of the whole message, where partLast
}

// appendHeader appends h to b, with room for what seal writes once the payload follows.
func appendHeader(b []byte, h *header) []byte {
	at := len(b)
	b = append(b, chunkMagic...)
	b = append(b, 0, 0, 0, 0, chunkVersion, byte(h.codec), 0, 0)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.raw))
	b = binary.LittleEndian.AppendUint64(b, h.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.received))
	b = binary.LittleEndian.AppendUint64(b, h.salt)
	b = boltfile.AppendString(b, h.cluster)
	b = boltfile.AppendString(b, h.tag)
	b = boltfile.AppendStrings(b, h.outputs)
	b = binary.AppendUvarint(b, uint64(h.events))
	b = binary.AppendUvarint(b, uint64(len(h.parts)))
	var conn, turn uint64
	for i := range h.parts {
		p := &h.parts[i]
		flags := p.flags &^ partSame
		if flags&partKeyed != 0 && i > 0 && p.conn == conn && p.turn == turn {
			flags |= partSame
		}
		b = append(b, flags)
		b = binary.AppendUvarint(b, uint64(p.events))
		if flags&partKeyed == 0 {
			continue
		}
		b = append(b, p.key[:]...)
		b = binary.AppendUvarint(b, uint64(p.first))
		if flags&partSame == 0 {
			b = binary.LittleEndian.AppendUint64(b, p.conn)
			b = binary.AppendUvarint(b, p.turn)
			conn, turn = p.conn, p.turn
		}
		if flags&partLast != 0 {
			b = binary.AppendUvarint(b, uint64(p.total))
		}
	}
	binary.LittleEndian.PutUint32(b[at+16:], uint32(len(b)-at))
	return b
}

// sealChunk writes length and checksum into the value b, which appendHeader began.
func sealChunk(b []byte) {
	binary.LittleEndian.PutUint32(b[12:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[4:], boltfile.Checksum(b[8:]))
}

// chunkLength returns the length that the beginning of a chunk declares, and its header's.
func chunkLength(b []byte) (size, head int, err error) {
	if len(b) < chunkFixed || string(b[:4]) != chunkMagic {
		return 0, 0, fmt.Errorf("chunk without its magic number: %w", boltfile.ErrDamaged)
	}
	if b[8] != chunkVersion {
		return 0, 0, fmt.Errorf("chunk of version %d, this program knows %d: %w", b[8], chunkVersion, boltfile.ErrDamaged)
	}
	n, h := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:])
	if n > math.MaxInt32 || h < chunkFixed || h > n {
		return 0, 0, fmt.Errorf("chunk with a header of %d of %d bytes: %w", h, n, boltfile.ErrDamaged)
	}
	return int(n), int(h), nil
}

// checkChunk returns nil where b is one whole chunk that is as it was written.
func checkChunk(b []byte) error {
	n, _, err := chunkLength(b)
	if err != nil {
		return err
	}
	if n != len(b) {
		return fmt.Errorf("chunk of %d bytes says it has %d: %w", len(b), n, boltfile.ErrDamaged)
	}
	if got, want := boltfile.Checksum(b[8:]), binary.LittleEndian.Uint32(b[4:]); got != want {
		return fmt.Errorf("chunk's checksum is %08x, not %08x: %w", got, want, boltfile.ErrDamaged)
	}
	return nil
}

// decodeHeader reads the header that b begins with; b may end where the header does. parts is
// memory to reuse. Nothing is allocated for more parts than there are bytes.
func decodeHeader(b []byte, parts []part) (header, error) {
	n, head, err := chunkLength(b)
	if err != nil {
		return header{}, err
	}
	if head > len(b) {
		return header{}, fmt.Errorf("chunk's header is cut at %d of %d bytes: %w", len(b), head, boltfile.ErrDamaged)
	}
	h := header{
		codec: codec(b[9]), size: n, payload: head,
		raw:      int(binary.LittleEndian.Uint32(b[20:])),
		seq:      binary.LittleEndian.Uint64(b[24:]),
		received: int64(binary.LittleEndian.Uint64(b[32:])),
		salt:     binary.LittleEndian.Uint64(b[40:]),
		parts:    parts[:0],
	}
	d := boltfile.Decoder{B: b[chunkFixed:head]}
	h.cluster, h.tag, h.outputs = d.String(), d.String(), d.Strings()
	h.events = d.Int()
	var conn, turn uint64
	sum := 0
	for i := d.Count(2); i > 0 && !d.Bad; i-- {
		p := part{flags: d.Byte()}
		p.events = d.Int()
		sum += p.events
		if p.flags&partKeyed != 0 {
			copy(p.key[:], d.Bytes(len(p.key)))
			p.first = d.Int()
			if p.flags&partSame == 0 {
				conn, turn = d.Uint64(), d.Uvarint()
			}
			p.conn, p.turn = conn, turn
			if p.flags&partLast != 0 {
				p.total = d.Int()
			}
		}
		h.parts = append(h.parts, p)
	}
	if d.Bad || len(d.B) > 0 || sum != h.events {
		return header{}, fmt.Errorf("chunk %d's header makes no sense: %w", h.seq, boltfile.ErrDamaged)
	}
	return h, nil
}
