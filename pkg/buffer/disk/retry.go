package disk

import (
	"context"
	"errors"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
)

// Requeue implements Queue.
func (s *Queue) Requeue(ctx context.Context, items []buffer.RequeueItem) error {
	return s.requeue.Requeue(ctx, items)
}

// ForgetRequeued implements Queue.
func (s *Queue) ForgetRequeued(ids []uint64) error { return s.requeue.Forget(ids) }

// requeuing is the queue as package requeue knows it.
type requeuing struct{ s *Queue }

// Next implements requeue.Store.
func (r requeuing) Next() uint64 {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.next
}

// Keep implements requeue.Store.
func (r requeuing) Keep(next uint64) { r.s.keepSegments(&r.s.keep.requeued, next) }

// Headers implements requeue.Store.
func (r requeuing) Headers(next uint64, see func(*chunk.Header)) error {
	return r.s.headersFrom(next, see)
}

// Failing implements requeue.Store.
func (r requeuing) Failing(op string) error { return r.s.failing(op) }

// Requeue implements requeue.Store.
func (r requeuing) Requeue(ctx context.Context, items []buffer.RequeueItem) error {
	b := r.s.newBatch(0)
	b.NonBlocking = true
	b.AddItems(items)
	return b.Commit(ctx)
}

// keepSegments has the segments with chunks from next on stay though nobody wants them any more. While a requeue's
// letters are not deleted, its chunks must be there: after a crash they say which letters these are. which is a field
// of Queue.keep.
func (s *Queue) keepSegments(which *uint64, next uint64) {
	s.mu.Lock()
	*which = next
	s.mu.Unlock()
	s.clean.kick()
}

// headersFrom calls see for the header of each chunk from the sequence number on that can be read. It is for the start,
// before anything is stored.
func (s *Queue) headersFrom(from uint64, see func(*chunk.Header)) error {
	var parts []chunk.Part
	for _, seg := range s.segs {
		if seg.end() <= from || seg.broken {
			continue
		}
		s.load(seg)
		for i := range seg.entries {
			e := &seg.entries[i]
			if seg.first+uint64(e.Seq) < from {
				continue
			}
			value, err := segment.ReadFrom(seg.file.File, seg.fresh)(e)
			if err == nil {
				var h chunk.Header
				if h, err = chunk.DecodeHeader(value, parts); err == nil {
					parts = h.Parts
					see(&h)
				}
			}
			if errors.Is(err, boltfile.ErrDamaged) {
				parts = nil
				// whoever is handed it will tell.
				continue
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}
