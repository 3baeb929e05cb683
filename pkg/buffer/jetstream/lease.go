package jetstream

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/fair"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/acks"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// ackMark begins what comes to the inbox of acks.
const ackMark = "ack."

// ackWait is how long the servers wait for word of a message that they have handed out before others get it: so long it
// takes after a process has died. Word is sent once the last is a third of that old, which is looked at an eighth of
// it: most chunks are finished sooner, and cost none.
const ackWait = 8 * time.Second

// lease is a message that the servers have handed out to this process. Guarded by Queue.mu, but for what never changes.
type lease struct {
	p *partition
	// seq is in the stream.
	seq uint64
	// delivered is how many times.
	delivered uint64
	// reply is where word of it goes.
	reply string
	data  []byte // sealed: see package chunk
	at    time.Time

	// count is as of open; before, only its size is known.
	count buffer.Count
	// again says that it was handed out before.
	again bool
	// touched is when the servers had word of it last.
	touched time.Time
	chunk   *event.Chunk
	// memory is that of chunk's entries; nil: it was shed.
	memory []byte
}

func (l *lease) size() int64 { return int64(len(l.data)) }

// raw returns how large the chunk is before compression, by which clusters take turns.
func (l *lease) raw() int64 {
	if len(l.data) < chunk.FixedSize {
		return l.size()
	}
	return max(1, int64(binary.LittleEndian.Uint32(l.data[20:])))
}

// partition is what waits of one cluster in a source. Guarded by Queue.mu, but for what never changes.
type partition struct {
	src     *source
	place   subject.Place
	subject string
	// inbox is where it is told what becomes of its requests.
	inbox string

	turn       fair.Turn[*partition]
	held       bool
	ready      []*lease // fetched, ascending
	readyBytes int64
	opening    int // leases that are handed out, or about to be
	// purged is what comes up to this number was purged.
	purged uint64

	puller
}

// insert adds a lease to what is ready, where it belongs.
func (p *partition) insert(l *lease) {
	i := len(p.ready)
	if i > 0 && p.ready[i-1].seq > l.seq {
		i, _ = slices.BinarySearchFunc(p.ready, l.seq, func(o *lease, seq uint64) int {
			return cmp.Compare(o.seq, seq)
		})
	}
	p.ready = slices.Insert(p.ready, i, l)
	p.readyBytes += l.size()
	if !p.held {
		p.src.ring.Add(&p.turn)
	}
}

// oldest returns when the oldest of what is here was stored, zero where nothing is.
func (p *partition) oldest() (at time.Time) {
	if len(p.ready) > 0 {
		at = p.ready[0].at
	}
	for _, l := range p.src.out {
		if l.p == p && (at.IsZero() || l.at.Before(at)) {
			at = l.at
		}
	}
	return at
}

// leaseOf returns the lease of a message that has come for p.
func leaseOf(p *partition, m *nats.Msg, now time.Time) (*lease, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, fmt.Errorf("a message without its number: %w", err)
	}
	return &lease{
		p: p, seq: meta.Sequence.Stream, delivered: meta.NumDelivered, reply: m.Reply, data: m.Data, at: meta.Timestamp,
		again: meta.NumDelivered > 1, touched: now,
		count: buffer.Count{Chunks: 1, Bytes: int64(len(m.Data))},
	}, nil
}

// open returns the chunk of l. Nobody else has l meanwhile.
func (l *lease) open() (*event.Chunk, error) {
	if err := chunk.Verify(l.data); err != nil {
		return nil, err
	}
	// Most have one part.
	var few [1]chunk.Part
	h, err := chunk.DecodeForOutput(l.data, few[:0])
	if err != nil {
		return nil, err
	}
	q := l.p.src.q
	if l.memory, err = q.collected.Packer.Unpack(q.entries.Get(), l.data[h.Payload:], h.Codec, h.Raw); err != nil {
		return nil, err
	}
	l.count.Events = int64(h.Events)
	c := &event.Chunk{
		Seq: l.seq, Cluster: h.Cluster, Tag: h.Tag, Source: h.Source, Received: time.Unix(0, h.Received),
		Events: h.Events, Entries: l.memory, Parts: make([]event.Part, len(h.Parts)), NewTag: h.NewTag, Again: l.again,
	}
	for i := range h.Parts {
		p := &h.Parts[i]
		c.Returned = c.Returned || p.Flags&chunk.PartUnrouted != 0
		c.Filtered = c.Filtered || p.Flags&chunk.PartFiltered != 0
		c.Parts[i] = event.Part{Key: p.Key, Chunk: p.Chunk, First: p.First, Events: p.Events, Joined: p.Joined}
	}
	return c, nil
}

// eventsOf returns how many events a sealed chunk has, 0 where it can't be read.
func eventsOf(data []byte) int64 {
	h, err := chunk.DecodeHeader(data, nil)
	if err != nil {
		return 0
	}
	return int64(h.Events)
}

