package disk

import (
	"errors"
	"os"
	"slices"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Hold implements Source.
func (src *source) Hold(cluster string) {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	l := src.partitions[cluster]
	if l == nil || l.held {
		return
	}
	l.held = true
	src.ring.Remove(&l.turn)
}

// Release implements Source.
func (src *source) Release(cluster string) {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	if l := src.partitions[cluster]; l != nil && l.held {
		l.held = false
		l.list()
	}
}

// ReleaseEntries implements Source.
func (src *source) ReleaseEntries(c *event.Chunk) {
	src.s.mu.Lock()
	defer src.s.mu.Unlock()
	l := src.partitions[c.Cluster]
	if l == nil {
		return
	}
	if o := l.inFlight[c.Seq]; o != nil && &o.chunk == c {
		src.s.memory.Entries.Put(o.memory)
		o.memory, c.Entries = nil, nil
	}
}

// take ends the lease of c and returns it; nil where c is not handed out.
func (src *source) take(c *event.Chunk) (*partition, *lease) {
	l := src.partitions[c.Cluster]
	if l == nil {
		return nil, nil
	}
	o := l.inFlight[c.Seq]
	if o == nil || &o.chunk != c {
		return nil, nil
	}
	delete(l.inFlight, c.Seq)
	src.s.memory.Entries.Put(o.memory)
	o.memory, o.chunk = nil, event.Chunk{}
	return l, o
}

// Done implements Source.
func (src *source) Done(c *event.Chunk) {
	s := src.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, o := src.take(c); o != nil {
		l.done.add(o.events, o.size)
		s.finish(l, o)
	}
}

// Return implements Source.
func (src *source) Return(c *event.Chunk) {
	s := src.s
	s.mu.Lock()
	defer s.mu.Unlock()
	l, o := src.take(c)
	switch {
	case o == nil:
	case o.seg.gone:
		// Dropped meanwhile; it was left out of the count then.
		l.dropped.add(o.events, o.size)
		s.finish(l, o)
	default:
		i, _ := slices.BinarySearchFunc(l.returned, o.seq, func(b *lease, seq uint64) int {
			if b.seq < seq {
				return -1
			} else if b.seq > seq {
				return 1
			}
			return 0
		})
		l.returned = slices.Insert(l.returned, i, o)
		t := s.clusters[l.number]
		t.from = min(t.from, o.seq)
		l.list()
	}
}

// forget takes a chunk out of those that were returned.
func (l *partition) forget(seq uint64) {
	l.returned = slices.DeleteFunc(l.returned, func(b *lease) bool { return b.seq == seq })
}

// unreadable deals with a chunk that could not be read. What is damaged is copied to a file of its
// own, counted and forgotten. What the disk refuses to read stays where it is, handed out to nobody
// until the next start.
func (s *Queue) unreadable(l *partition, o *lease, e *segment.Entry, f *os.File, err error) {
	log := s.log.Error().Err(err).Str("output", l.src.name).Str("cluster", l.cluster).Uint64("chunk", o.seq).
		Uint32("events", e.Events)
	if !errors.Is(err, boltfile.ErrDamaged) {
		log.Msg("can't read a chunk: it stays in the queue until the next start, later ones go on")
		// It is in flight for ever.
		return
	}
	name, cerr := segment.QuarantineChunk(o.seg.path, o.seq, e, f)
	if cerr != nil {
		log.AnErr("copy", cerr).
			Msg("chunk is damaged and can't be set aside: it stays in the queue until the next start")
		return
	}
	log.Str("file", name).Msg("chunk is damaged: set aside, not delivered")
	s.mu.Lock()
	defer s.mu.Unlock()
	// Another output may have found it before.
	if !o.seg.lost[o.seq] {
		if o.seg.lost == nil {
			o.seg.lost = map[uint64]bool{}
		}
		o.seg.lost[o.seq] = true
		s.stats.setAside++
		s.stats.lostEvents += int64(e.Events)
	}
	delete(l.inFlight, o.seq)
	l.lost.add(o.events, o.size)
	s.finish(l, o)
}
