package jetstream

import (
	"context"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// Self implements buffer.Group.
func (q *Queue) Self() string { return q.name }

// Share implements buffer.Group.
func (q *Queue) Share(state []byte) { q.group.Share(state) }

// Peers implements buffer.Group.
func (q *Queue) Peers() []buffer.Peer { return q.group.Peers() }

// Ask implements buffer.Group.
func (q *Queue) Ask(ctx context.Context, request []byte) []buffer.Answer {
	return q.group.Ask(ctx, request)
}

// Answer implements buffer.Group.
func (q *Queue) Answer(f func(request []byte) []byte) { q.group.Answer(f) }

// Tell implements buffer.Group.
func (q *Queue) Tell(topic string, data []byte) { q.group.Tell(topic, data) }

// Listen implements buffer.Group.
func (q *Queue) Listen(topic string, f func(data []byte)) (stop func(), err error) {
	return q.group.Listen(topic, f)
}

// Own implements buffer.Group.
func (q *Queue) Own() []buffer.Wait {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.book.OwnWaits()
}

// Audit implements buffer.Group.
func (q *Queue) Audit() buffer.Audit {
	corrections, found := q.group.Corrections()
	q.mu.Lock()
	defer q.mu.Unlock()
	return buffer.Audit{Corrections: corrections, Found: found, Agrees: q.agrees}
}
