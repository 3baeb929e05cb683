package disk

import (
	"context"
	"fmt"
	"slices"
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
	// keepArena is how large a batch's memory may be to be used again.
	keepArena = 1 << 20
	// maxChunk is the most that one Add may have: bbolt's lengths are of 31 bits.
	maxChunk = 1 << 30
)

// message is one message of a batch.
type message struct {
	buffer.Message
	key    [16]byte // of cluster, tag and chunk id
	events int      // well-formed and rejected ones
	nanos  bool
	piece  int          // its first in batch.pieces
	letter int          // its first in batch.letters
	arena  int          // len(batch.arena) when it began
	parts  []chunk.Part // of what was stored before: what its only piece is made of
	rest   bool         // of a chunk settled in part
}

// piece is entries of a message that lie together in the arena.
type piece struct {
	off, n int
	raw    int // bytes before compression
	first  int // position of its first event in the message
	events int
	packed bool
	codec  chunk.Codec
}

// batch implements Batch. It holds no memory of size between a commit and the next message, so
// that thousands of idle connections cost nothing.
type batch struct {
	s       *Queue
	conn    uint64 // unique over restarts
	msgs    []message
	pieces  []piece
	arena   []byte
	letters []deadletter.Letter
	answer  chan error // of the committer, buffered

	repeated buffer.Duplicates // see Repeated

	// While the committer has it:
	turn        uint64
	bytes       int64 // that what is left of it takes on disk, at most
	at          int   // msgs and pieces stored so far, by transactions that succeeded
	atPiece     int
	took        int64        // bytes of it in the transaction that is being made, at most
	until       int          // pieces that the transaction which is being made takes it to
	next        int          // at after that transaction
	buried      bool         // letters are stored
	resends     resend.Batch // of its messages; empty where none wants an ack
	claims      []claim
	tooLarge    bool // an Add was over maxChunk
	nonBlocking bool // it fails rather than wait for room, drops nothing to make some, and goes with one transaction
}

// NewBatch implements Queue.
func (s *Queue) NewBatch(conn uint64) buffer.Batch {
	return &batch{s: s, conn: s.connEpoch + conn, answer: make(chan error, 1)}
}

func (b *batch) Begin(m buffer.Message) {
	if b.arena == nil {
		b.arena = b.s.arenas.Get()
	}
	b.msgs = append(b.msgs, message{Message: m, piece: len(b.pieces), letter: len(b.letters), arena: len(b.arena)})
}

func (b *batch) Add(entries []byte, events int, nanos bool) {
	m := &b.msgs[len(b.msgs)-1]
	first := m.events
	m.events += events
	m.nanos = m.nanos || nanos
	if len(entries) > maxChunk {
		b.tooLarge = true
		return
	}
	if len(m.Outputs) == 0 || len(entries) == 0 {
		return // nobody wants it
	}
	if len(entries) >= packAlone {
		p := piece{off: len(b.arena), raw: len(entries), first: first, events: events, packed: true}
		b.arena, p.codec = b.s.packer.Pack(b.arena, entries)
		p.n = len(b.arena) - p.off
		b.pieces = append(b.pieces, p)
		return
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
		return
	}
	b.pieces = append(b.pieces, piece{off: len(b.arena), n: len(entries), raw: len(entries), first: first, events: events})
	b.arena = append(b.arena, entries...)
}

// repack compresses the last piece where it lies.
func (b *batch) repack(p *piece) {
	b.arena, p.codec = b.s.packer.Pack(b.arena, b.arena[p.off:p.off+p.n])
	n := copy(b.arena[p.off:], b.arena[p.off+p.n:])
	p.n, p.packed = n, true
	b.arena = b.arena[:p.off+n]
}

// addStored adds entries that were stored before, as dead letters or in a chunk settled in part, as a message, and so
// as a chunk, of their own.
func (b *batch) addStored(m buffer.Message, entries []byte, parts []chunk.Part) {
	b.Begin(m)
	msg := &b.msgs[len(b.msgs)-1]
	msg.parts = parts
	for i := range parts {
		msg.events += parts[i].Events
	}
	p := piece{off: len(b.arena), raw: len(entries), events: msg.events, packed: true}
	b.arena, p.codec = b.s.packer.Pack(b.arena, entries)
	p.n = len(b.arena) - p.off
	b.pieces = append(b.pieces, p)
}

func (b *batch) Reject(raw []byte, events int, reason string) {
	m := &b.msgs[len(b.msgs)-1]
	m.events += events
	b.letters = append(b.letters, deadletter.Letter{
		Cluster: m.Cluster, Tag: m.Tag, Reason: reason, Events: events, Entry: slices.Clone(raw),
	})
}

func (b *batch) Abandon() {
	m := &b.msgs[len(b.msgs)-1]
	b.pieces, b.arena = b.pieces[:m.piece], b.arena[:m.arena]
	clear(b.letters[m.letter:])
	b.letters = b.letters[:m.letter]
	b.msgs[len(b.msgs)-1] = message{}
	b.msgs = b.msgs[:len(b.msgs)-1]
}

func (b *batch) Size() int {
	n := len(b.arena) + len(b.msgs)*int(unsafe.Sizeof(message{})+resend.MessageSize) + len(b.pieces)*int(unsafe.Sizeof(piece{}))
	for i := range b.letters {
		n += len(b.letters[i].Entry) + int(unsafe.Sizeof(deadletter.Letter{}))
	}
	return n
}

