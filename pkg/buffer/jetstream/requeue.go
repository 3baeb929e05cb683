package jetstream

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// noteRequeued begins the keys of notes of letters that are in the queue again, and not deleted yet.
const noteRequeued = "requeued."

// Requeue implements buffer.Queue. An event that is stored again goes under an id that is made of its letter's, so that
// whoever does it once more, after a crash, stores nothing a second time.
func (q *Queue) Requeue(ctx context.Context, items []buffer.RequeueItem) error {
	q.mu.Lock()
	closed := q.closed
	items = slices.DeleteFunc(slices.Clone(items), func(it buffer.RequeueItem) bool { return q.requeued[it.ID] != "" })
	q.mu.Unlock()
	if closed {
		return buffer.ErrClosed
	}
	s := &sealed{}
	for i := range items {
		q.sealItem(s, &items[i])
	}
	if len(s.messages) == 0 {
		return ctx.Err()
	}
	q.mu.Lock()
	short := q.short(s.need)
	q.mu.Unlock()
	if short != nil {
		return fmt.Errorf("%w: %s", buffer.ErrFull, short.Why)
	}
	if err := q.put(ctx, s, false); err != nil {
		return fmt.Errorf("store %d dead letters again: %w", len(items), err)
	}
	q.claim(ctx, s.messages)
	q.counted(s)
	var note []byte
	key := noteRequeued + subject.Token(q.name) + "." + strconv.FormatUint(items[0].ID, 36)
	q.mu.Lock()
	for i := range items {
		q.requeued[items[i].ID] = key
		note = binary.BigEndian.AppendUint64(note, items[i].ID)
	}
	q.mu.Unlock()
	if err := q.group.Put(ctx, key, note); err != nil {
		return fmt.Errorf("note that %d dead letters are in the queue again: %w", len(items), err)
	}
	return nil
}

func (q *Queue) sealItem(s *sealed, it *buffer.RequeueItem) {
	flags := byte(chunk.PartKeyed | chunk.PartNanos | chunk.PartRequeued)
	if !it.Routed {
		flags |= chunk.PartUnrouted
	}
	h := chunk.Header{
		Received: q.now().UnixNano(), Raw: len(it.Entries), Events: it.Part.Events, Cluster: it.Cluster, Tag: it.Tag,
		Source: it.Source, Parts: chunk.Kept([]event.Part{it.Part}, flags),
	}
	data := q.seal(&h, it.Entries)
	s.add(q.chunks(), it.Outputs, data, "d-"+strconv.FormatUint(it.ID, 36), origin{
		place: subject.Place{Cluster: it.Cluster}, counted: ledger.Returned,
		count: buffer.Count{Chunks: 1, Events: int64(it.Part.Events), Bytes: int64(len(data))},
	})
}

// ForgetRequeued implements buffer.Queue.
func (q *Queue) ForgetRequeued(ids []uint64) error {
	keys := map[string]bool{}
	q.mu.Lock()
	for _, id := range ids {
		if key := q.requeued[id]; key != "" {
			keys[key] = true
		}
		delete(q.requeued, id)
	}
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(q.ctx, requestWithin)
	defer cancel()
	for key := range keys {
		if err := q.group.Delete(ctx, key); err != nil {
			return fmt.Errorf("forget what was a dead letter: %w", err)
		}
	}
	return nil
}

// finishRequeues deletes the letters whose events are in the queue again, and whose process has died before it had
// deleted them.
func (q *Queue) finishRequeues(ctx context.Context) error {
	notes, err := q.group.List(ctx, noteRequeued)
	if err != nil {
		return fmt.Errorf("look for dead letters that are in the queue again: %w", err)
	}
	for key, note := range notes {
		var ids []uint64
		for ; len(note) >= 8; note = note[8:] {
			ids = append(ids, binary.BigEndian.Uint64(note))
		}
		if _, err := q.dead.Delete(ctx, ids...); err != nil {
			return fmt.Errorf("delete dead letters that are in the queue again: %w", err)
		}
		if err := q.group.Delete(ctx, key); err != nil {
			return fmt.Errorf("forget what was a dead letter: %w", err)
		}
	}
	return nil
}
