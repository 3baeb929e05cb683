package jetstream

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// noteAdopted begins the keys of notes of how far a queue was adopted.
const noteAdopted = "adopted."

// maxOwed bounds how many chunks are remembered that were told and not given yet.
const maxOwed = 1 << 16

// owed is what Given counts of a chunk that Owed has told.
type owed struct {
	place subject.Place
	count buffer.Count
}

// Owed implements buffer.Giver. A chunk that several outputs want comes once for each.
func (q *Queue) Owed(ctx context.Context, yield func(*buffer.Handed) error) error {
	stream, err := q.js.Stream(ctx, q.chunks())
	if err != nil {
		return fmt.Errorf("ask for stream %s: %w", q.chunks(), err)
	}
	for seq := uint64(1); ; seq++ {
		m, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject.All(q.chunks())))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read chunk %d of stream %s: %w", seq, q.chunks(), err)
		}
		seq = m.Sequence
		place, ok := subject.Parse(q.chunks(), m.Subject)
		if !ok {
			return fmt.Errorf("message %d of stream %s has the subject %s, which is no chunk's", seq, q.chunks(),
				m.Subject)
		}
		l := &lease{
			p: &partition{src: &source{q: q}, place: place, subject: m.Subject}, seq: seq, data: m.Data, again: true,
			count: buffer.Count{Chunks: 1, Bytes: int64(len(m.Data))},
		}
		c, err := l.open()
		if errors.Is(err, format.ErrUnknown) {
			return fmt.Errorf("chunk %d of stream %s: %w", seq, q.chunks(), err)
		}
		if err != nil {
			if err := q.keepDamaged(ctx, stream, l, err); err != nil {
				return err
			}
			continue
		}
		q.mu.Lock()
		if len(q.owed) < maxOwed {
			q.owed[seq] = owed{place, l.count}
		}
		q.mu.Unlock()
		err = yield(&buffer.Handed{Chunk: *c, Owes: []buffer.Owing{{Output: place.Output, Target: place.Target}}})
		q.entries.Put(l.memory)
		if err != nil {
			return err
		}
	}
}

// keepDamaged makes a dead letter of a damaged chunk.
func (q *Queue) keepDamaged(ctx context.Context, stream jetstream.Stream, l *lease, why error) error {
	if err := q.dead.Add(ctx, []deadletter.Letter{{
		Cluster: l.p.place.Cluster, Output: l.p.place.Output, Reason: "damaged", Detail: why.Error(),
		Entry: bytes.Clone(l.data),
	}}); err != nil {
		return fmt.Errorf("set a damaged chunk aside: %w", err)
	}
	if err := stream.DeleteMsg(ctx, l.seq); err != nil {
		return fmt.Errorf("delete a damaged chunk: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count(l.p.place, ledger.Lost, l.count)
	return nil
}

// Given implements buffer.Giver.
func (q *Queue) Given(seqs []uint64) error {
	ctx, cancel := context.WithTimeout(q.ctx, requestWithin+time.Duration(len(seqs))*time.Millisecond)
	defer cancel()
	stream, err := q.js.Stream(ctx, q.chunks())
	if err != nil {
		return fmt.Errorf("ask for stream %s: %w", q.chunks(), err)
	}
	for _, seq := range seqs {
		q.mu.Lock()
		o, known := q.owed[seq]
		delete(q.owed, seq)
		q.mu.Unlock()
		if !known {
			m, err := stream.GetMsg(ctx, seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read chunk %d of stream %s: %w", seq, q.chunks(), err)
			}
			o.place, _ = subject.Parse(q.chunks(), m.Subject)
			o.count = buffer.Count{Chunks: 1, Events: eventsOf(m.Data), Bytes: int64(len(m.Data))}
		}
		if err := stream.DeleteMsg(ctx, seq); err != nil {
			return fmt.Errorf("forget chunk %d of stream %s, which was handed over: %w", seq, q.chunks(), err)
		}
		q.mu.Lock()
		q.count(o.place, ledger.Given, o.count)
		q.mu.Unlock()
	}
	return nil
}

// adoption is how far a queue was adopted.
type adoption struct{ seq, letter uint64 }

func adoptedKey(from [16]byte) string { return noteAdopted + hex.EncodeToString(from[:]) }

// adoption returns how far the queue was adopted, by any process.
func (q *Queue) adoption(ctx context.Context, from [16]byte) (a adoption, err error) {
	notes, err := q.group.List(ctx, noteAdopted)
	if err != nil {
		return a, fmt.Errorf("look how far a queue was handed over: %w", err)
	}
	if note := notes[adoptedKey(from)]; len(note) == 16 {
		a.seq, a.letter = binary.BigEndian.Uint64(note), binary.BigEndian.Uint64(note[8:])
	}
	return a, nil
}

func (q *Queue) noteAdoption(ctx context.Context, from [16]byte, a adoption) error {
	note := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a.seq), a.letter)
	if err := q.group.Put(ctx, adoptedKey(from), note); err != nil {
		return fmt.Errorf("note how far a queue was handed over: %w", err)
	}
	return nil
}

