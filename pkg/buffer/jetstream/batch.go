package jetstream

import (
	"context"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/collect"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

const (
	// keepEntries is how large memory for entries may be to be used again.
	keepEntries = 4 << 20
	// maxAdd is the most that one Add may have.
	maxAdd = 1 << 30
)

// batch implements buffer.Batch.
type batch struct {
	collect.Batch

	q        *Queue
	conn     uint64
	resends  resend.Batch
	repeated buffer.Duplicates
	// answered is when the last Commit returned.
	answered time.Time
}

// NewBatch implements buffer.Queue.
func (q *Queue) NewBatch(conn uint64) buffer.Batch { return q.newBatch(conn) }

func (q *Queue) newBatch(conn uint64) *batch {
	b := &batch{Batch: collect.Batch{Memory: &q.collected, MaxPayload: q.maxPayload}, q: q, conn: conn}
	b.resends.Of(conn)
	return b
}

// Reset implements buffer.Batch.
func (b *batch) Reset() {
	b.Batch.Reset()
	b.resends.Of(b.conn)
}

// Repeated implements buffer.Batch.
func (b *batch) Repeated() buffer.Duplicates { return b.repeated }

// Doubts implements buffer.Batch.
func (b *batch) Doubts() []uint64 {
	b.Identify(&b.resends)
	return b.q.resends.Doubts(&b.resends)
}

// Commit implements buffer.Batch.
func (b *batch) Commit(ctx context.Context) error {
	b.repeated = buffer.Duplicates{}
	defer func() {
		b.Reset()
		b.answered = time.Now()
	}()
	if b.Unread != nil {
		return b.Unread
	}
	q := b.q
	if err := q.enter(); err != nil {
		return err
	}
	b.Identify(&b.resends)
	q.resends.Enter(&b.resends)
	err := b.store(ctx)
	if err != nil {
		q.resends.Withdrawn(&b.resends)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting--
	q.changed.Wake()
	if err == nil {
		q.batches++
	}
	return err
}

// enter counts a batch that is being stored; Commit counts it out.
func (q *Queue) enter() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return buffer.ErrClosed
	}
	q.waiting++
	return nil
}
