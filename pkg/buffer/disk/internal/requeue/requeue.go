// Package requeue puts dead letters back into a queue, once each, across crashes.
//
// A dead letter moves in two steps: first its chunk is on disk, then the letter goes. Each part of the chunk names its
// letter, and before the first step a note says from which sequence number on such chunks will lie. So a start after a
// crash between the two finds the letters that are in the queue already and deletes them. The segments of these chunks
// stay until then.
package requeue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
)

// note is the note's file, in the queue's directory.
const note = "dead/retry"

// Store is the queue.
type Store interface {
	// Next returns the sequence number from which on chunks lie that are stored from now on.
	Next() uint64
	// Keep has segments with chunks from that number on stay though nobody wants what they hold, and no others.
	Keep(next uint64)
	// Headers calls see for the header of each chunk from that number on that can be read.
	Headers(next uint64, see func(*chunk.Header)) error
	// Requeue stores the items as chunks whose parts name their letters.
	Requeue(ctx context.Context, items []buffer.RequeueItem) error
	// Failing returns the error that a test wants of an operation.
	Failing(op string) error
}

// Letters is the store of dead letters.
type Letters interface {
	Delete(ctx context.Context, ids ...uint64) (int, error)
}

// Requeuer is what the queue knows of dead letters that are in it again.
type Requeuer struct {
	store Store
	log   zerolog.Logger
	note  statefile.Note

	// mu is one requeue at a time; it is held while the disk is written.
	mu  sync.Mutex
	ids map[uint64]struct{}
}

// New returns that of the queue in dir. Settle must come before anything is stored.
func New(dir string, store Store, log zerolog.Logger) *Requeuer {
	return &Requeuer{
		store: store, log: log, note: statefile.Note{Path: filepath.Join(dir, note)}, ids: map[uint64]struct{}{},
	}
}

// Pending reports whether an earlier run was ended within a requeue.
func (r *Requeuer) Pending() bool { return r.note.Exists() }

// Stays reports whether an interrupted requeue could not be ended.
func (r *Requeuer) Stays() bool { return r.note.Stays }

// Requeue is that of buffer.Queue.
func (r *Requeuer) Requeue(ctx context.Context, items []buffer.RequeueItem) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	items = slices.DeleteFunc(slices.Clone(items), func(item buffer.RequeueItem) bool {
		_, known := r.ids[item.ID]
		return known
	})
	if len(items) == 0 {
		return nil
	}
	if len(r.ids) == 0 {
		next := r.store.Next()
		r.store.Keep(next)
		if err := r.note.Write(next); err != nil {
			r.store.Keep(math.MaxUint64)
			return err
		}
	}
	err := r.store.Requeue(ctx, items)
	if err == nil {
		for i := range items {
			r.ids[items[i].ID] = struct{}{}
		}
		failpoint.Pass("retry.committed")
		if err = r.store.Failing("forget"); err != nil {
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
		r.store.Keep(math.MaxUint64)
	}
	return err
}

// Forget is buffer.Queue's ForgetRequeued.
func (r *Requeuer) Forget(ids []uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		delete(r.ids, id)
	}
	if len(r.ids) > 0 {
		return nil
	}
	r.store.Keep(math.MaxUint64)
	return r.note.Remove()
}

// Settle deletes the letters that an interrupted requeue has put into the queue. It runs at the
// start, before anything is stored. What goes wrong is logged, and tried again at the next start.
func (r *Requeuer) Settle(letters Letters) {
	from, found := r.note.Read()
	if !found {
		return
	}
	ids, err := r.lettersFrom(from)
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
		r.log.Error().Err(err).
			Msg("can't end an interrupted retry of dead letters: some of them may be in the queue too")
		return
	}
	r.log.Info().Int("letters", n).
		Msg("ended an interrupted retry of dead letters: what was in the queue already is no dead letter any more")
}

// lettersFrom returns the numbers of the letters that are in chunks from the sequence number on.
func (r *Requeuer) lettersFrom(from uint64) (letters []uint64, err error) {
	err = r.store.Headers(from, func(h *chunk.Header) {
		for i := range h.Parts {
			if h.Parts[i].Flags&chunk.PartRequeued != 0 {
				letters = append(letters, h.Parts[i].Conn)
			}
		}
	})
	return letters, err
}