// Adopt implements buffer.Taker. Chunks go under ids that are made of their numbers, so that what is stored before a
// crash and not noted is not stored again within the servers' window.
func (q *Queue) Adopt(ctx context.Context, from [16]byte, chunks []buffer.Handed) error {
	done, err := q.adoption(ctx, from)
	if err != nil {
		return err
	}
	s := &sealed{}
	last := done
	for i := range chunks {
		if h := &chunks[i]; h.Seq > done.seq {
			last.seq = h.Seq
			if err := q.sealHanded(s, from, h); err != nil {
				return fmt.Errorf("adopt chunk %d: %w", h.Seq, err)
			}
		}
	}
	if len(s.messages) == 0 {
		return ctx.Err()
	}
	q.mu.Lock()
	short := q.short(s.need)
	q.mu.Unlock()
	if short != nil {
		return fmt.Errorf("%w: %s", buffer.ErrFull, short.Why)
	}
	if err := q.put(ctx, s, false); err != nil {
		return fmt.Errorf("adopt %d chunks: %w", len(s.messages), err)
	}
	q.claim(ctx, s.messages)
	q.counted(s)
	return q.noteAdoption(ctx, from, last)
}

// sealHanded seals a chunk for all that it owes.
func (q *Queue) sealHanded(s *sealed, from [16]byte, h *buffer.Handed) error {
	flags := byte(chunk.PartKeyed | chunk.PartNanos)
	if h.Returned {
		flags |= chunk.PartUnrouted
	}
	if h.Filtered {
		flags |= chunk.PartFiltered
	}
	id := "h-" + hex.EncodeToString(from[:]) + "-" + strconv.FormatUint(h.Seq, 36)
	return q.sealParts(h.Entries, h.Parts, func(entries []byte, parts []event.Part, first int) {
		head := chunk.Header{
			Received: h.Received.UnixNano(), Raw: len(entries), Cluster: h.Cluster, Tag: h.Tag, Source: h.Source,
			NewTag: h.NewTag, Parts: chunk.Kept(parts, flags),
		}
		for _, p := range parts {
			head.Events += p.Events
		}
		data := q.seal(&head, entries)
		for _, o := range h.Owes {
			s.addFor(q.chunks(), data, id+"."+strconv.Itoa(first), origin{
				place:   subject.Place{Output: o.Output, Target: o.Target, Cluster: h.Cluster},
				count:   buffer.Count{Chunks: 1, Events: int64(head.Events), Bytes: int64(len(data))},
				counted: ledger.Adopted,
			})
		}
	})
}

// AdoptLetters implements buffer.Taker.
func (q *Queue) AdoptLetters(ctx context.Context, from [16]byte, letters []deadletter.Letter) error {
	done, err := q.adoption(ctx, from)
	if err != nil {
		return err
	}
	var more []deadletter.Letter
	last := done
	for i := range letters {
		if l := letters[i]; l.ID > done.letter {
			last.letter, l.ID = l.ID, 0
			more = append(more, l)
		}
	}
	if len(more) == 0 {
		return ctx.Err()
	}
	if err := q.dead.Add(ctx, more); err != nil {
		return fmt.Errorf("adopt %d dead letters: %w", len(more), err)
	}
	return q.noteAdoption(ctx, from, last)
}

// Adopted implements buffer.Taker. Where the servers do not answer, it is as if nothing was: what comes again is passed
// over by Adopt.
func (q *Queue) Adopted(from [16]byte) (seq, letter uint64) {
	ctx, cancel := context.WithTimeout(q.ctx, requestWithin)
	defer cancel()
	a, err := q.adoption(ctx, from)
	if err != nil {
		q.trouble(err)
	}
	return a.seq, a.letter
}

// RestAdoption implements buffer.Taker. Nothing is kept beside the note.
func (*Queue) RestAdoption([16]byte) error { return nil }

// EndAdoption implements buffer.Taker.
func (q *Queue) EndAdoption(from [16]byte) error {
	ctx, cancel := context.WithTimeout(q.ctx, requestWithin)
	defer cancel()
	if err := q.group.Delete(ctx, adoptedKey(from)); err != nil {
		return fmt.Errorf("forget how far a queue was handed over: %w", err)
	}
	return nil
}

var (
	_ buffer.Giver = (*Queue)(nil)
	_ buffer.Taker = (*Queue)(nil)
)
