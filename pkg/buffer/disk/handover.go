package disk

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// errUnread ends a handover: who takes over knows by the highest number what it has, so no chunk may be left out.
var errUnread = errors.New(
	"something that waits can't be read, and nothing behind it is handed over before it can: look at the log",
)

// Owed implements buffer.Giver.
func (s *Queue) Owed(ctx context.Context, yield func(*buffer.Handed) error) error {
	for from := uint64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.mu.Lock()
		for _, seg := range s.segs {
			if seg.broken || seg.unread {
				s.mu.Unlock()
				return fmt.Errorf("%w: segment %s", errUnread, seg.path)
			}
		}
		seg, i := s.owedFrom(from)
		switch {
		case seg == nil:
			s.mu.Unlock()
			return nil
		case !seg.loaded:
			s.mu.Unlock()
			s.load(seg)
			s.mu.Lock()
			if !seg.loaded && !seg.gone {
				// Load has logged why.
				s.mu.Unlock()
				return fmt.Errorf("%w: segment %s", errUnread, seg.path)
			}
			s.mu.Unlock()
			continue
		case i < 0:
			from = seg.end()
			s.mu.Unlock()
			continue
		}
		e := seg.entries[i]
		h := &buffer.Handed{}
		var owing []*source
		for _, src := range s.sets[e.Set].sources {
			if !seg.done[src].Has(e.Seq) {
				output, target := src.names()
				h.Owes = append(h.Owes, buffer.Owing{Output: output, Target: target})
				owing = append(owing, src)
			}
		}
		o := newLease(seg, &e)
		file, fresh := seg.file, s.freshOf(seg, &e)
		file.Hold()
		from = o.seq + 1
		s.mu.Unlock()

		err := s.fill(o, file, &e, fresh)
		if err == nil {
			h.Chunk = o.chunk
			err = yield(h)
		} else {
			for _, src := range owing {
				s.unreadable(src.partition(e.Cluster), o, &e, file.File, err)
			}
			s.mu.Lock()
			stays := s.wanted(seg, o.seq, e.Set)
			s.mu.Unlock()
			if err = nil; stays {
				err = fmt.Errorf("%w: chunk %d in %s", errUnread, o.seq, seg.path)
			}
		}
		s.memory.Entries.Put(o.memory)
		s.mu.Lock()
		file.Release()
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// owedFrom returns the first segment that holds something wanted from the sequence number on, and the index of the
// first entry in it that is; -1: none of those that are left, or the segment is not loaded. s.mu is held.
func (s *Queue) owedFrom(from uint64) (*segmentState, int) {
	for _, seg := range s.segs {
		if seg.end() <= from || len(seg.sum) == 0 {
			continue
		}
		for i := range seg.entries {
			e := &seg.entries[i]
			if at := seg.first + uint64(e.Seq); at >= from && s.wanted(seg, at, e.Set) && !seg.lost[at] {
				return seg, i
			}
		}
		return seg, -1
	}
	return nil, -1
}

// Given implements buffer.Giver.
func (s *Queue) Given(seqs []uint64) error {
	for _, seq := range seqs {
		s.given(seq)
	}
	return s.clean.save(false)
}

// given forgets one chunk for all outputs.
func (s *Queue) given(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.segs {
		if seq < seg.first || seq >= seg.end() {
			continue
		}
		for !seg.loaded && !seg.gone && !seg.broken && !s.closed {
			s.mu.Unlock()
			s.load(seg)
			s.mu.Lock()
		}
		i, found := seg.find(seq)
		if !found {
			return
		}
		e := seg.entries[i]
		for _, src := range s.sets[e.Set].sources {
			if seg.done[src].Has(e.Seq) {
				continue
			}
			l := src.partition(e.Cluster)
			l.given.add(e.Events, e.Size)
			s.finish(l, newLease(seg, &e))
		}
		return
	}
}

// newLease returns a lease of the chunk of e, without its contents.
func newLease(seg *segmentState, e *segment.Entry) *lease {
	return &lease{
		seg: seg, seq: seg.first + uint64(e.Seq), size: e.Size, events: e.Events, set: e.Set, received: e.Received,
	}
}

// adopting is the queue as package adoption knows it.
type adopting struct{ s *Queue }

// Reserve implements adoption.Store.
func (a adopting) Reserve() uint64 {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.s.keep.adopted = min(a.s.keep.adopted, a.s.next)
	return a.s.next
}

// Keep implements adoption.Store.
func (a adopting) Keep(next uint64) { a.s.keepSegments(&a.s.keep.adopted, next) }

// Headers implements adoption.Store.
func (a adopting) Headers(next uint64, see func(*chunk.Header)) error {
	return a.s.headersFrom(next, see)
}

// AddLetters implements adoption.Store.
func (a adopting) AddLetters(ctx context.Context, letters []deadletter.Letter) error {
	return a.s.dead.Add(ctx, letters)
}

// Adopt implements adoption.Store.
func (a adopting) Adopt(ctx context.Context, from [16]byte, chunks []buffer.Handed) error {
	b := a.s.newBatch(0)
	b.NonBlocking = true
	for i := range chunks {
		var sources []string
		for _, o := range chunks[i].Owes {
			sources = append(sources, waitingName(o.Output, o.Target))
		}
		b.AddHanded(from, &chunks[i], sources)
	}
	return b.Commit(ctx)
}

// Adopt implements buffer.Taker.
func (s *Queue) Adopt(ctx context.Context, from [16]byte, chunks []buffer.Handed) error {
	return s.adopter.Adopt(ctx, from, chunks)
}

// AdoptLetters implements buffer.Taker.
func (s *Queue) AdoptLetters(ctx context.Context, from [16]byte, letters []deadletter.Letter) error {
	return s.adopter.AdoptLetters(ctx, from, letters)
}

// Adopted implements buffer.Taker.
func (s *Queue) Adopted(from [16]byte) (seq, letter uint64) { return s.adopter.Adopted(from) }

// RestAdoption implements buffer.Taker.
func (s *Queue) RestAdoption(from [16]byte) error { return s.adopter.Rest(from) }

// EndAdoption implements buffer.Taker.
func (s *Queue) EndAdoption(from [16]byte) error { return s.adopter.End(from) }

var (
	_ buffer.Giver = (*Queue)(nil)
	_ buffer.Taker = (*Queue)(nil)
)
