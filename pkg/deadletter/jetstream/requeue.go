package jetstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Exclusive implements deadletter.Store, for all processes that share the letters.
func (s *Store) Exclusive() (upTo uint64, release func(), err error) {
	if !s.working.TryLock() {
		return 0, nil, deadletter.ErrBusy
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestWithin)
	defer cancel()
	unlock, err := s.o.Notes.Lock(ctx, "dead")
	if err == nil {
		err = s.refresh(ctx)
		if err != nil {
			unlock()
		}
	}
	if err != nil {
		s.working.Unlock()
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, func() {
		unlock()
		s.working.Unlock()
	}, nil
}

// Requeue implements deadletter.Store.
func (s *Store) Requeue(ctx context.Context, ids []uint64, put func() error) (n deadletter.Count, err error) {
	if len(ids) == 0 {
		return n, put()
	}
	var letters []deadletter.Letter
	for _, id := range ids {
		l, err := s.Get(ctx, id)
		if errors.Is(err, deadletter.ErrNotFound) {
			continue
		}
		if err != nil {
			return n, err
		}
		letters = append(letters, l)
	}
	key := notePrefix + strconv.FormatUint(ids[0], 36)
	if err := s.o.Notes.Put(ctx, key, noteOf(ids)); err != nil {
		return n, fmt.Errorf("note that %d dead letters are being sent again: %w", len(ids), err)
	}
	s.mark(ids, true)
	defer s.mark(ids, false)
	defer func() {
		if gone := s.o.Notes.Delete(ctx, key); gone != nil && err == nil {
			s.o.Log.Debug().Err(gone).Msg("a note of dead letters that were sent again stays")
		}
	}()
	if err := put(); err != nil {
		return n, err
	}
	for i := range letters {
		gone, err := s.remove(ctx, letters[i].ID)
		if err != nil {
			return n, err
		}
		if gone > 0 {
			n.Letters, n.Events = n.Letters+1, n.Events+int64(letters[i].Events)
		}
	}
	s.mu.Lock()
	s.stats.Retried += n.Events
	s.mu.Unlock()
	// The keeper counts later, where that does not work now.
	_ = s.refresh(ctx)
	return n, nil
}

func (s *Store) mark(ids []uint64, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if busy {
			s.requeueing[id] = true
		} else {
			delete(s.requeueing, id)
		}
	}
}

func noteOf(ids []uint64) (b []byte) {
	for _, id := range ids {
		b = binary.BigEndian.AppendUint64(b, id)
	}
	return b
}

func idsOf(note []byte) (ids []uint64) {
	for ; len(note) >= 8; note = note[8:] {
		ids = append(ids, binary.BigEndian.Uint64(note))
	}
	return ids
}
