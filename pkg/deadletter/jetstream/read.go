package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

const (
	// scanLetters is how many letters are asked for at a time.
	scanLetters = 256
	// purgeStep is how many are deleted before that is told.
	purgeStep = 256
)

// Get implements deadletter.Store.
func (s *Store) Get(ctx context.Context, id uint64) (deadletter.Letter, error) {
	stream, err := s.o.JetStream.Stream(ctx, s.o.Stream)
	if err != nil {
		return deadletter.Letter{}, fmt.Errorf("ask for stream %s: %w", s.o.Stream, err)
	}
	m, err := stream.GetMsg(ctx, id)
	if isGone(err) {
		return deadletter.Letter{}, fmt.Errorf("%w: %d", deadletter.ErrNotFound, id)
	}
	if err != nil {
		return deadletter.Letter{}, fmt.Errorf("read dead letter %d: %w", id, err)
	}
	return decode(id, m.Data, true)
}

// scan calls yield for the letters from number from up to number to that fit, ascending, until it returns false.
// entries: with their entries. What is damaged is passed over, and counted.
func (s *Store) scan(
	ctx context.Context, filter *deadletter.Filter, from, to uint64, entries bool, yield func(*deadletter.Letter) bool,
) error {
	stream, err := s.o.JetStream.Stream(ctx, s.o.Stream)
	if err != nil {
		return fmt.Errorf("ask for stream %s: %w", s.o.Stream, err)
	}
	state := stream.CachedInfo().State
	from, to = max(from, state.FirstSeq), min(to, state.LastSeq)
	if state.Msgs == 0 || from > to {
		return nil
	}
	c, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from, InactiveThreshold: time.Minute,
		FilterSubjects: []string{s.filterSubject(filter)},
	})
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}
	for {
		got, err := c.FetchNoWait(scanLetters)
		if err != nil {
			return fmt.Errorf("read dead letters: %w", err)
		}
		n := 0
		for m := range got.Messages() {
			n++
			meta, err := m.Metadata()
			if err != nil {
				return fmt.Errorf("read dead letters: %w", err)
			}
			if meta.Sequence.Stream > to {
				return nil
			}
			if !filter.FitsID(meta.Sequence.Stream) {
				continue
			}
			l, err := decode(meta.Sequence.Stream, m.Data(), entries)
			if err != nil {
				s.o.Log.Warn().Err(err).Msg("a dead letter can't be read")
				continue
			}
			if filter.Fits(&l) && !yield(&l) {
				return nil
			}
		}
		if err := errors.Join(got.Error(), ctx.Err()); err != nil {
			return fmt.Errorf("read dead letters: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

// filterSubject returns which subjects the letters may have that fit.
func (s *Store) filterSubject(f *deadletter.Filter) string {
	part := func(name string, chosen bool) string {
		if !chosen {
			return "*"
		}
		return token(name)
	}
	return s.o.Prefix + "." + part(f.Output, f.Output != "" || f.NoOutput) + "." + part(f.Cluster, f.Cluster != "") +
		"." +
		part(f.Reason, f.Reason != "") + ".*"
}

// Page implements deadletter.Store.
func (s *Store) Page(
	ctx context.Context, filter deadletter.Filter, p deadletter.Page,
) (letters []deadletter.Letter, more bool, err error) {
	if err := s.open(); err != nil {
		return nil, false, err
	}
	if filter.Output != "" && filter.NoOutput {
		return nil, false, nil
	}
	size := 0
	full := func(l *deadletter.Letter) bool {
		letters = append(letters, *l)
		size += len(l.Entry)
		return len(letters) >= p.Limit || p.Bytes > 0 && size >= p.Bytes
	}
	if !p.Newest {
		err = s.scan(ctx, &filter, p.After+1, ^uint64(0), !p.Bare, func(l *deadletter.Letter) bool {
			more = full(l)
			return !more
		})
		return letters, more, err
	}
	until := ^uint64(0)
	if p.After > 0 {
		until = p.After - 1
	}
	err = s.scanBack(ctx, &filter, until, !p.Bare, func(l *deadletter.Letter) bool {
		more = full(l)
		return !more
	})
	return letters, more, err
}

// scanBack is scan from number to downwards.
func (s *Store) scanBack(
	ctx context.Context, filter *deadletter.Filter, to uint64, entries bool, yield func(*deadletter.Letter) bool,
) error {
	stream, err := s.o.JetStream.Stream(ctx, s.o.Stream)
	if err != nil {
		return fmt.Errorf("ask for stream %s: %w", s.o.Stream, err)
	}
	state := stream.CachedInfo().State
	to = min(to, state.LastSeq)
	for width := uint64(scanLetters); state.Msgs > 0 && to >= state.FirstSeq; {
		from := state.FirstSeq
		if to-state.FirstSeq >= width {
			from = to - width + 1
		}
		var some []deadletter.Letter
		if err := s.scan(ctx, filter, from, to, entries, func(l *deadletter.Letter) bool {
			some = append(some, *l)
			return true
		}); err != nil {
			return err
		}
		for _, l := range slices.Backward(some) {
			if !yield(&l) {
				return nil
			}
		}
		if len(some) < scanLetters/8 {
			// There are gaps, or few that fit.
			width *= 4
		}
		to = from - 1
	}
	return nil
}

// Count implements deadletter.Store.
func (s *Store) Count(ctx context.Context, filter deadletter.Filter) (counts deadletter.Counts, err error) {
	if err := s.open(); err != nil {
		return counts, err
	}
	if filter.Output != "" && filter.NoOutput {
		return counts, nil
	}
	err = s.scan(ctx, &filter, 0, ^uint64(0), false, func(l *deadletter.Letter) bool {
		counts.Add(l)
		return true
	})
	return counts, err
}

// Purge implements deadletter.Store.
func (s *Store) Purge(
	ctx context.Context, filter deadletter.Filter, progress func(deadletter.Count),
) (n deadletter.Count, err error) {
	upTo, release, err := s.Exclusive()
	if err != nil {
		return n, err
	}
	defer release()
	if filter.Bound(upTo); upTo == 0 || filter.Output != "" && filter.NoOutput {
		return n, nil
	}
	events := map[uint64]int64{}
	var ids []uint64
	from := uint64(0)
	for more := true; more; {
		more, ids = false, ids[:0]
		clear(events)
		if err := s.scan(ctx, &filter, from, upTo, false, func(l *deadletter.Letter) bool {
			ids = append(ids, l.ID)
			events[l.ID] = int64(l.Events)
			more = len(ids) >= purgeStep
			return !more
		}); err != nil {
			return n, err
		}
		for _, id := range ids {
			gone, err := s.remove(ctx, id)
			if err != nil {
				return n, err
			}
			if from = id + 1; gone > 0 {
				n.Letters, n.Events = n.Letters+1, n.Events+events[id]
				s.mu.Lock()
				s.stats.Purged += events[id]
				s.mu.Unlock()
			}
		}
		if len(ids) > 0 {
			progress(n)
		}
	}
	return n, s.refresh(ctx)
}
