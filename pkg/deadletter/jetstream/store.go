// Package jetstream keeps dead letters in a stream of NATS JetStream, beside the queue on JetStream, for all processes
// that share that: each can list, show, send again and purge all of them.
//
// A letter's number is its message's in the stream. What letters are counted by stands in their subjects, so that the
// servers count them.
package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Notes is where processes leave each other notes. It is safe for concurrent use.
type Notes interface {
	// Lock keeps others from what has the name until release is called or this process is gone. deadletter.ErrBusy:
	// somebody has it.
	Lock(ctx context.Context, name string) (release func(), err error)
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
	// List returns the notes whose keys begin with the prefix, which ends with a dot.
	List(ctx context.Context, prefix string) (map[string][]byte, error)
}

// Options is what a Store needs.
type Options struct {
	Conn      *nats.Conn
	JetStream jetstream.JetStream
	Stream    string // its name
	// Prefix is that of its subjects.
	Prefix   string
	Replicas int
	Config   deadletter.Config
	Notes    Notes
	Log      zerolog.Logger
	// Now is the clock.
	Now func() time.Time
}

const (
	// requestWithin is how long a server may take to answer.
	requestWithin = 5 * time.Second
	// window is how long the stream remembers which events are letters.
	window = 10 * time.Minute
	// notePrefix begins the keys of notes of letters that are being sent again.
	notePrefix = "requeueing."
)

// ErrFull is returned where the stream takes no more letters.
var ErrFull = errors.New("the stream of dead letters takes no more")

// Store implements deadletter.Store.
type Store struct {
	o Options
	// working is one purge or requeue of this process at a time.
	working sync.Mutex

	mu     sync.Mutex
	closed bool
	cfg    deadletter.Config
	// stats is what is counted, and what the servers said last.
	stats deadletter.Stats
	last  uint64 // number of the newest letter, as far as known
	tried uint64 // Adds, for ids that nothing else makes
	// requeueing are letters that this process sends again.
	requeueing map[uint64]bool
}

// New returns a Store. Prepare must have succeeded before letters can be kept.
func New(o Options) *Store {
	return &Store{o: o, cfg: o.Config, requeueing: map[uint64]bool{}}
}

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

// Close ends the store. The connection is the caller's.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *Store) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return deadletter.ErrClosed
	}
	return nil
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

// Add implements deadletter.Store. It waits for the servers as long as ctx lets it.
func (s *Store) Add(ctx context.Context, letters []deadletter.Letter) error {
	if err := s.open(); err != nil {
		return err
	}
	if len(letters) == 0 {
		return nil
	}
	over := int(s.o.Conn.MaxPayload()) / 4
	for i := range letters {
		l := letters[i]
		if l.Time.IsZero() {
			l.Time = s.o.Now()
		}
		for _, part := range s.split(&l) {
			if err := s.add(ctx, &part, over); err != nil {
				return fmt.Errorf("keep a dead letter: %w", err)
			}
		}
	}
	if err := s.refresh(ctx); err != nil {
		// They are stored. The keeper counts them later.
		return nil //nolint:nilerr // as the comment says
	}
	// What is over the limits goes later, where that does not work now.
	_ = s.evict(ctx)
	return nil
}

// split cuts a letter whose bytes are no events, and more than a message takes, into several.
func (s *Store) split(l *deadletter.Letter) []deadletter.Letter {
	most := int(s.o.Conn.MaxPayload()) - 64<<10
	if most < 1<<10 || len(l.Entry) <= most || len(encode(l, 0)) <= most {
		return []deadletter.Letter{*l}
	}
	var all []deadletter.Letter
	for n, rest := 1, l.Entry; len(rest) > 0; n++ {
		part := *l
		part.Entry = rest[:min(most, len(rest))]
		rest = rest[len(part.Entry):]
		if n > 1 {
			part.Events = 0
		}
		part.Detail = "piece " + strconv.Itoa(n) + " of what was too large for one dead letter. " + l.Detail
		part.EventID = ""
		all = append(all, part)
	}
	return all
}

// add stores one letter, unless its event is one already.
func (s *Store) add(ctx context.Context, l *deadletter.Letter, packOver int) error {
	m := &nats.Msg{Subject: s.subjectOf(l), Data: encode(l, packOver)}
	var id string
	if l.EventID != "" {
		h := sha256.New()
		for _, part := range []string{l.Output, l.EventID} {
			_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) // never fails
			_, _ = h.Write([]byte(part))                                          // never fails
		}
		_, _ = h.Write(l.Entry) // never fails
		id = "l-" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
	} else {
		id = s.freshID()
	}
	for {
		known, err := s.publish(ctx, m, id)
		if err != nil {
			return err
		}
		if known == 0 {
			return nil
		}
		there, err := s.keeps(ctx, known)
		if err != nil {
			return err
		}
		if there {
			return nil
		}
		// It was deleted since, or is being sent again: this is another one.
		id = s.freshID()
	}
}

// freshID returns an id that nothing else has.
func (s *Store) freshID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried++
	return "l-" + s.o.Conn.NewInbox() + strconv.FormatUint(s.tried, 36)
}

// publish stores a message, and returns the number of the one that had its id before; 0: none had.
func (s *Store) publish(ctx context.Context, m *nats.Msg, id string) (known uint64, err error) {
	for try := 0; ; try++ {
		attempt, cancel := context.WithTimeout(ctx, requestWithin)
		ack, err := s.o.JetStream.PublishMsg(attempt, m, jetstream.WithMsgID(id),
			jetstream.WithExpectStream(s.o.Stream))
		cancel()
		var api *jetstream.APIError
		switch {
		case err == nil && ack.Duplicate && try == 0:
			return ack.Sequence, nil
		case err == nil:
			return 0, nil
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case s.open() != nil:
			return 0, deadletter.ErrClosed
		case errors.Is(err, nats.ErrMaxPayload):
			return 0, fmt.Errorf("%d bytes are more than the servers' max_payload: %w", len(m.Data), err)
		case errors.As(err, &api) && api.Code == 503:
			return 0, fmt.Errorf("%w: %w", ErrFull, err)
		}
		t := time.NewTimer(time.Second)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// keeps reports whether the letter of that number is there and stays.
func (s *Store) keeps(ctx context.Context, id uint64) (bool, error) {
	s.mu.Lock()
	busy := s.requeueing[id]
	s.mu.Unlock()
	if busy {
		return false, nil
	}
	stream, err := s.o.JetStream.Stream(ctx, s.o.Stream)
	if err == nil {
		_, err = stream.GetMsg(ctx, id)
	}
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for dead letter %d: %w", id, err)
	}
	notes, err := s.o.Notes.List(ctx, notePrefix)
	if err != nil {
		return false, fmt.Errorf("look whether dead letter %d is being sent again: %w", id, err)
	}
	for _, note := range notes {
		if slices.Contains(idsOf(note), id) {
			return false, nil
		}
	}
	return true, nil
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

// SetLimits implements deadletter.Store. What is over them goes with the next look at the stream.
func (s *Store) SetLimits(to deadletter.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg = to
}

// Stats implements deadletter.Store.
func (s *Store) Stats() deadletter.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Events = maps.Clone(st.Events)
	return st
}

var _ deadletter.Store = (*Store)(nil)
