package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	deaddisk "github.com/seed-afc6a195/aggregator/pkg/deadletter/disk"
)

// Requeuing moves a dead letter in two steps: first its chunk is on disk, then the letter goes. Each part of the chunk
// names its letter, and before the first step a note says from which sequence number on such chunks will lie. So a
// start after a crash between the two finds the letters that are in the queue already and deletes them. The segments of
// these chunks stay until then.
const (
	requeueNote  = "dead/retry" // in the queue's directory: sequence number, CRC-32C
	requeueChunk = 256 << 10    // of a chunk's entries, about
)

// requeuer is what the queue knows of dead letters that are in it again.
type requeuer struct {
	s    *Queue
	path string // of the note

	mu     sync.Mutex // one requeue at a time; it is held while the disk is written
	ids    map[uint64]struct{}
	from   uint64 // in the note, where there is one
	sticky bool   // the note stays until the next start
}

func newRequeuer(s *Queue) *requeuer {
	return &requeuer{s: s, path: filepath.Join(s.dir, requeueNote), ids: map[uint64]struct{}{}}
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
		s.keepSegments(next)
		if err := r.note(next); err != nil {
			s.keepSegments(math.MaxUint64)
			return err
		}
	}
	b := &batch{s: s, conn: s.connEpoch, answer: make(chan error, 1), nonBlocking: true}
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
		r.sticky = true
	}
	if len(r.ids) == 0 {
		s.keepSegments(math.MaxUint64)
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
	s.keepSegments(math.MaxUint64)
	return r.removeNote()
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
		c.parts = append(c.parts, chunk.Part{Flags: flags, Key: item.Part.Key, Conn: item.ID, First: item.Part.First, Events: item.Part.Events})
	}
	for _, c := range all {
		b.addStored(c.message, c.entries, c.parts)
	}
}

// keepSegments has the segments with chunks from next on stay though nobody wants them any more. While a requeue's
// letters are not deleted, its chunks must be there: after a crash they say which letters these are.
func (s *Queue) keepSegments(next uint64) {
	s.mu.Lock()
	s.keepFrom = next
	s.mu.Unlock()
	s.clean.kick()
}

// noted reports whether an earlier run was ended within a requeue.
func (r *requeuer) noted() bool {
	_, err := os.Stat(r.path)
	return err == nil
}

// note writes down that chunks of dead letters may follow from the sequence number next on.
// What an earlier note says that must stay, the new one says too.
func (r *requeuer) note(next uint64) error {
	if r.sticky {
		next = r.from // written again, as a failed sync may have left the note in memory only
	}
	err := boltfile.WriteSynced(r.path+".tmp", boltfile.WithSum(encodeNote(next)))
	failpoint.Pass("retry.note.written")
	if err == nil {
		err = os.Rename(r.path+".tmp", r.path)
	}
	failpoint.Pass("retry.note.renamed")
	if err == nil {
		err = boltfile.SyncDir(filepath.Dir(r.path))
	}
	failpoint.Pass("retry.noted")
	if err != nil {
		return fmt.Errorf("note the retry of dead letters: %w", err)
	}
	r.from = next
	return nil
}

// removeNote removes the note, if it need not stay.
func (r *requeuer) removeNote() error {
	if r.sticky {
		return nil
	}
	if err := os.Remove(r.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("end the retry of dead letters: %w", err)
	}
	failpoint.Pass("retry.ended")
	return nil
}

// noteFormat is that of the note. Number 1 is a sequence number alone.
func noteFormat() format.Format {
	return format.Format{Name: "note of a requeue", Number: 2, Since: 1, Alone: 1}
}

func encodeNote(next uint64) []byte {
	return binary.LittleEndian.AppendUint64(noteFormat().Append(nil), next)
}

// decodeNote returns the sequence number of a note, and the first of all where it is of a format that the program may
// not read: to look through all chunks is always right.
func decodeNote(b []byte) uint64 {
	if len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	_, rest, err := noteFormat().Cut(b)
	if err != nil || len(rest) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(rest)
}

// settle deletes the letters that an interrupted requeue has put into the queue. It runs at the
// start, before anything is stored. What goes wrong is logged, and tried again at the next start.
func (r *requeuer) settle(letters *deaddisk.Store) {
	b, err := os.ReadFile(r.path)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	from := uint64(0) // where the note can't be read: all chunks are looked through
	if err == nil {
		if b, err = boltfile.VerifySum(b); err == nil {
			from = decodeNote(b)
		}
	}
	ids, err := r.s.lettersFrom(from)
	n := 0
	if err == nil {
		n, err = letters.Delete(context.Background(), ids...)
		failpoint.Pass("retry.settled")
	}
	if err == nil {
		err = r.removeNote()
	}
	if err != nil {
		r.from, r.sticky = from, true
		r.s.log.Error().Err(err).Msg("can't end an interrupted retry of dead letters: some of them may be in the queue too")
		return
	}
	r.s.log.Info().Int("letters", n).Msg("ended an interrupted retry of dead letters: what was in the queue already is no dead letter any more")
}

// lettersFrom returns the numbers of the letters that are in chunks from the sequence number on.
func (s *Queue) lettersFrom(from uint64) (letters []uint64, err error) {
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
			value, err := segment.ReadChunk(seg.file.f, e, s.values.Get())
			if err == nil {
				var h chunk.Header
				if h, err = chunk.DecodeHeader(value, parts); err == nil {
					parts = h.Parts
				}
			}
			s.values.Put(value)
			if errors.Is(err, boltfile.ErrDamaged) {
				parts = nil
				continue // whoever is handed it will tell
			} else if err != nil {
				return nil, err
			}
			for i := range parts {
				if parts[i].Flags&chunk.PartRequeued != 0 {
					letters = append(letters, parts[i].Conn)
				}
			}
		}
	}
	return letters, nil
}
