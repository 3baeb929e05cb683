package disk

import (
	"context"
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/admission"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// batch implements buffer.Batch.
type batch struct {
	// Batch is guarded by committer.mu while the committer has it.
	admission.Batch
	s *Queue
	// repeated is what Repeated returns.
	repeated buffer.Duplicates
}

// NewBatch implements Queue.
func (s *Queue) NewBatch(conn uint64) buffer.Batch { return s.newBatch(conn) }

func (s *Queue) newBatch(conn uint64) *batch {
	return &batch{s: s, Batch: admission.Batch{
		Batch: pack.Batch{Memory: &s.memory, Conn: s.connEpoch + conn}, Answer: make(chan error, 1),
	}}
}

// Commit hands the batch to the committer and waits for its answer.
func (b *batch) Commit(ctx context.Context) error {
	if b.TooLarge() {
		b.Reset()
		return fmt.Errorf("%w: %d bytes", buffer.ErrTooLarge, pack.MaxChunk)
	}
	if b.Empty() {
		b.repeated = buffer.Duplicates{}
		// Nothing of it is wanted: what is to be stored is stored.
		err := ctx.Err()
		if err == nil {
			b.Identify()
			b.s.resends.Stored(nil, 0, []*resend.Batch{&b.Resends})
		}
		b.Reset()
		return err
	}
	b.prepare()
	if err := b.s.commit.enter(&b.Batch); err != nil {
		b.Reset()
		return err
	}
	var err error
	select {
	case err = <-b.Answer:
	case <-ctx.Done():
		if b.s.commit.leave(&b.Batch) {
			err = ctx.Err()
		} else {
			// It is being written: the answer is near, and only it tells the truth.
			err = <-b.Answer
		}
	}
	if err != nil {
		b.s.resends.Withdrawn(&b.Resends)
		// What repeats it has to be stored now.
		b.s.commit.kick()
	}
	b.repeated = buffer.Duplicates{}
	for i := range b.Len() {
		if b.Resends.Duplicate(i) && err == nil {
			b.Repeat(&b.repeated, i)
		}
	}
	b.Reset()
	return err
}

// Repeated implements Batch.
func (b *batch) Repeated() buffer.Duplicates { return b.repeated }

// prepare works out what b takes of the limits and what its messages' ids are.
func (b *batch) prepare() {
	b.Prepare()
	s := b.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Len() {
		m, n := b.Message(i)
		if n == 0 {
			continue
		}
		b.Claim(&s.clusters[s.clusterNumber(m.Cluster)].quota, n)
		for _, name := range m.Outputs {
			b.Claim(&s.source(name).quota, n)
		}
	}
}

// Doubts implements Batch.
func (b *batch) Doubts() []uint64 {
	b.Identify()
	conns := b.s.resends.Doubts(&b.Resends)
	for i := range conns {
		conns[i] -= b.s.connEpoch
	}
	return conns
}

// MaxChunk implements buffer.Queue.
func (s *Queue) MaxChunk() int { return pack.MaxChunk }