// quarantine puts what can't be read where it stops nothing else: a dead letter, or, where a newer program has stored
// it, back for a while. q.mu is held, but while it works.
func (src *source) quarantine(l *lease, err error) {
	q := src.q
	l.p.opening--
	delete(src.mine, l.seq)
	if errors.Is(err, format.ErrUnknown) {
		q.acks.Send(l.reply, acks.NakLater)
		if ok, _ := q.every.Allow("newer", l.p.subject, 1, time.Now()); ok {
			q.log.Warn().Err(err).Str("subject", l.p.subject).Uint64("message", l.seq).
				Msg("a newer version has stored this: it waits for one that can read it")
		}
		return
	}
	q.mu.Unlock()
	q.log.Error().Err(err).Str("subject", l.p.subject).Uint64("message", l.seq).
		Msg("a stored chunk is damaged: its bytes are a dead letter now")
	kept := q.dead.Add(q.ctx, []deadletter.Letter{{
		Cluster: l.p.place.Cluster, Output: l.p.place.Output, Reason: "damaged", Detail: err.Error(),
		Entry: bytes.Clone(l.data),
	}})
	q.mu.Lock()
	if kept != nil {
		q.acks.Send(l.reply, acks.NakLater)
		return
	}
	q.count(l.p.place, ledger.Lost, l.count)
	q.ack(l)
}

// ack tells the servers that l is finished.
func (q *Queue) ack(l *lease) { q.acks.Finish(l.p.subject, l.seq, l.reply) }

// touch keeps alive what this process works on, and gives to others what nobody here asks for. It waits for no answer.
func (q *Queue) touch(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.nc().IsConnected() {
		return
	}
	q.acks.Insist(now)
	for _, src := range q.sources {
		for _, l := range src.out {
			q.keepAlive(l, now)
		}
		if src.asks != src.asksSeen || src.wanting > 0 {
			src.asksSeen, src.wanted = src.asks, now
		}
		idle := now.Sub(src.wanted) > idleAfter
		for _, p := range src.partitions {
			if idle || p.held && len(p.ready) > 0 {
				p.giveBack()
				continue
			}
			for _, l := range p.ready {
				q.keepAlive(l, now)
			}
		}
	}
}

func (q *Queue) keepAlive(l *lease, now time.Time) {
	if now.Sub(l.touched) > q.lease/3 {
		q.acks.Send(l.reply, acks.Progress)
		l.touched = now
	}
}

// giveBack gives what is ready to others. q.mu is held.
func (p *partition) giveBack() {
	for _, l := range p.ready {
		delete(p.src.mine, l.seq)
		p.src.q.acks.Send(l.reply, acks.Nak)
	}
	p.ready, p.readyBytes = nil, 0
	p.src.ring.Remove(&p.turn)
}

// keepLeases keeps leases alive until the queue closes.
func (q *Queue) keepLeases() {
	t := time.NewTicker(q.lease / 8)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			q.touch(time.Now())
			q.pullAgain()
		case <-q.ctx.Done():
			return
		}
	}
}

// pullAgain asks again where somebody waits and what was asked for got lost.
func (q *Queue) pullAgain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, src := range q.sources {
		if q.more(src); !src.warm {
			src.changed.Wake()
		}
	}
}

// giveUp gives all that was handed out, or was to be, to others. Nothing else runs any more.
func (q *Queue) giveUp() {
	if !q.nc().IsConnected() {
		return
	}
	q.acks.AwaitConfirmed(requestWithin)
	q.giveBackAll()
	q.endRequests()
	// What is on its way must arrive, so that it is given back too.
	gone := make(chan struct{})
	q.inbox.SetClosedHandler(func(string) { close(gone) })
	if q.inbox.Drain() == nil {
		t := time.NewTimer(requestWithin)
		select {
		case <-gone:
		case <-t.C:
		}
		t.Stop()
	}
	q.giveBackAll()
	// If it does not arrive, the leases run out.
	_ = q.nc().FlushTimeout(requestWithin)
}

// giveBackAll gives what is here to others.
func (q *Queue) giveBackAll() {
	q.mu.Lock()
	for _, src := range q.sources {
		for c, l := range src.out {
			q.acks.Send(l.reply, acks.Nak)
			delete(src.out, c)
		}
		for _, p := range src.partitions {
			p.giveBack()
		}
	}
	q.mu.Unlock()
	q.acks.Flush()
}

// endRequests waits until the servers have met what they are asked for, or it has run out, and gives back what comes:
// what they sent to nobody would wait for the lease's end.
func (q *Queue) endRequests() {
	tick := time.NewTicker(pollRequests)
	defer tick.Stop()
	for end := time.Now().Add(fetchFor + fetchBeat); q.pulling() && time.Now().Before(end); q.acks.Flush() {
		<-tick.C
	}
}

// pollRequests is how often it is looked whether requests are met.
const pollRequests = 20 * time.Millisecond

// pulling reports whether the servers have a request.
func (q *Queue) pulling() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, src := range q.sources {
		for _, p := range src.partitions {
			if p.pulling {
				return true
			}
		}
	}
	return false
}
