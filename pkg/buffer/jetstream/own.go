package jetstream

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
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
func (q *Queue) Own() (waits []buffer.Wait) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p, c := range q.own {
		waits = append(waits, buffer.Wait{
			Output: p.Output, Target: p.Target, Cluster: p.Cluster, Appended: c[ledger.Appended],
			Returned: c[ledger.Returned], Rest: c[ledger.Rest], Adopted: c[ledger.Adopted], Done: c[ledger.Done],
			Moved: c[ledger.Moved], Dropped: c[ledger.Dropped], Purged: c[ledger.Purged],
			Lost: c[ledger.Lost], Given: c[ledger.Given],
		})
	}
	slices.SortFunc(waits, func(a, b buffer.Wait) int {
		return cmp.Or(strings.Compare(a.Output, b.Output), strings.Compare(a.Target, b.Target),
			strings.Compare(a.Cluster, b.Cluster))
	})
	return waits
}
