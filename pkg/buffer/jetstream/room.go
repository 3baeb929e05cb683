package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/account"
)

// pollFull is how often it is tried again where nobody here can tell that there is room.
const pollFull = time.Second

// reserve waits until there is room for all of n, as the policy says, and reserves it: see unreserve. It drops what is
// the oldest where it is to.
func (q *Queue) reserve(ctx context.Context, n account.Need) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.closed {
			return buffer.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		short := q.short(n)
		switch {
		case short == nil:
			q.book.Reserve(n)
			for i := range n {
				if !q.streamFull {
					q.roomy(n[i].Cluster)
				}
			}
			return nil
		case short.Policy == "reject":
			return fmt.Errorf("%w: %s", buffer.ErrFull, short.Why)
		case short.Policy == "drop_oldest":
			if victim, ok := q.book.Most(short.Drops); ok {
				q.mu.Unlock()
				dropped := q.dropOldest(ctx, victim)
				q.mu.Lock()
				if dropped {
					continue
				}
			}
		}
		if err := q.awaitRoom(ctx, short); err != nil {
			return err
		}
	}
}

// awaitRoom waits until something has changed. q.mu is held, but while it waits.
func (q *Queue) awaitRoom(ctx context.Context, short *account.Shortage) error {
	q.why[short.Cluster] = short.Why
	if short.Whole {
		q.whyFull = short.Why
	}
	changed := q.changed.Next()
	q.mu.Unlock()
	t := time.NewTimer(pollFull)
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
	}
	t.Stop()
	q.mu.Lock()
	if err := ctx.Err(); err != nil {
		q.roomy(short.Cluster)
		return err
	}
	return nil
}

// roomy notes that something of the cluster waits for room no more. q.mu is held.
func (q *Queue) roomy(cluster string) {
	delete(q.why, cluster)
	q.whyFull = ""
}

// unreserve gives back what was reserved and is counted now, or not stored. q.mu is held.
func (q *Queue) unreserve(s *sealed) {
	if s.reserved {
		s.reserved = false
		q.book.Unreserve(s.need)
		q.changed.Wake()
	}
}

// short returns why there is no room for n; nil: there is. q.mu is held.
func (q *Queue) short(n account.Need) *account.Shortage {
	return q.book.Short(n, &q.limits, q.maxSize())
}

// roomToWait returns an error where a target of the rests may not have more. What waits aside already may wait on. q.mu
// is held.
func (q *Queue) roomToWait(from sourceName, list []buffer.Settlement) error {
	if from.target != "" {
		return nil
	}
	total, targets := q.book.Aside()
	more := map[string]int64{}
	for i := range list {
		for j := range list[i].Rests {
			r := &list[i].Rests[j]
			if r.Target == "" {
				continue
			}
			used, n := more[r.Target], int64(len(r.Entries))
			used += q.book.PendingOf(cmp.Or(r.Output, from.output), r.Target).Bytes
			if buffer.WaitingRefuses(q.waitingLimit(), total, used, n, targets) {
				return &buffer.WaitingFullError{Output: from.output, Target: r.Target}
			}
			more[r.Target] += n
			total += n
		}
	}
	return nil
}
