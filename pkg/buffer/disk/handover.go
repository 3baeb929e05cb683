package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// errUnread ends a handover: who takes over knows by the highest number what it has, so no chunk may be left out.
var errUnread = errors.New("something that waits can't be read, and nothing behind it is handed over before it can: look at the log")

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
			if !seg.loaded && !seg.gone { // load has logged why
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
			if !seg.done[src].has(e.Seq) {
				output, target := src.names()
				h.Owes = append(h.Owes, buffer.Owing{Output: output, Target: target})
				owing = append(owing, src)
			}
		}
		o := newLease(seg, &e)
		file, fresh := seg.file, seg.fresh[e.Seq]
		file.refs++
		from = o.seq + 1
		s.mu.Unlock()

		err := s.fill(o, file, &e, fresh)
		if err == nil {
			h.Chunk = o.chunk
			err = yield(h)
		} else {
			for _, src := range owing {
				s.unreadable(src.partition(e.Cluster), o, &e, file.f, err)
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
		file.release()
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
			if seg.done[src].has(e.Seq) {
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

// adopter takes over what other queues hand over. Their chunks come in order of their numbers, so the highest one tells
// all that is here already. It is noted before each transaction from which sequence number on chunks with higher ones
// may lie: after a crash they tell themselves, and their segments stay until then.
type adopter struct {
	s *Queue

	// mu is one adoption at a time; it is held while the disk is written.
	mu  sync.Mutex
	all map[[16]byte]*adoption
}

// adoption is what was adopted of one queue. Pending is that of the note on disk.
type adoption struct {
	statefile.Adoption
	unsure bool // a write has failed: what lies from Pending on tells what was adopted, after the next start
}

func newAdopter(s *Queue) (*adopter, error) {
	a := &adopter{s: s, all: map[[16]byte]*adoption{}}
	notes, err := statefile.Adoptions(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read what was handed over: %w", err)
	}
	for i := range notes {
		a.all[notes[i].Queue] = &adoption{Adoption: notes[i]}
	}
	return a, nil
}

// pending reports whether a run before ended within an adoption.
func (a *adopter) pending() bool {
	for _, n := range a.all {
		if n.Pending != 0 {
			return true
		}
	}
	return false
}

// recover finds out which chunks were adopted when a run before ended. It is for the start, before anything is stored.
// What goes wrong is logged, and tried again at the next start.
func (a *adopter) recover() {
	for _, n := range a.all {
		if n.Pending == 0 {
			continue
		}
		err := a.s.headersFrom(n.Pending, func(h *chunk.Header) {
			if h.Origin.Queue == n.Queue {
				n.Seq = max(n.Seq, h.Origin.Seq)
			}
		})
		if err == nil {
			err = a.write(n, 0)
		}
		if err != nil {
			n.unsure = true
			a.s.log.Error().Err(err).Msg("can't find out what was handed over before: some of it may be stored again")
		}
	}
	a.s.keepSegments(&a.s.keep.adopted, a.oldest())
}

// of returns what is noted of the queue. a.mu is held.
func (a *adopter) of(from [16]byte) *adoption {
	n := a.all[from]
	if n == nil {
		n = &adoption{Adoption: statefile.Adoption{Queue: from}}
		a.all[from] = n
	}
	return n
}

// write notes n, and that its next chunks may lie from the sequence number pending on; 0: none may. a.mu is held.
func (a *adopter) write(n *adoption, pending uint64) error {
	noted := n.Adoption
	if noted.Pending = pending; n.unsure {
		noted.Pending = n.Pending
	}
	if err := noted.Write(a.s.dir); err != nil {
		n.unsure = n.unsure || n.Pending != 0 // which of the notes is there is not known
		return err
	}
	n.Adoption = noted
	return nil
}

// Adopt implements buffer.Taker.
func (s *Queue) Adopt(ctx context.Context, from [16]byte, chunks []buffer.Handed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a := s.adopter
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.of(from)
	for len(chunks) > 0 && chunks[0].Seq <= n.Seq {
		chunks = chunks[1:]
	}
	if len(chunks) == 0 {
		return nil
	}
	s.mu.Lock()
	next := s.next
	s.keep.adopted = min(s.keep.adopted, next)
	s.mu.Unlock()
	if err := a.write(n, next); err != nil {
		return err
	}
	// What the note before said is settled by this one.
	s.keepSegments(&s.keep.adopted, a.oldest())
	b := s.newBatch(0)
	b.NonBlocking = true
	for i := range chunks {
		b.addHanded(from, &chunks[i])
	}
	err := b.Commit(ctx)
	if err == nil {
		n.Seq = chunks[len(chunks)-1].Seq
		return nil
	}
	// After a failed write it may be stored nevertheless.
	n.unsure = n.unsure || !errors.Is(err, buffer.ErrFull) && !errors.Is(err, buffer.ErrClosed) && ctx.Err() == nil
	return fmt.Errorf("take over chunks %d to %d: %w", chunks[0].Seq, chunks[len(chunks)-1].Seq, err)
}

// oldest returns from which sequence number on chunks may lie that a start after a crash has to find. a.mu is held.
func (a *adopter) oldest() uint64 {
	next := uint64(math.MaxUint64)
	for _, n := range a.all {
		if n.Pending != 0 {
			next = min(next, n.Pending)
		}
	}
	return next
}

// addHanded adds a chunk that another queue hands over.
func (b *batch) addHanded(from [16]byte, h *buffer.Handed) {
	flags := byte(chunk.PartKeyed | chunk.PartNanos)
	if h.Returned {
		flags |= chunk.PartUnrouted
	}
	if h.Filtered {
		flags |= chunk.PartFiltered
	}
	m := buffer.Message{Cluster: h.Cluster, Tag: h.Tag, Source: h.Source}
	for _, o := range h.Owes {
		m.Outputs = append(m.Outputs, waitingName(o.Output, o.Target))
	}
	kept := pack.Kept{Received: h.Received, NewTag: h.NewTag, Origin: chunk.Origin{Queue: from, Seq: h.Seq}}
	b.AddKept(m, h.Entries, keptParts(h.Parts, flags), kept)
}

// AdoptLetters implements buffer.Taker.
func (s *Queue) AdoptLetters(ctx context.Context, from [16]byte, letters []deadletter.Letter) error {
	a := s.adopter
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.of(from)
	for len(letters) > 0 && letters[0].ID <= n.Letter {
		letters = letters[1:]
	}
	if len(letters) == 0 {
		return nil
	}
	if err := s.dead.Add(ctx, letters); err != nil {
		return fmt.Errorf("take over dead letters %d to %d: %w", letters[0].ID, letters[len(letters)-1].ID, err)
	}
	n.Letter = letters[len(letters)-1].ID
	return a.write(n, n.Pending)
}

// Adopted implements buffer.Taker.
func (s *Queue) Adopted(from [16]byte) (seq, letter uint64) {
	a := s.adopter
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.all[from]; n != nil {
		return n.Seq, n.Letter
	}
	return 0, 0
}

// RestAdoption implements buffer.Taker.
func (s *Queue) RestAdoption(from [16]byte) error {
	a := s.adopter
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.all[from]; n != nil && n.Pending != 0 {
		if err := a.write(n, 0); err != nil {
			return err
		}
	}
	s.keepSegments(&s.keep.adopted, a.oldest())
	return nil
}

// EndAdoption implements buffer.Taker.
func (s *Queue) EndAdoption(from [16]byte) error {
	a := s.adopter
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.all[from]
	if n == nil {
		return nil
	}
	if err := n.Remove(s.dir); err != nil {
		return err
	}
	delete(a.all, from)
	s.keepSegments(&s.keep.adopted, a.oldest())
	return nil
}

var (
	_ buffer.Giver = (*Queue)(nil)
	_ buffer.Taker = (*Queue)(nil)
)
