package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

func (s *Store) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: s.o.Stream, Description: "dead letters of aggregator", Subjects: []string{s.o.Prefix + ".>"},
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxBytes: -1, MaxMsgs: -1,
		MaxMsgsPerSubject: -1, MaxConsumers: -1, Storage: jetstream.FileStorage, Replicas: s.o.Replicas,
		Duplicates: window, AllowDirect: true,
		// A stream that is made anew uses no number twice.
		FirstSeq: uint64(s.o.Now().UnixMicro()),
	}
}

// Prepare makes the stream where it is missing, and asks what it has.
func (s *Store) Prepare(ctx context.Context) error {
	want := s.streamConfig()
	found, err := s.o.JetStream.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		found, err = s.o.JetStream.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			found, err = s.o.JetStream.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return fmt.Errorf("make stream %s: %w", want.Name, err)
	}
	got := found.CachedInfo().Config
	if got.Retention != want.Retention || got.Discard != want.Discard || !slices.Equal(got.Subjects, want.Subjects) ||
		got.MaxAge != 0 || got.MaxMsgs > 0 || got.MaxMsgsPerSubject > 0 {
		return fmt.Errorf("stream %s was made with other settings than the dead letters need (retention %v, "+
			"discard %v, "+
			"subjects %v): delete it if nobody needs it", want.Name, got.Retention, got.Discard, got.Subjects)
	}
	return s.refresh(ctx)
}

// Keep is to be called now and then: it looks what others have done, and lets what is over the limits go.
func (s *Store) Keep(ctx context.Context) {
	err := s.refresh(ctx)
	if err == nil {
		err = s.evict(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.o.Log.Debug().Err(err).Msg("the dead letters' stream does not answer: it is asked again")
	}
}

// refresh asks the servers what there is.
func (s *Store) refresh(ctx context.Context) error {
	stream, err := s.o.JetStream.Stream(ctx, s.o.Stream)
	if err != nil {
		return fmt.Errorf("ask for stream %s: %w", s.o.Stream, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(s.o.Prefix+".>"))
	if err != nil {
		return fmt.Errorf("ask what stream %s has: %w", s.o.Stream, err)
	}
	events := map[deadletter.Key]int64{}
	letters := int64(0)
	for subject, n := range info.State.Subjects {
		if k, each, ok := s.parse(subject); ok {
			events[k] += int64(n) * each
			letters += int64(n)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Events, s.stats.Letters, s.stats.Bytes = events, letters, int64(info.State.Bytes)
	s.stats.Oldest, s.stats.Newest, s.last = info.State.FirstTime, info.State.LastTime, info.State.LastSeq
	if letters == 0 {
		s.stats.Oldest, s.stats.Newest, s.last = time.Time{}, time.Time{}, 0
	}
	return nil
}

// evict deletes the oldest letters while they are over the limits.
func (s *Store) evict(ctx context.Context) error {
	for {
		s.mu.Lock()
		st, cfg := s.stats, s.cfg
		s.mu.Unlock()
		old := cfg.MaxAge > 0 && !st.Oldest.IsZero() && s.o.Now().Sub(st.Oldest) > cfg.MaxAge
		if st.Letters == 0 || !old && (cfg.MaxSize <= 0 || st.Bytes <= int64(cfg.MaxSize)) {
			return nil
		}
		gone, err := s.deleteFirst(ctx)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.stats.Evicted += gone
		s.mu.Unlock()
		if err := s.refresh(ctx); err != nil {
			return err
		}
	}
}

// deleteFirst deletes the oldest letter and returns how many events it had.
func (s *Store) deleteFirst(ctx context.Context) (events int64, err error) {
	stream, err := s.o.JetStream.Stream(ctx, s.o.Stream)
	if err != nil {
		return 0, fmt.Errorf("ask for stream %s: %w", s.o.Stream, err)
	}
	first, err := stream.GetMsg(ctx, stream.CachedInfo().State.FirstSeq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the oldest dead letter: %w", err)
	}
	_, events, _ = s.parse(first.Subject)
	if err := stream.DeleteMsg(ctx, first.Sequence); err != nil {
		if isGone(err) {
			return 0, nil
		}
		return 0, fmt.Errorf("delete the oldest dead letter: %w", err)
	}
	return events, nil
}

// isGone reports whether err says that there is no such message.
func isGone(err error) bool {
	return errors.Is(err, jetstream.ErrMsgNotFound) ||
		// The client keeps only the words of the server's answer.
		errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) && strings.Contains(err.Error(), "no message found")
}

// Delete implements deadletter.Store.
func (s *Store) Delete(ctx context.Context, ids ...uint64) (int, error) {
	// The keeper counts later, where that does not work now.
	defer func() { _ = s.refresh(ctx) }()
	return s.remove(ctx, ids...)
}

// remove deletes letters and returns how many there were.
func (s *Store) remove(ctx context.Context, ids ...uint64) (n int, err error) {
	stream, err := s.o.JetStream.Stream(ctx, s.o.Stream)
	if err != nil {
		return 0, fmt.Errorf("ask for stream %s: %w", s.o.Stream, err)
	}
	for _, id := range ids {
		err := stream.DeleteMsg(ctx, id)
		if isGone(err) {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("delete dead letter %d: %w", id, err)
		}
		n++
	}
	return n, nil
}
