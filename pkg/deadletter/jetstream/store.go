// Package jetstream keeps dead letters in a stream of NATS JetStream, beside the queue on JetStream, for all processes
// that share that: each can list, show, send again and purge all of them.
//
// A letter's number is its message's in the stream. What letters are counted by stands in their subjects, so that the
// servers count them.
package jetstream

import (
	"context"
	"maps"
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
	// Stream is its name.
	Stream string
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
	// last is the number of the newest letter, as far as known.
	last uint64
	// tried counts Adds, for ids that nothing else makes.
	tried uint64
	// requeueing are letters that this process sends again.
	requeueing map[uint64]bool
}

// New returns a Store. Prepare must have succeeded before letters can be kept.
func New(o Options) *Store {
	return &Store{o: o, cfg: o.Config, requeueing: map[uint64]bool{}}
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
