package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	deaddisk "github.com/seed-afc6a195/aggregator/pkg/deadletter/disk"
)

// Requeuing moves a dead letter in two steps: first its chunk is on disk, then the letter goes. Each part of the chunk
// names its letter, and before the first step a note says from which sequence number on such chunks will lie. So a
// start after a crash between the two finds the letters that are in the queue already and deletes them. The segments of
// these chunks stay until then.
const (
	requeueNote  = "dead/retry" // in the queue's directory
	requeueChunk = 256 << 10    // of a chunk's entries, about
)

// requeuer is what the queue knows of dead letters that are in it again.
type requeuer struct {
	s    *Queue
	note statefile.Note

	// mu is one requeue at a time; it is held while the disk is written.
	mu  sync.Mutex
	ids map[uint64]struct{}
}

func newRequeuer(s *Queue) *requeuer {
	return &requeuer{s: s, note: statefile.Note{Path: filepath.Join(s.dir, requeueNote)}, ids: map[uint64]struct{}{}}
}

// Requeue implements Queue.
func (s *Queue) Requeue(ctx context.Context, items []buffer.RequeueItem) error {
	r := s.requeue
	r.mu.Lock()
	defer r.mu.Unlock()
	items = slices.DeleteFunc(slices.Clone(items), func(item buffer.RequeueItem) bool {
		_, known := r.ids[item.ID]
		return known
	})
	if len(items) == 0 {
		return nil
	}
	s.mu.Lock()
	next := s.next
	s.mu.Unlock()
	if len(r.ids) == 0 {
		s.keepSegments(&s.keep.requeued, next)
		if err := r.note.Write(next); err != nil {
			s.keepSegments(&s.keep.requeued, math.MaxUint64)
			return err
		}
	}
	b := s.newBatch(0)
	b.NonBlocking = true
	b.addItems(items)
	err := b.Commit(ctx)
	if err == nil {
		for i := range items {
			r.ids[items[i].ID] = struct{}{}
		}
		failpoint.Pass("retry.committed")
		if err = s.failing("forget"); err != nil {
			err = fmt.Errorf("dead letters are in the queue again, but can't be deleted until the next start: %w", err)
		}
	} else {
		err = fmt.Errorf("put dead letters of cluster %s back into the queue: %w", items[0].Cluster, err)
	}
	// After a failed write it may be stored nevertheless: then the note stays for the next start.
	if err != nil && !errors.Is(err, buffer.ErrFull) && !errors.Is(err, buffer.ErrClosed) && ctx.Err() == nil {
		r.note.Stays = true
	}
	if len(r.ids) == 0 {
		s.keepSegments(&s.keep.requeued, math.MaxUint64)
	}
	return err
}

// ForgetRequeued implements Queue.
func (s *Queue) ForgetRequeued(ids []uint64) error {
	r := s.requeue
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		delete(r.ids, id)
	}
	if len(r.ids) > 0 {
		return nil
	}
	s.keepSegments(&s.keep.requeued, math.MaxUint64)
	return r.note.Remove()
}

// addItems adds the items as chunks of their own, those that go the same way together.
func (b *batch) addItems(items []buffer.RequeueItem) {
	type open struct {
		message buffer.Message
		entries []byte
		parts   []chunk.Part
	}
	byWay := map[string]*open{}
	var all []*open
	for i := range items {
		item := &items[i]
		flags := byte(chunk.PartKeyed | chunk.PartNanos | chunk.PartRequeued)
		if !item.Routed {
			flags |= chunk.PartUnrouted
		}
		way := strings.Join(append([]string{item.Tag, string(flags)}, item.Outputs...), "\x00")
		c := byWay[way]
		if c == nil || len(c.entries)+len(item.Entries) > requeueChunk {
			c = &open{message: item.Message}
			byWay[way] = c
			all = append(all, c)
		}
		c.entries = append(c.entries, item.Entries...)
		c.parts = append(c.parts, chunk.Part{
			Flags: flags, Key: item.Part.Key, Conn: item.ID, First: item.Part.First, Events: item.Part.Events,
		})
	}
	for _, c := range all {
		b.AddStored(c.message, c.entries, c.parts)
	}
}

// keepSegments has the segments with chunks from next on stay though nobody wants them any more. While a requeue's
// letters are not deleted, its chunks must be there: after a crash they say which letters these are. which is a field
// of Queue.keep.
func (s *Queue) keepSegments(which *uint64, next uint64) {
	s.mu.Lock()
	*which = next
	s.mu.Unlock()
	s.clean.kick()
}

// settle deletes the letters that an interrupted requeue has put into the queue. It runs at the
// start, before anything is stored. What goes wrong is logged, and tried again at the next start.
func (r *requeuer) settle(letters *deaddisk.Store) {
	from, found := r.note.Read()
	if !found {
		return
	}
	ids, err := r.s.lettersFrom(from)
	n := 0
	if err == nil {
		n, err = letters.Delete(context.Background(), ids...)
		failpoint.Pass("retry.settled")
	}
	if err == nil {
		err = r.note.Remove()
	}
	if err != nil {
		r.note.Stays = true
		r.s.log.Error().Err(err).
			Msg("can't end an interrupted retry of dead letters: some of them may be in the queue too")
		return
	}
	r.s.log.Info().Int("letters", n).
		Msg("ended an interrupted retry of dead letters: what was in the queue already is no dead letter any more")
}

// lettersFrom returns the numbers of the letters that are in chunks from the sequence number on.
func (s *Queue) lettersFrom(from uint64) (letters []uint64, err error) {
	err = s.headersFrom(from, func(h *chunk.Header) {
		for i := range h.Parts {
			if h.Parts[i].Flags&chunk.PartRequeued != 0 {
				letters = append(letters, h.Parts[i].Conn)
			}
		}
	})
	return letters, err
}

// headersFrom calls see for the header of each chunk from the sequence number on that can be read. It is for the start,
// before anything is stored.
func (s *Queue) headersFrom(from uint64, see func(*chunk.Header)) error {
	var parts []chunk.Part
	for _, seg := range s.segs {
		if seg.end() <= from || seg.broken {
			continue
		}
		s.load(seg)
		for i := range seg.entries {
			e := &seg.entries[i]
			if seg.first+uint64(e.Seq) < from {
				continue
			}
			value, err := reader(seg.file.f, seg.fresh)(e)
			if err == nil {
				var h chunk.Header
				if h, err = chunk.DecodeHeader(value, parts); err == nil {
					parts = h.Parts
					see(&h)
				}
			}
			if errors.Is(err, boltfile.ErrDamaged) {
				parts = nil
				// whoever is handed it will tell.
				continue
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}
