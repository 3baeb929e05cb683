// Package pack makes chunks of what connections collect: a Batch holds messages as pieces, compressed where they are
// large, and a Builder makes chunks of the pieces of many batches, in which it puts small ones together.
package pack

import (
	"slices"
	"time"
	"unsafe"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

const (
	// packAlone is the size in bytes from which entries become a chunk of their own, compressed in
	// the caller's goroutine: there the work is spread over the processors. Smaller ones are merged
	// with others by the committer, since a chunk costs a page on disk and a turn of every output.
	packAlone = 16 << 10
	// packSmall is where small pieces of one message that add up are packed after all.
	packSmall = 256 << 10
	// KeepArena is how large a batch's memory may be to be used again.
	KeepArena = 1 << 20
	// MaxChunk is the most that one Add may have: bbolt's lengths are of 31 bits.
	MaxChunk = 1 << 30
)

// message is one message of a batch.
type message struct {
	buffer.Message
	// key is that of cluster, tag and chunk id.
	key [16]byte
	// events counts well-formed and rejected ones.
	events int
	nanos  bool
	// piece is its first in batch.pieces.
	piece int
	// letter is its first in batch.letters.
	letter int
	// arena is how long batch.arena was when it began.
	arena int
	// parts are, of what was stored before, what its only piece is made of.
	parts []chunk.Part
	// kept is that of what was in a chunk before; nil: it was in none.
	kept *Kept
}

// Kept is what entries have of the chunk that they were in before.
type Kept struct {
	Received time.Time
	// NewTag is that of event.Chunk.
	NewTag string
	// Origin is that of what another queue has handed over; else zero: it is left of a chunk settled in part.
	Origin chunk.Origin
	// Moved says that it comes from another output.
	Moved bool
}

// piece is entries of a message that lie together in the arena.
type piece struct {
	off, n int
	// raw counts bytes before compression.
	raw int
	// first is the position of its first event in the message.
	first  int
	events int
	packed bool
	codec  chunk.Codec
}

// Memory is what batches, builders and who reads chunks use together, and again.
type Memory struct {
	Packer *chunk.Packer
	// Arenas is that of batches.
	Arenas chunk.Pool
	// Values is that of chunks as on disk.
	Values chunk.Pool
	// Entries is that of chunks' entries.
	Entries chunk.Pool
}

// Batch is what a connection collects for one commit: see buffer.Batch. It holds no memory of size between a commit and
// the next message, so that thousands of idle connections cost nothing. Memory and Conn must be set. Not safe for
// concurrent use; between a commit's beginning and end it is the committer's.
type Batch struct {
	Memory *Memory
	// Conn is unique over restarts.
	Conn uint64
	// NonBlocking says that it fails rather than wait for room, drops nothing to make some, and goes with one
	// transaction.
	NonBlocking bool

	msgs    []message
	pieces  []piece
	arena   []byte
	letters []deadletter.Letter
	// tooLarge says that an Add was over MaxChunk.
	tooLarge bool

	// While the committer has it:

	// CommitSeq is ascending.
	CommitSeq uint64
	// Bytes counts those that what is left of it takes on disk, at most.
	Bytes int64
	// Took counts bytes of it in the transaction that is being made, at most.
	Took int64
	// LettersStored says that its dead letters are on disk.
	LettersStored bool
	// Resends is that of its messages; empty where none wants an ack.
	Resends resend.Batch

	// at and atPiece count what is stored so far, by transactions that succeeded.
	at      int
	atPiece int
	// until counts pieces that the transaction which is being made takes it to.
	until int
	// next is at after that transaction.
	next int
}

// Begin implements buffer.Batch.
func (b *Batch) Begin(m buffer.Message) {
	if b.arena == nil {
		b.arena = b.Memory.Arenas.Get()
	}
	b.msgs = append(b.msgs, message{Message: m, piece: len(b.pieces), letter: len(b.letters), arena: len(b.arena)})
}

// Add implements buffer.Batch.
func (b *Batch) Add(entries []byte, events int, nanos bool) (rejected int) {
	m := &b.msgs[len(b.msgs)-1]
	first := m.events
	m.events += events
	m.nanos = m.nanos || nanos
	if len(entries) > MaxChunk {
		b.tooLarge = true
		return 0
	}
	if len(m.Outputs) == 0 || len(entries) == 0 {
		// Nobody wants it.
		return 0
	}
	if len(entries) >= packAlone {
		p := piece{off: len(b.arena), raw: len(entries), first: first, events: events, packed: true}
		b.arena, p.codec = b.Memory.Packer.Pack(b.arena, entries)
		p.n = len(b.arena) - p.off
		b.pieces = append(b.pieces, p)
		return 0
	}
	// Pieces of one message continue each other unless rejected events lie between.
	if n := len(b.pieces); n > m.piece && !b.pieces[n-1].packed && b.pieces[n-1].first+b.pieces[n-1].events == first {
		p := &b.pieces[n-1]
		b.arena = append(b.arena, entries...)
		p.n += len(entries)
		p.raw, p.events = p.n, p.events+events
		if p.n >= packSmall {
			b.repack(p)
		}
		return 0
	}
	b.pieces = append(b.pieces, piece{
		off: len(b.arena), n: len(entries), raw: len(entries), first: first, events: events,
	})
	b.arena = append(b.arena, entries...)
	return 0
}

// repack compresses the last piece where it lies.
func (b *Batch) repack(p *piece) {
	b.arena, p.codec = b.Memory.Packer.Pack(b.arena, b.arena[p.off:p.off+p.n])
	n := copy(b.arena[p.off:], b.arena[p.off+p.n:])
	p.n, p.packed = n, true
	b.arena = b.arena[:p.off+n]
}

// AddStored adds entries that were stored before, as dead letters or in a chunk settled in part, as a message, and so
// as a chunk, of their own.
func (b *Batch) AddStored(m buffer.Message, entries []byte, parts []chunk.Part) {
	b.Begin(m)
	msg := &b.msgs[len(b.msgs)-1]
	msg.parts = parts
	for i := range parts {
		msg.events += parts[i].Events
	}
	p := piece{off: len(b.arena), raw: len(entries), events: msg.events, packed: true}
	b.arena, p.codec = b.Memory.Packer.Pack(b.arena, entries)
	p.n = len(b.arena) - p.off
	b.pieces = append(b.pieces, p)
}

// Reject implements buffer.Batch.
func (b *Batch) Reject(raw []byte, events int, reason string) {
	m := &b.msgs[len(b.msgs)-1]
	m.events += events
	b.letters = append(b.letters, deadletter.Letter{
		Cluster: m.Cluster, Tag: m.Tag, Reason: reason, Events: events, Entry: slices.Clone(raw),
	})
}

// Abandon implements buffer.Batch.
func (b *Batch) Abandon() {
	m := &b.msgs[len(b.msgs)-1]
	b.pieces, b.arena = b.pieces[:m.piece], b.arena[:m.arena]
	clear(b.letters[m.letter:])
	b.letters = b.letters[:m.letter]
	b.msgs[len(b.msgs)-1] = message{}
	b.msgs = b.msgs[:len(b.msgs)-1]
}

// Size implements buffer.Batch.
func (b *Batch) Size() int {
	n := len(b.arena) + len(b.msgs)*int(unsafe.Sizeof(message{})+resend.MessageSize) +
		len(b.pieces)*int(unsafe.Sizeof(piece{}))
	for i := range b.letters {
		n += len(b.letters[i].Entry) + int(unsafe.Sizeof(deadletter.Letter{}))
	}
	return n
}

// Reset implements buffer.Batch.
func (b *Batch) Reset() {
	// Lets go of strings and ids.
	clear(b.msgs)
	clear(b.letters)
	b.msgs, b.pieces, b.letters = b.msgs[:0], b.pieces[:0], b.letters[:0]
	b.Memory.Arenas.Put(b.arena)
	b.arena = nil
	b.at, b.atPiece, b.until, b.next, b.LettersStored, b.tooLarge = 0, 0, 0, 0, false, false
	b.Resends.Of(b.Conn)
	if cap(b.msgs)*int(unsafe.Sizeof(message{})) > KeepArena {
		b.msgs = nil
	}
	if cap(b.pieces)*int(unsafe.Sizeof(piece{})) > KeepArena {
		b.pieces = nil
	}
}

// AddKept is AddStored for what was in a chunk before, of this queue or of another.
func (b *Batch) AddKept(m buffer.Message, entries []byte, parts []chunk.Part, kept Kept) {
	b.AddStored(m, entries, parts)
	b.msgs[len(b.msgs)-1].kept = &kept
}

// TooLarge reports whether an Add was over MaxChunk, so that the batch can't be stored.
func (b *Batch) TooLarge() bool { return b.tooLarge }

// Empty reports whether nothing of the batch is to be stored.
func (b *Batch) Empty() bool { return len(b.pieces) == 0 && len(b.letters) == 0 }

// Len returns how many messages the batch has.
func (b *Batch) Len() int { return len(b.msgs) }

// Message returns message i, and the bytes that it takes on disk, at most.
func (b *Batch) Message(i int) (m *buffer.Message, bytes int64) {
	for p := b.msgs[i].piece; p < b.piecesEnd(i); p++ {
		bytes += b.pieces[p].cost()
	}
	return &b.msgs[i].Message, bytes
}

// Cluster returns the cluster of the first message: a connection has one.
func (b *Batch) Cluster() string { return b.msgs[0].Cluster }

// AppendLetters appends to letters those of the batch that are to be stored.
func (b *Batch) AppendLetters(letters []deadletter.Letter) []deadletter.Letter {
	if b.LettersStored {
		return letters
	}
	for i := range b.msgs {
		if !b.Resends.Duplicate(i) {
			letters = append(letters, b.letters[b.msgs[i].letter:b.lettersEnd(i)]...)
		}
	}
	return letters
}

// Prepare works out what the batch takes on disk and what its messages' ids are.
func (b *Batch) Prepare() {
	b.Bytes = 0
	for i := range b.pieces {
		b.Bytes += b.pieces[i].cost()
	}
	b.Identify()
}

// Identify works out what b's messages' ids are, once all of them are there.
func (b *Batch) Identify() {
	keyed := func(m message) bool { return m.Chunk != "" }
	if b.Resends.Len() > 0 || !slices.ContainsFunc(b.msgs, keyed) {
		return
	}
	b.Resends.Of(b.Conn)
	for i := range b.msgs {
		m := &b.msgs[i]
		if m.Chunk == "" {
			b.Resends.Add(resend.Key{})
			continue
		}
		m.key = event.PartKeyOfChunk(m.Cluster, m.Tag, m.Chunk)
		b.Resends.Add(resend.Key{Chunk: m.key, Events: m.events})
	}
}

// cost returns the bytes that p takes on disk, at most.
func (p *piece) cost() int64 { return int64(p.n) + chunk.FixedSize }

// Part makes the next transaction take b's pieces up to about limit bytes, at least one; b.Took is
// how many bytes that is.
func (b *Batch) Part(limit int64) {
	n := int64(chunk.FixedSize)
	if !b.LettersStored {
		for i := range b.letters {
			n += int64(len(b.letters[i].Entry))
		}
	}
	for b.until = b.atPiece; b.until < len(b.pieces) &&
		(n < limit || b.until == b.atPiece || b.NonBlocking); b.until++ {
		n += b.pieces[b.until].cost()
	}
	b.Took = n
}

// Partial reports whether something of b is left after the transaction that is being made.
func (b *Batch) Partial() bool { return b.until < len(b.pieces) }

// Begun reports whether a transaction has stored a part of b, but not all.
func (b *Batch) Begun() bool { return b.atPiece > 0 }

// Advance notes that the transaction which took b up to b.until is on disk.
func (b *Batch) Advance() {
	for ; b.atPiece < b.until; b.atPiece++ {
		b.Bytes -= b.pieces[b.atPiece].cost()
	}
	b.at = b.next
}

func (b *Batch) piecesEnd(m int) int {
	if m+1 < len(b.msgs) {
		return b.msgs[m+1].piece
	}
	return len(b.pieces)
}

func (b *Batch) lettersEnd(m int) int {
	if m+1 < len(b.msgs) {
		return b.msgs[m+1].letter
	}
	return len(b.letters)
}

// Repeat adds message i to d.
func (b *Batch) Repeat(d *buffer.Duplicates, i int) {
	m := &b.msgs[i]
	d.Messages++
	d.Events += int64(m.events)
	for _, l := range b.letters[m.letter:b.lettersEnd(i)] {
		if d.Rejected == nil {
			d.Rejected = map[string]int64{}
		}
		d.Rejected[l.Reason] += int64(l.Events)
	}
}
