package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

const (
	// keepArena and keepEntries are how large memory may be to be used again.
	keepArena   = 1 << 20
	keepEntries = 4 << 20
	// maxAdd is the most that one Add may have.
	maxAdd = 1 << 30
	// packAlone is the size from which entries are a piece of their own, compressed at once.
	packAlone = 16 << 10
	// packSmall is where small entries of one message that add up make a piece.
	packSmall = 256 << 10
)

// batch implements buffer.Batch.
type batch struct {
	q       *Queue
	conn    uint64
	msgs    []message
	pieces  []piece
	arena   []byte
	letters []deadletter.Letter
	// unread is why what Add was given could not be read.
	unread   error
	resends  resend.Batch
	repeated buffer.Duplicates
	// answered is when the last Commit returned.
	answered time.Time
}

// message is one message of a batch.
type message struct {
	buffer.Message
	key    [16]byte // of cluster, tag and chunk id
	events int      // well-formed and rejected ones
	// own says that no other message of the cluster and tag has the chunk id: see ownID.
	own    bool
	piece  int // its first in batch.pieces
	letter int // its first in batch.letters
	arena  int // len(batch.arena) when it began
	id     string
	doubt  bool // it may have been stored before under id
}

// piece is entries of a message that lie together in the arena, and become a chunk, or a part of one.
type piece struct {
	off, n int
	raw    int // bytes before compression
	first  int // position of its first event in the message
	events int
	packed bool
	codec  chunk.Codec
}

// NewBatch implements buffer.Queue.
func (q *Queue) NewBatch(conn uint64) buffer.Batch { return q.newBatch(conn) }

func (q *Queue) newBatch(conn uint64) *batch {
	b := &batch{q: q, conn: conn}
	b.resends.Of(conn)
	return b
}

// Begin implements buffer.Batch.
func (b *batch) Begin(m buffer.Message) {
	if b.arena == nil {
		b.arena = b.q.arenas.Get()
	}
	b.msgs = append(b.msgs, message{
		Message: m, own: ownID(m.Chunk), piece: len(b.pieces), letter: len(b.letters), arena: len(b.arena),
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
func (b *batch) Add(entries []byte, events int, nanos bool) (rejected int) {
	m := &b.msgs[len(b.msgs)-1]
	first := m.events
	m.events += events
	m.own = m.own || nanos
	if len(m.Outputs) == 0 || len(entries) == 0 {
		// Nobody wants it.
		return 0
	}
	if most := b.q.maxPiece(); len(entries) > most {
		err := sealing.Cut(entries, most, func(part []byte, n int) {
			if !b.pack(part, first, n) {
				rejected += n
			}
			first += n
		})
		b.unread = cmp.Or(b.unread, err)
		return rejected
	}
	if len(entries) >= packAlone {
		b.pack(entries, first, events)
		return 0
	}
	// Pieces of one message continue each other unless rejected events lie between.
	if n := len(b.pieces); n > m.piece && !b.pieces[n-1].packed && b.pieces[n-1].first+b.pieces[n-1].events == first &&
		b.pieces[n-1].raw+len(entries) <= packSmall {
		p := &b.pieces[n-1]
		b.arena = append(b.arena, entries...)
		p.n += len(entries)
		p.raw, p.events = p.n, p.events+events
		return 0
	}
	b.pieces = append(b.pieces, piece{
		off: len(b.arena), n: len(entries), raw: len(entries), first: first, events: events,
	})
	b.arena = append(b.arena, entries...)
	return 0
}

// pack makes a piece of entries, compressed, and reports whether that fits into a message of the stream. Where an event
// doesn't, it is a dead letter.
func (b *batch) pack(entries []byte, first, events int) bool {
	p := piece{off: len(b.arena), raw: len(entries), first: first, events: events, packed: true}
	b.arena, p.codec = b.q.packer.Pack(b.arena, entries)
	p.n = len(b.arena) - p.off
	if payload := int(b.q.nc().MaxPayload()); !sealing.Fits(p.n, payload) {
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
func (b *batch) Reject(raw []byte, events int, reason string) {
	b.msgs[len(b.msgs)-1].events += events
	b.reject(raw, events, reason, "")
}

// reject keeps events of the message begun last as a dead letter, once they are counted.
func (b *batch) reject(raw []byte, events int, reason, detail string) {
	m := &b.msgs[len(b.msgs)-1]
	b.letters = append(b.letters, deadletter.Letter{
		Cluster: m.Cluster, Tag: m.Tag, Reason: reason, Detail: detail, Events: events, Entry: slices.Clone(raw),
	})
}

// Abandon implements buffer.Batch.
func (b *batch) Abandon() {
	m := &b.msgs[len(b.msgs)-1]
	b.pieces, b.arena = b.pieces[:m.piece], b.arena[:m.arena]
	clear(b.letters[m.letter:])
	b.letters = b.letters[:m.letter]
	b.msgs[len(b.msgs)-1] = message{}
	b.msgs = b.msgs[:len(b.msgs)-1]
}

// Size implements buffer.Batch.
func (b *batch) Size() int {
	n := len(b.arena) + len(b.msgs)*int(unsafe.Sizeof(message{})+resend.MessageSize) +
		len(b.pieces)*int(unsafe.Sizeof(piece{}))
	for i := range b.letters {
		n += len(b.letters[i].Entry) + int(unsafe.Sizeof(deadletter.Letter{}))
	}
	return n
}

// Reset implements buffer.Batch.
func (b *batch) Reset() {
	// Lets go of strings and ids.
	clear(b.msgs)
	clear(b.letters)
	b.msgs, b.pieces, b.letters, b.unread = b.msgs[:0], b.pieces[:0], b.letters[:0], nil
	b.q.arenas.Put(b.arena)
	b.arena = nil
	b.resends.Of(b.conn)
	if cap(b.msgs)*int(unsafe.Sizeof(message{})) > keepArena {
		b.msgs = nil
	}
	if cap(b.pieces)*int(unsafe.Sizeof(piece{})) > keepArena {
		b.pieces = nil
	}
}

// Repeated implements buffer.Batch.
func (b *batch) Repeated() buffer.Duplicates { return b.repeated }

// Doubts implements buffer.Batch.
func (b *batch) Doubts() []uint64 {
	b.identify()
	return b.q.resends.Doubts(&b.resends)
}

// identify works out what the messages' ids are, once all of them are there.
func (b *batch) identify() {
	if b.resends.Len() > 0 || !slices.ContainsFunc(b.msgs, func(m message) bool { return m.Chunk != "" }) {
		return
	}
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

// Commit implements buffer.Batch.
func (b *batch) Commit(ctx context.Context) error {
	b.repeated = buffer.Duplicates{}
	defer func() {
		b.Reset()
		b.answered = time.Now()
	}()
	if b.unread != nil {
		return b.unread
	}
	q := b.q
	if err := q.enter(); err != nil {
		return err
	}
	b.identify()
	q.resends.Enter(&b.resends)
	err := b.store(ctx)
	if err != nil {
		q.resends.Withdrawn(&b.resends)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting--
	q.changed.Wake()
	if err == nil {
		q.batches++
	}
	return err
}

// enter counts a batch that is being stored; Commit counts it out.
func (q *Queue) enter() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return buffer.ErrClosed
	}
	q.waiting++
	return nil
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
