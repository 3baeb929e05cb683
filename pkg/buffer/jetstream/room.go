package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// pollFull is how often it is tried again where nobody here can tell that there is room.
const pollFull = time.Second

// need is how many bytes are to be stored, by place.
type need map[subject.Place]int64

// total returns the bytes, and those of a cluster.
func (n need) total(cluster string) (all, of int64) {
	for p, bytes := range n {
		if all += bytes; p.Cluster == cluster {
			of += bytes
		}
	}
	return all, of
}

// shortage is why something has no room.
type shortage struct {
	why string
	// cluster is whose batches wait.
	cluster string
	// policy is what is done about it.
	policy string
	// whole says that it is the whole queue that is full.
	whole bool
	drops func(subject.Place) bool // what may be dropped to make room
}

// reserve waits until there is room for all of n, as the policy says, and reserves it: see unreserve. It drops what is
// the oldest where it is to.
func (q *Queue) reserve(ctx context.Context, n need) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.state.closed {
			return buffer.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		short := q.short(n)
		switch {
		case short == nil:
			for p, bytes := range n {
				q.flight[p] += bytes
				q.usage.add(p, bytes)
				if !q.streamFull {
					q.roomy(p.Cluster)
				}
			}
			return nil
		case short.policy == "reject":
			return fmt.Errorf("%w: %s", buffer.ErrFull, short.why)
		case short.policy == "drop_oldest":
			if victim, ok := q.victim(short.drops); ok {
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
func (q *Queue) awaitRoom(ctx context.Context, short *shortage) error {
	q.why[short.cluster] = short.why
	if short.whole {
		q.whyFull = short.why
	}
	changed := q.changed
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
		q.roomy(short.cluster)
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
func (q *Queue) unreserve(n need) {
	for p, bytes := range n {
		if q.flight[p] -= bytes; q.flight[p] == 0 {
			delete(q.flight, p)
		}
		q.usage.add(p, -bytes)
	}
	q.wakeAll()
}

// short returns why there is no room for n; nil: there is. q.mu is held.
func (q *Queue) short(n need) *shortage {
	for p := range n {
		all, of := n.total(p.Cluster)
		policy := cmp.Or(q.limits.ClusterWhenFull[p.Cluster], q.limits.WhenFull)
		if most := q.maxSize(); q.usage.total > 0 && q.usage.total+all > most {
			return &shortage{
				fmt.Sprintf("%s wait, and buffer.max_size is %s", humanize.Bytes(float64(q.usage.total)),
					humanize.Bytes(float64(most))),
				p.Cluster, policy, true, func(subject.Place) bool { return true },
			}
		}
		used, limit := q.usage.clusters[p.Cluster], q.limits.Clusters[p.Cluster]
		if limit > 0 && used > 0 && used+of > limit {
			return &shortage{
				fmt.Sprintf("cluster %s's max_queue_size is %s", p.Cluster, humanize.Bytes(float64(limit))),
				p.Cluster, policy, false, func(o subject.Place) bool { return o.Cluster == p.Cluster },
			}
		}
		used, limit = q.usage.outputs[p.Output], q.limits.Outputs[p.Output]
		if p.Target == "" && limit > 0 && used > 0 && used+n[p] > limit {
			return &shortage{
				fmt.Sprintf("output %s's max_queue_size is %s", p.Output, humanize.Bytes(float64(limit))),
				p.Cluster, policy, false, func(o subject.Place) bool { return o.Output == p.Output && o.Target == "" },
			}
		}
	}
	return nil
}

// victim returns the place that has the most of what may be dropped. q.mu is held.
func (q *Queue) victim(may func(subject.Place) bool) (most subject.Place, ok bool) {
	bytes := int64(0)
	q.places(func(p subject.Place) {
		if n := q.pending(p).Bytes; may(p) && n > bytes {
			most, bytes, ok = p, n, true
		}
	})
	return most, ok
}

// roomToWait returns an error where a target of the rests may not have more. What waits aside already may wait on. q.mu
// is held.
func (q *Queue) roomToWait(from sourceName, list []buffer.Settlement) error {
	if from.target != "" {
		return nil
	}
	total, targets := q.aside()
	more := map[string]int64{}
	for i := range list {
		for j := range list[i].Rests {
			r := &list[i].Rests[j]
			if r.Target == "" {
				continue
			}
			used, n := more[r.Target], int64(len(r.Entries))
			used += q.pendingOf(sourceName{cmp.Or(r.Output, from.output), r.Target}).Bytes
			if buffer.WaitingRefuses(q.waitingLimit(), total, used, n, targets) {
				return &buffer.WaitingFullError{Output: from.output, Target: r.Target}
			}
			more[r.Target] += n
			total += n
		}
	}
	return nil
}
