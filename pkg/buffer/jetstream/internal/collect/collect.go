// Package collect holds what a connection collects for one commit: messages, as pieces that fit into messages of the
// stream, compressed where they are large.
package collect

import (
	"cmp"
	"fmt"
	"slices"
	"unsafe"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

const (
	// KeepArena is how large memory may be to be used again.
	KeepArena = 1 << 20
	// packAlone is the size from which entries are a piece of their own, compressed at once.
	packAlone = 16 << 10
	// PackSmall is where small entries of one message that add up make a piece.
	PackSmall = 256 << 10
)

// Memory is what batches use together, and again.
type Memory struct {
	Packer *chunk.Packer
	Arenas chunk.Pool
}

// Batch is the messages. Memory and MaxPayload must be set. Not safe for concurrent use.
type Batch struct {
	Memory *Memory
	// MaxPayload returns how many bytes a message of the stream may have; 0: nobody has said.
	MaxPayload func() int

	Messages []Message
	// Unread is why what Add was given could not be read.
	Unread error

	pieces  []Piece
	arena   []byte
	letters []deadletter.Letter
}

// Message is one message of a batch.
type Message struct {
	buffer.Message
	// Key is that of cluster, tag and chunk id, once Batch.Identify was called.
	Key [16]byte
	// Events counts well-formed and rejected ones.
	Events int
	// Own says that no other message of the cluster and tag has the chunk id: see ownID.
	Own bool
	// ID is that under which it is stored.
	ID string
	// Doubt says that it may have been stored before under ID.
	Doubt bool

	// piece is its first in Batch.pieces, letter its first in Batch.letters.
	piece, letter int
	// arena is how long Batch.arena was when it began.
	arena int
}

// Piece is entries of a message that lie together, and become a chunk, or a part of one.
type Piece struct {
	off, n int
	// Raw counts bytes before compression.
	Raw int
	// First is the position of its first event in the message.
	First  int
	Events int
	// Packed says that they are compressed, as Codec says.
	Packed bool
	Codec  chunk.Codec
}

// Begin implements buffer.Batch.
func (b *Batch) Begin(m buffer.Message) {
	if b.arena == nil {
		b.arena = b.Memory.Arenas.Get()
	}
	b.Messages = append(b.Messages, Message{
		Message: m, Own: ownID(m.Chunk), piece: len(b.pieces), letter: len(b.letters), arena: len(b.arena),
	})
}

// ownID reports whether the form of a chunk id tells that it is no hash of the content, which other messages with the
// same content have, too, where their times are whole seconds: fluentd's end with a line feed behind 24 characters of
// base64, Fluency's are UUIDs, while Fluent Bit's, which are such a hash, are the 24 characters alone, or 32 digits.
func ownID(id string) bool {
	if len(id) == 25 {
		return id[24] == '\n'
	}
	return len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-'
}

// Add implements buffer.Batch.
func (b *Batch) Add(entries []byte, events int, nanos bool) (rejected int) {
	m := &b.Messages[len(b.Messages)-1]
	first := m.Events
	m.Events += events
	m.Own = m.Own || nanos
	if len(m.Outputs) == 0 || len(entries) == 0 {
		// Nobody wants it.
		return 0
	}
	if most := sealing.MaxPiece(b.MaxPayload()); len(entries) > most {
		err := sealing.Cut(entries, most, func(part []byte, n int) {
			if !b.pack(part, first, n) {
				rejected += n
			}
			first += n
		})
		b.Unread = cmp.Or(b.Unread, err)
		return rejected
	}
	if len(entries) >= packAlone {
		b.pack(entries, first, events)
		return 0
	}
	// Pieces of one message continue each other unless rejected events lie between.
	if n := len(b.pieces); n > m.piece && !b.pieces[n-1].Packed && b.pieces[n-1].First+b.pieces[n-1].Events == first &&
		b.pieces[n-1].Raw+len(entries) <= PackSmall {
		p := &b.pieces[n-1]
		b.arena = append(b.arena, entries...)
		p.n += len(entries)
		p.Raw, p.Events = p.n, p.Events+events
		return 0
	}
	b.pieces = append(b.pieces, Piece{
		off: len(b.arena), n: len(entries), Raw: len(entries), First: first, Events: events,
	})
	b.arena = append(b.arena, entries...)
	return 0
}

// pack makes a piece of entries, compressed, and reports whether that fits into a message of the stream. Where an event
// doesn't, it is a dead letter.
func (b *Batch) pack(entries []byte, first, events int) bool {
	p := Piece{off: len(b.arena), Raw: len(entries), First: first, Events: events, Packed: true}
	b.arena, p.Codec = b.Memory.Packer.Pack(b.arena, entries)
	p.n = len(b.arena) - p.off
	if payload := b.MaxPayload(); !sealing.Fits(p.n, payload) {
		b.arena = b.arena[:p.off]
		b.reject(entries, events, buffer.ReasonTooLarge, fmt.Sprintf("the event has %d bytes, %d when compressed, "+
			"which is more than a message of the queue may have: raise max_payload of the NATS servers, which is %d, "+
			"and send it again", len(entries), p.n, payload))
		return false
	}
	b.pieces = append(b.pieces, p)
	return true
}

// Reject implements buffer.Batch.
func (b *Batch) Reject(raw []byte, events int, reason string) {
	b.Messages[len(b.Messages)-1].Events += events
	b.reject(raw, events, reason, "")
}

// reject keeps events of the message begun last as a dead letter, once they are counted.
func (b *Batch) reject(raw []byte, events int, reason, detail string) {
	m := &b.Messages[len(b.Messages)-1]
	b.letters = append(b.letters, deadletter.Letter{
		Cluster: m.Cluster, Tag: m.Tag, Reason: reason, Detail: detail, Events: events, Entry: slices.Clone(raw),
	})
}

// Abandon implements buffer.Batch.
func (b *Batch) Abandon() {
	m := &b.Messages[len(b.Messages)-1]
	b.pieces, b.arena = b.pieces[:m.piece], b.arena[:m.arena]
	clear(b.letters[m.letter:])
	b.letters = b.letters[:m.letter]
	b.Messages[len(b.Messages)-1] = Message{}
	b.Messages = b.Messages[:len(b.Messages)-1]
}

// Size implements buffer.Batch.
func (b *Batch) Size() int {
	n := len(b.arena) + len(b.Messages)*int(unsafe.Sizeof(Message{})+resend.MessageSize) +
		len(b.pieces)*int(unsafe.Sizeof(Piece{}))
	for i := range b.letters {
		n += len(b.letters[i].Entry) + int(unsafe.Sizeof(deadletter.Letter{}))
	}
	return n
}

// Reset empties the batch.
func (b *Batch) Reset() {
	// Lets go of strings and ids.
	clear(b.Messages)
	clear(b.letters)
	b.Messages, b.pieces, b.letters, b.Unread = b.Messages[:0], b.pieces[:0], b.letters[:0], nil
	b.Memory.Arenas.Put(b.arena)
	b.arena = nil
	if cap(b.Messages)*int(unsafe.Sizeof(Message{})) > KeepArena {
		b.Messages = nil
	}
	if cap(b.pieces)*int(unsafe.Sizeof(Piece{})) > KeepArena {
		b.pieces = nil
	}
}

// Identify adds to resends, which is empty or was made of them, what the messages' ids are, once all of them are there.
func (b *Batch) Identify(resends *resend.Batch) {
	if resends.Len() > 0 || !slices.ContainsFunc(b.Messages, func(m Message) bool { return m.Chunk != "" }) {
		return
	}
	for i := range b.Messages {
		m := &b.Messages[i]
		if m.Chunk == "" {
			resends.Add(resend.Key{})
			continue
		}
		m.Key = event.PartKeyOfChunk(m.Cluster, m.Tag, m.Chunk)
		resends.Add(resend.Key{Chunk: m.Key, Events: m.Events})
	}
}

// Pieces returns those of message i.
func (b *Batch) Pieces(i int) []Piece {
	if i+1 < len(b.Messages) {
		return b.pieces[b.Messages[i].piece:b.Messages[i+1].piece]
	}
	return b.pieces[b.Messages[i].piece:]
}

// Entries returns a piece's.
func (b *Batch) Entries(p *Piece) []byte { return b.arena[p.off : p.off+p.n] }

// Letters returns the dead letters of message i.
func (b *Batch) Letters(i int) []deadletter.Letter {
	if i+1 < len(b.Messages) {
		return b.letters[b.Messages[i].letter:b.Messages[i+1].letter]
	}
	return b.letters[b.Messages[i].letter:]
}
