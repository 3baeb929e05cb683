package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// Purge implements buffer.Queue.
func (q *Queue) Purge(output string) buffer.Count { return q.purge(sourceName{output: output}) }

// PurgeWaiting implements buffer.Queue.
func (q *Queue) PurgeWaiting(output, target string) buffer.Count {
	return q.purge(sourceName{output, target})
}

// purge forgets what waits under the name. What another process is about to hand out is told to it, and counted there.
func (q *Queue) purge(n sourceName) (gone buffer.Count) {
	q.mu.Lock()
	var places []subject.Place
	q.book.Places(func(p subject.Place) {
		if (sourceName{p.Output, p.Target}) == n {
			places = append(places, p)
		}
	})
	q.mu.Unlock()
	for _, place := range places {
		count, err := q.purgePlace(place)
		if err != nil {
			q.log.Error().Err(err).Str("output", n.output).Str("target", n.target).Str("cluster", place.Cluster).
				Msg("not all that waits could be purged: purge it again")
		}
		gone = ledger.Plus(gone, count, 1)
	}
	return gone
}

func (q *Queue) purgePlace(place subject.Place) (gone buffer.Count, err error) {
	of := subject.Of(q.chunks(), place)
	ctx, cancel := context.WithTimeout(q.ctx, requestWithin)
	defer cancel()
	stream, err := q.js.Stream(ctx, q.chunks())
	if err != nil {
		return gone, fmt.Errorf("purge %s: %w", of, err)
	}
	// What is finished here may count as handed out yet.
	elsewhere, upTo := -q.acks.Unconfirmed(of), stream.CachedInfo().State.LastSeq
	if c, err := stream.Consumer(ctx, durable(of)); err == nil {
		elsewhere += int64(c.CachedInfo().NumAckPending)
	} else if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return gone, fmt.Errorf("purge %s: %w", of, err)
	}
	// What was sent here before that answer must be here, so that it is not taken for what others have.
	if err := q.barrier(ctx); err != nil {
		return gone, fmt.Errorf("purge %s: %w", of, err)
	}
	q.mu.Lock()
	ready, held := q.forgetReady(place, upTo)
	before := q.book.Pending(place)
	q.mu.Unlock()
	if err = stream.Purge(ctx, jetstream.WithPurgeSubject(of), jetstream.WithPurgeSequence(upTo+1)); err != nil {
		return ready, fmt.Errorf("purge %s: %w", of, err)
	}
	q.Tell(topicPurged, []byte(strconv.FormatUint(upTo, 10)+" "+of))
	q.mu.Lock()
	defer q.mu.Unlock()
	elsewhere = max(0, elsewhere-ready.Chunks-held.Chunks)
	rest := ledger.Plus(before, held, -1)
	if rest.Chunks > 0 && elsewhere > 0 {
		share := min(elsewhere, rest.Chunks)
		rest = buffer.Count{
			Chunks: rest.Chunks - share, Events: rest.Events - rest.Events*share/rest.Chunks,
			Bytes: rest.Bytes - rest.Bytes*share/rest.Chunks,
		}
	}
	if rest.Chunks > 0 {
		q.count(place, ledger.Purged, rest)
		gone = rest
	}
	return ledger.Plus(gone, ready, 1), nil
}

// topicPurged is what a process tells that has purged a subject.
const topicPurged = "purged"

// purged forgets what was fetched of a subject that somebody has purged.
func (q *Queue) purged(told []byte) {
	number, of, _ := strings.Cut(string(told), " ")
	upTo, err := strconv.ParseUint(number, 10, 64)
	place, ok := subject.Parse(q.chunks(), of)
	if err != nil || !ok {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forgetReady(place, upTo)
}

// forgetReady counts what was fetched from a place, up to the number, as purged, and returns how much that was, and
// what is handed out. What is handed out is left to its holder. q.mu is held.
func (q *Queue) forgetReady(place subject.Place, upTo uint64) (ready, held buffer.Count) {
	src := q.sources[sourceName{place.Output, place.Target}]
	if src == nil || src.partitions[place.Cluster] == nil {
		return ready, held
	}
	p := src.partitions[place.Cluster]
	p.purged = max(p.purged, upTo)
	var left []*lease
	for _, l := range p.ready {
		if l.seq > upTo {
			left = append(left, l)
			continue
		}
		l.count.Events = eventsOf(l.data)
		ready = ledger.Plus(ready, l.count, 1)
		delete(src.mine, l.seq)
		p.readyBytes -= l.size()
		q.ack(l)
	}
	p.ready = left
	q.count(place, ledger.Purged, ready)
	for _, l := range src.out {
		if l.p == p {
			held = ledger.Plus(held, l.count, 1)
		}
	}
	return ready, held
}

// forgetLate counts as purged what comes after that. q.mu is held.
func (q *Queue) forgetLate(l *lease) {
	l.count.Events = eventsOf(l.data)
	q.count(l.p.place, ledger.Purged, l.count)
	q.ack(l)
}

// barrierMark begins what comes to the inbox of barriers.
const barrierMark = "barrier."

// barrier returns once all has been taken in that servers had sent to the inbox when it was called.
func (q *Queue) barrier(ctx context.Context) error {
	token := strconv.FormatUint(q.numbers.Add(1), 36)
	done := make(chan struct{})
	q.mu.Lock()
	q.barriers[token] = done
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		delete(q.barriers, token)
		q.mu.Unlock()
	}()
	if err := q.nc().Publish(q.inboxes+barrierMark+token, nil); err != nil {
		return fmt.Errorf("reach the servers: %w", err)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// passed ends a barrier.
func (q *Queue) passed(token string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if done := q.barriers[token]; done != nil {
		close(done)
		delete(q.barriers, token)
	}
}
