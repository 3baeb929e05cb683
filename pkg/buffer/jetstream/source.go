package jetstream

import (
	"context"
	"strconv"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/fair"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/acks"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/broadcast"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// quantum is what a cluster may take of an output before the next one's turn, in bytes.
	quantum = 1 << 20
	// maxSettled bounds how many chunks a source remembers as finished: the servers may hand them out once more where
	// their word that it is was lost.
	maxSettled = 1 << 14
	// idleAfter is how long nobody has asked for chunks before those that were fetched go to others.
	idleAfter = 4 * time.Second
)

// sourceName is of what waits for an output, or aside for a target of it.
type sourceName struct{ output, target string }

// source is what waits for an output or aside for a target. Guarded by Queue.mu.
type source struct {
	q     *Queue
	name  sourceName
	asked bool
	// partitions are by cluster.
	partitions map[string]*partition
	// ring is that of those with something ready.
	ring fair.Ring[*partition]
	// mine is all leases, by the number in the stream.
	mine map[uint64]*lease
	out  map[*event.Chunk]*lease
	// changed wakes when something is ready.
	changed broadcast.Signal
	// asks counts who has asked for a chunk, wanting how many do, and wanted is when touch last saw that somebody had,
	// with asksSeen.
	asks, asksSeen uint64
	wanting        int
	wanted         time.Time
	// begun is when somebody first asked, and warm says that all clusters have had time to come.
	begun   time.Time
	warm    bool
	settled settled
}

// settled remembers the last chunks that were finished, by their numbers in the stream.
type settled struct {
	known map[uint64]bool
	ring  []uint64
	next  int
}

func (s *settled) add(seq uint64) {
	if s.known == nil {
		s.known = map[uint64]bool{}
	}
	s.known[seq] = true
	if len(s.ring) < maxSettled {
		s.ring = append(s.ring, seq)
		return
	}
	delete(s.known, s.ring[s.next])
	s.ring[s.next] = seq
	s.next = (s.next + 1) % maxSettled
}

// source returns what waits under the name. q.mu is held.
func (q *Queue) source(n sourceName) *source {
	src := q.sources[n]
	if src == nil {
		src = &source{
			q: q, name: n, partitions: map[string]*partition{}, ring: fair.NewRing[*partition](quantum),
			mine: map[uint64]*lease{}, out: map[*event.Chunk]*lease{},
		}
		q.sources[n] = src
		q.book.Places(func(p subject.Place) {
			if (sourceName{p.Output, p.Target}) == n {
				src.partition(p.Cluster)
			}
		})
	}
	return src
}

// Source implements buffer.Queue.
func (q *Queue) Source(output string) buffer.Source { return q.Waiting(output, "") }

// Waiting implements buffer.Queue.
func (q *Queue) Waiting(output, target string) buffer.Source {
	q.mu.Lock()
	defer q.mu.Unlock()
	src := q.source(sourceName{output, target})
	src.asked = true
	return src
}

func (src *source) partition(cluster string) *partition {
	p := src.partitions[cluster]
	if p == nil {
		q := src.q
		place := subject.Place{Output: src.name.output, Target: src.name.target, Cluster: cluster}
		q.pulls++
		p = &partition{
			src: src, place: place, subject: subject.Of(q.chunks(), place),
			inbox: q.inboxes + strconv.FormatUint(q.pulls, 10),
		}
		p.turn.Value = p
		src.partitions[cluster] = p
		q.pullers[p.subject], q.pullers[p.inbox] = p, p
	}
	return p
}

// Next implements buffer.Source.
func (src *source) Next(ctx context.Context) (*event.Chunk, error) {
	q := src.q
	q.mu.Lock()
	defer q.mu.Unlock()
	src.wanting++
	defer func() { src.wanting-- }()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if q.closed {
			return nil, buffer.ErrClosed
		}
		if src.asks++; src.begun.IsZero() {
			src.begun = time.Now()
		}
		l := src.pick()
		if l == nil || l.p.readyBytes < lowWater {
			q.pull(src)
		}
		if l == nil {
			changed := src.changed.Next()
			q.mu.Unlock()
			select {
			case <-changed:
			case <-ctx.Done():
			}
			q.mu.Lock()
			continue
		}
		q.mu.Unlock()
		c, err := l.open()
		q.mu.Lock()
		switch {
		case err != nil:
			src.quarantine(l, err)
		case q.closed:
			q.acks.Send(l.reply, acks.Nak)
			return nil, buffer.ErrClosed
		default:
			l.chunk = c
			src.out[c] = l
			return c, nil
		}
	}
}