func (b *batch) Reset() {
	clear(b.msgs) // lets go of strings and ids
	clear(b.letters)
	clear(b.claims)
	b.claims = b.claims[:0]
	b.msgs, b.pieces, b.letters = b.msgs[:0], b.pieces[:0], b.letters[:0]
	b.s.arenas.Put(b.arena)
	b.arena = nil
	b.at, b.atPiece, b.until, b.next, b.buried, b.tooLarge = 0, 0, 0, 0, false, false
	b.resends.Of(b.conn)
	if cap(b.msgs)*int(unsafe.Sizeof(message{})) > keepArena {
		b.msgs = nil
	}
	if cap(b.pieces)*int(unsafe.Sizeof(piece{})) > keepArena {
		b.pieces = nil
	}
}

// Commit hands the batch to the committer and waits for its answer.
func (b *batch) Commit(ctx context.Context) error {
	if b.tooLarge {
		b.Reset()
		return fmt.Errorf("%w: %d bytes", buffer.ErrTooLarge, maxChunk)
	}
	if len(b.pieces) == 0 && len(b.letters) == 0 {
		b.repeated = buffer.Duplicates{}
		err := ctx.Err() // nothing of it is wanted: what is to be stored is stored
		if err == nil {
			b.identify()
			b.s.resends.Stored(nil, 0, []*resend.Batch{&b.resends})
		}
		b.Reset()
		return err
	}
	b.prepare()
	if err := b.s.commit.enter(b); err != nil {
		b.Reset()
		return err
	}
	var err error
	select {
	case err = <-b.answer:
	case <-ctx.Done():
		if b.s.commit.leave(b) {
			err = ctx.Err()
		} else {
			err = <-b.answer // it is being written: the answer is near, and only it tells the truth
		}
	}
	if err != nil {
		b.s.resends.Withdrawn(&b.resends)
		b.s.commit.kick() // what repeats it has to be stored now
	}
	b.repeated = buffer.Duplicates{}
	for i := range b.msgs {
		if b.resends.Duplicate(i) && err == nil {
			b.repeat(&b.repeated, i)
		}
	}
	b.Reset()
	return err
}

// Repeated implements Batch.
func (b *batch) Repeated() buffer.Duplicates { return b.repeated }

// prepare works out what b takes of the limits and what its messages' ids are.
func (b *batch) prepare() {
	b.bytes = 0
	for i := range b.pieces {
		b.bytes += b.pieces[i].cost()
	}
	b.identify()
	b.s.claim(b)
}

// identify works out what b's messages' ids are, once all of them are there.
func (b *batch) identify() {
	keyed := func(m message) bool { return m.Chunk != "" }
	if b.resends.Len() > 0 || !slices.ContainsFunc(b.msgs, keyed) {
		return
	}
	b.resends.Of(b.conn)
	for i := range b.msgs {
		m := &b.msgs[i]
		if m.Chunk == "" {
			b.resends.Add(resend.Key{})
			continue
		}
		m.key = event.PartKeyOfChunk(m.Cluster, m.Tag, m.Chunk)
		b.resends.Add(resend.Key{Chunk: m.key, Events: m.events})
	}
}

// Doubts implements Batch.
func (b *batch) Doubts() []uint64 {
	b.identify()
	conns := b.s.resends.Doubts(&b.resends)
	for i := range conns {
		conns[i] -= b.s.connEpoch
	}
	return conns
}

// cost returns the bytes that p takes on disk, at most.
func (p *piece) cost() int64 { return int64(p.n) + chunk.FixedSize }

// part makes the next transaction take b's pieces up to about limit bytes, at least one; b.took is
// how many bytes that is.
func (b *batch) part(limit int64) {
	n := int64(chunk.FixedSize)
	if !b.buried {
		for i := range b.letters {
			n += int64(len(b.letters[i].Entry))
		}
	}
	for b.until = b.atPiece; b.until < len(b.pieces) && (n < limit || b.until == b.atPiece || b.nonBlocking); b.until++ {
		n += b.pieces[b.until].cost()
	}
	b.took = n
}

// partial reports whether something of b is left after the transaction that is being made.
func (b *batch) partial() bool { return b.until < len(b.pieces) }

// begun reports whether a transaction has stored a part of b, but not all.
func (b *batch) begun() bool { return b.atPiece > 0 }

// advance notes that the transaction which took b up to b.until is on disk.
func (b *batch) advance() {
	for ; b.atPiece < b.until; b.atPiece++ {
		b.bytes -= b.pieces[b.atPiece].cost()
	}
	b.at = b.next
}

func (b *batch) piecesEnd(m int) int {
	if m+1 < len(b.msgs) {
		return b.msgs[m+1].piece
	}
	return len(b.pieces)
}

func (b *batch) lettersEnd(m int) int {
	if m+1 < len(b.msgs) {
		return b.msgs[m+1].letter
	}
	return len(b.letters)
}

// repeat adds message i to d.
func (b *batch) repeat(d *buffer.Duplicates, i int) {
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

// MaxChunk implements buffer.Queue.
func (s *Queue) MaxChunk() int { return maxChunk }
