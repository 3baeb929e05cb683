// Package memory keeps dead letters in memory, for tests.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Store is a deadletter.Store that ends with the process. The zero value is empty.
type Store struct {
	// working is one purge or requeue at a time.
	working sync.Mutex

	mu sync.Mutex
	// letters are ascending.
	letters []deadletter.Letter
	last    uint64
	cfg     deadletter.Config
	// stats is what is counted.
	stats deadletter.Stats
}

// Add implements deadletter.Store.
func (s *Store) Add(_ context.Context, letters []deadletter.Letter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range letters {
		l := letters[i]
		if s.known(&l) {
			continue
		}
		s.last = max(s.last+1, uint64(time.Now().UnixMicro()))
		l.ID, l.Entry = s.last, bytes.Clone(l.Entry)
		if l.Time.IsZero() {
			l.Time = time.Now()
		}
		s.letters = append(s.letters, l)
	}
	s.evict()
	return nil
}

func (s *Store) known(l *deadletter.Letter) bool {
	return l.EventID != "" && slices.ContainsFunc(s.letters, func(o deadletter.Letter) bool {
		return o.EventID == l.EventID && o.Output == l.Output && bytes.Equal(o.Entry, l.Entry)
	})
}

func (s *Store) evict() {
	size := int64(0)
	for i := range s.letters {
		size += int64(len(s.letters[i].Entry))
	}
	for len(s.letters) > 0 {
		l := &s.letters[0]
		old := s.cfg.MaxAge > 0 && time.Since(l.Time) > s.cfg.MaxAge
		if !old && (s.cfg.MaxSize <= 0 || size <= int64(s.cfg.MaxSize)) {
			return
		}
		size -= int64(len(l.Entry))
		s.stats.Evicted += int64(l.Events)
		s.letters = slices.Delete(s.letters, 0, 1)
	}
}

// Page implements deadletter.Store.
func (s *Store) Page(
	ctx context.Context, filter deadletter.Filter, p deadletter.Page,
) (found []deadletter.Letter, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.letters)
	if p.Newest {
		slices.Reverse(all)
	}
	size := 0
	for _, l := range all {
		behind := p.After == 0 || l.ID > p.After != p.Newest && l.ID != p.After
		if !behind || !filter.FitsID(l.ID) || !filter.Fits(&l) {
			continue
		}
		if p.Bare {
			l.Entry = nil
		}
		l.Entry = bytes.Clone(l.Entry)
		found = append(found, l)
		if size += len(l.Entry); len(found) >= p.Limit || p.Bytes > 0 && size >= p.Bytes {
			return found, true, ctx.Err()
		}
	}
	return found, false, ctx.Err()
}

// Get implements deadletter.Store.
func (s *Store) Get(ctx context.Context, id uint64) (deadletter.Letter, error) {
	found, _, err := s.Page(ctx, deadletter.Filter{IDs: []uint64{id}}, deadletter.Page{Limit: 1})
	if err == nil && len(found) == 0 {
		return deadletter.Letter{}, fmt.Errorf("%w: %d", deadletter.ErrNotFound, id)
	}
	if err != nil {
		return deadletter.Letter{}, err
	}
	return found[0], nil
}

// Count implements deadletter.Store.
func (s *Store) Count(_ context.Context, filter deadletter.Filter) (counts deadletter.Counts, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.letters {
		if l := &s.letters[i]; filter.FitsID(l.ID) && filter.Fits(l) {
			counts.Add(l)
		}
	}
	return counts, nil
}

// remove deletes the letters that gone chooses.
func (s *Store) remove(gone func(*deadletter.Letter) bool) (n deadletter.Count) {
	s.letters = slices.DeleteFunc(s.letters, func(l deadletter.Letter) bool {
		if !gone(&l) {
			return false
		}
		n.Letters, n.Events = n.Letters+1, n.Events+int64(l.Events)
		return true
	})
	return n
}

// Delete implements deadletter.Store.
func (s *Store) Delete(_ context.Context, ids ...uint64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.remove(func(l *deadletter.Letter) bool { return slices.Contains(ids, l.ID) })
	return int(n.Letters), nil
}

// Purge implements deadletter.Store.
func (s *Store) Purge(
	_ context.Context, filter deadletter.Filter, progress func(deadletter.Count),
) (n deadletter.Count, err error) {
	upTo, release, err := s.Exclusive()
	if err != nil {
		return n, err
	}
	defer release()
	if filter.Bound(upTo); upTo == 0 {
		return n, nil
	}
	s.mu.Lock()
	n = s.remove(func(l *deadletter.Letter) bool { return filter.FitsID(l.ID) && filter.Fits(l) })
	s.stats.Purged += n.Events
	s.mu.Unlock()
	progress(n)
	return n, nil
}

// Exclusive implements deadletter.Store.
func (s *Store) Exclusive() (upTo uint64, release func(), err error) {
	if !s.working.TryLock() {
		return 0, nil, deadletter.ErrBusy
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.letters); n > 0 {
		upTo = s.letters[n-1].ID
	}
	return upTo, s.working.Unlock, nil
}

// Requeue implements deadletter.Store.
func (s *Store) Requeue(_ context.Context, ids []uint64, put func() error) (n deadletter.Count, err error) {
	if err := put(); err != nil {
		return n, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n = s.remove(func(l *deadletter.Letter) bool { return slices.Contains(ids, l.ID) })
	s.stats.Retried += n.Events
	return n, nil
}

// SetLimits implements deadletter.Store.
func (s *Store) SetLimits(to deadletter.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg = to
	s.evict()
}

// Stats implements deadletter.Store.
func (s *Store) Stats() deadletter.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Events = map[deadletter.Key]int64{}
	for i := range s.letters {
		l := &s.letters[i]
		st.Letters++
		st.Bytes += int64(len(l.Entry))
		st.Events[deadletter.Key{Output: l.Output, Cluster: l.Cluster, Reason: l.Reason}] += int64(l.Events)
		if st.Oldest.IsZero() || l.Time.Before(st.Oldest) {
			st.Oldest = l.Time
		}
		if l.Time.After(st.Newest) {
			st.Newest = l.Time
		}
	}
	return st
}

var _ deadletter.Store = (*Store)(nil)
