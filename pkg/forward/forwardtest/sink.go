// Package forwardtest has what tests of the Forward protocol need: a scripted agent, messages made of Go values, and a
// Sink that remembers what it was given.
package forwardtest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// Message is what a Sink was given of one message.
type Message struct {
	Conn     uint64
	Cluster  string
	Tag      string
	Chunk    string
	Entries  []byte
	Events   int
	Nanos    bool
	Rejected []Rejected
	// Dropped is by rule.
	Dropped map[string]int
}

// Rejected is one call of Batch.Reject.
type Rejected struct {
	Raw    []byte
	Events int
	Reason string
}

// Settled is one call of Sink.Settle.
type Settled struct {
	Conn     uint64
	Commits  int
	Received bool
}

// Sink is a forward.Sink in memory.
type Sink struct {
	// OnCommit, if set, is called by Commit, which returns its error.
	OnCommit func(ctx context.Context) error
	// OnDoubts, if set, is Batch.Doubts.
	OnDoubts func() []uint64
	// Discard forgets what is committed.
	Discard bool

	mu       sync.Mutex
	messages []Message
	settled  []Settled
	gone     []uint64
	commits  int
}

// NewBatch implements forward.Sink.
func (s *Sink) NewBatch(conn uint64) ingest.Batch { return &batch{sink: s, conn: conn} }

// Settle implements forward.Sink.
func (s *Sink) Settle(conn uint64, commits int, received bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = append(s.settled, Settled{Conn: conn, Commits: commits, Received: received})
}

// Gone implements forward.Sink.
func (s *Sink) Gone(conn uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = append(s.gone, conn)
}

// TakeGone returns the connections that Gone has told of since the last call.
func (s *Sink) TakeGone() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := s.gone
	s.gone = nil
	return gone
}

// Messages returns what was committed so far, in order.
func (s *Sink) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Forget forgets the messages.
func (s *Sink) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

// Settled returns the calls of Settle so far, in order.
func (s *Sink) Settled() []Settled {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.settled)
}

// Commits returns how many batches were committed.
func (s *Sink) Commits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits
}

type batch struct {
	sink     *Sink
	conn     uint64
	messages []Message
	size     int
}

func (b *batch) From(string, string) {}

func (b *batch) Doubts() []uint64 {
	if b.sink.OnDoubts == nil {
		return nil
	}
	return b.sink.OnDoubts()
}

func (b *batch) Begin(cluster, tag, chunk string) {
	b.messages = append(b.messages, Message{Conn: b.conn, Cluster: cluster, Tag: tag, Chunk: chunk})
}

func (b *batch) current() *Message { return &b.messages[len(b.messages)-1] }

func (b *batch) Add(entries []byte, events int, nanos bool) {
	b.size += len(entries)
	m := b.current()
	m.Events += events
	m.Nanos = m.Nanos || nanos
	if !b.sink.Discard {
		m.Entries = append(m.Entries, entries...)
	}
}

func (b *batch) Reject(raw []byte, events int, reason string) {
	b.size += len(raw)
	m := b.current()
	m.Rejected = append(m.Rejected, Rejected{Raw: bytes.Clone(raw), Events: events, Reason: reason})
}

func (b *batch) Drop(events int, rule string) {
	m := b.current()
	m.Dropped = maps.Clone(m.Dropped)
	if m.Dropped == nil {
		m.Dropped = map[string]int{}
	}
	m.Dropped[rule] += events
}

func (b *batch) Abandon() { b.messages = b.messages[:len(b.messages)-1] }

func (b *batch) Size() int { return b.size }

func (b *batch) Commit(ctx context.Context) error {
	if b.sink.OnCommit != nil {
		if err := b.sink.OnCommit(ctx); err != nil {
			return err
		}
	}
	b.sink.mu.Lock()
	defer b.sink.mu.Unlock()
	b.sink.commits++
	if !b.sink.Discard {
		b.sink.messages = append(b.sink.messages, b.messages...)
	}
	b.Reset()
	return nil
}

func (b *batch) Reset() {
	clear(b.messages)
	b.messages, b.size = b.messages[:0], 0
}