// pick takes the next lease out of what is ready, nil where nothing is. Nobody else has it then. q.mu is held.
func (src *source) pick() *lease {
	if !src.warm && src.cold() {
		return nil
	}
	for t := src.ring.Current(); t != nil; t = src.ring.Current() {
		p := t.Value
		if len(p.ready) == 0 || p.held {
			src.ring.Remove(t)
			continue
		}
		l := p.ready[0]
		p.ready[0], p.ready = nil, p.ready[1:]
		p.readyBytes -= l.size()
		p.opening++
		src.ring.Take(t, l.raw())
		return l
	}
	return nil
}

// warmFor is how long the first chunk waits for those of other clusters, so that these are not too late for their turn.
const warmFor = 2 * time.Second

// cold reports whether something of a cluster waits that the servers have not answered for yet. q.mu is held.
func (src *source) cold() bool {
	if time.Since(src.begun) < warmFor {
		for _, p := range src.partitions {
			if !p.answered && !p.held && src.q.book.Pending(p.place).Chunks > 0 {
				return true
			}
		}
	}
	src.warm = true
	return false
}

// take ends that c is handed out; nil: it isn't. q.mu is held.
func (src *source) take(c *event.Chunk) *lease {
	l := src.out[c]
	if l == nil {
		return nil
	}
	delete(src.out, c)
	l.p.opening--
	src.q.entries.Put(l.memory)
	l.memory, l.chunk = nil, nil
	*c = event.Chunk{}
	return l
}

// finish remembers that l, which was taken, is finished. q.mu is held.
func (src *source) finish(l *lease) {
	delete(src.mine, l.seq)
	src.settled.add(l.seq)
}

// Done implements buffer.Source.
func (src *source) Done(c *event.Chunk) {
	q := src.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := src.take(c); l != nil {
		q.count(l.p.place, ledger.Done, l.count)
		src.finish(l)
		q.ack(l)
	}
}

// Return implements buffer.Source.
func (src *source) Return(c *event.Chunk) {
	q := src.q
	q.mu.Lock()
	defer q.mu.Unlock()
	l := src.take(c)
	if l == nil {
		return
	}
	if q.closed {
		q.acks.Send(l.reply, acks.Nak)
		return
	}
	l.again = true
	l.p.insert(l)
	src.changed.Wake()
}

// KeepAlive implements buffer.Source. What is handed out is this process's until Close: see Queue.touch.
func (*source) KeepAlive(*event.Chunk) {}

// SetFreshShare implements buffer.Source, and does nothing: the servers hand out the oldest first, and a message can't
// be had out of turn without a lease.
func (*source) SetFreshShare(float64) {}

// Hold implements buffer.Source.
func (src *source) Hold(cluster string) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	p := src.partition(cluster)
	p.held = true
	src.ring.Remove(&p.turn)
}

// Release implements buffer.Source.
func (src *source) Release(cluster string) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	p := src.partition(cluster)
	if p.held = false; len(p.ready) > 0 {
		src.ring.Add(&p.turn)
	}
	src.changed.Wake()
}

// ReleaseEntries implements buffer.Source.
func (src *source) ReleaseEntries(c *event.Chunk) {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	if l := src.out[c]; l != nil {
		src.q.entries.Put(l.memory)
		l.memory, c.Entries = nil, nil
	}
}

// Pending implements buffer.Source.
func (src *source) Pending() buffer.Count {
	src.q.mu.Lock()
	defer src.q.mu.Unlock()
	return src.q.book.PendingOf(src.name.output, src.name.target)
}
