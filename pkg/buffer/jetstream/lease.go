package jetstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/fair"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// What a consumer is told of a message that it has handed out.
const (
	ack      = "+ACK" // it is finished
	nak      = "-NAK" // others may have it at once
	progress = "+WPI" // it is still being worked on
	// nakLater gives it back for a while, in nanoseconds.
	nakLater = `-NAK {"delay": 30000000000}`
)

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
	i, _ := slices.BinarySearchFunc(p.ready, l.seq, func(o *lease, seq uint64) int {
		switch {
		case o.seq < seq:
			return -1
		case o.seq > seq:
			return 1
		}
		return 0
	})
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
func leaseOf(p *partition, m *nats.Msg) (*lease, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, fmt.Errorf("a message without its number: %w", err)
	}
	return &lease{
		p: p, seq: meta.Sequence.Stream, delivered: meta.NumDelivered, reply: m.Reply, data: m.Data, at: meta.Timestamp,
		again: meta.NumDelivered > 1, touched: time.Now(),
		count: buffer.Count{Chunks: 1, Bytes: int64(len(m.Data))},
	}, nil
}

// open returns the chunk of l. Nobody else has l meanwhile.
func (l *lease) open() (*event.Chunk, error) {
	if err := chunk.Verify(l.data); err != nil {
		return nil, err
	}
	h, err := chunk.DecodeHeader(l.data, nil)
	if err != nil {
		return nil, err
	}
	q := l.p.src.q
	if l.memory, err = q.packer.Unpack(q.entries.Get(), l.data[h.Payload:], h.Codec, h.Raw); err != nil {
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

// setAside puts what can't be read where it stops nothing else: a dead letter, or, where a newer program has stored it,
// back for a while. q.mu is held, but while it works.
func (src *source) setAside(l *lease, err error) {
	q := src.q
	l.p.opening--
	delete(src.mine, l.seq)
	if errors.Is(err, format.ErrUnknown) {
		q.send(l.reply, nakLater)
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
		q.send(l.reply, nakLater)
		return
	}
	q.count(l.p.place, ledger.Lost, l.count)
	q.send(l.reply, ack)
}

// word is something that a server is told, or asked for, without waiting for an answer.
type word struct {
	subject, reply string
	data           string
}

// send tells a consumer something of a message. q.mu is held.
func (q *Queue) send(reply, what string) {
	w := word{subject: reply, data: what}
	if what == ack && len(q.unconfirmed) < maxUnconfirmed {
		q.acks++
		token := strconv.FormatUint(q.acks, 36)
		w.reply = q.inboxes() + ackMark + token
		q.unconfirmed[token] = unconfirmed{word: w, at: time.Now()}
	}
	q.say(w)
}

// unconfirmed is word that a message is finished, until the servers have confirmed it: it is lost where the one dies
// that it was sent to, and then others would get the message too.
type unconfirmed struct {
	word
	// at is when it was said last.
	at    time.Time
	times int // it was said again
}

const (
	// ackMark begins what comes to the inbox of acks.
	ackMark = "ack."
	// maxUnconfirmed bounds how many acks may be unconfirmed. Those beyond are sent once.
	maxUnconfirmed = 1 << 16
	// maxInsist is how often an ack is said again.
	maxInsist = 20
)

// confirmed notes that the servers have kept that a message is finished. q.mu is held.
func (q *Queue) confirmed(token string) {
	if delete(q.unconfirmed, token); len(q.unconfirmed) == 0 && q.allConfirmed != nil {
		close(q.allConfirmed)
		q.allConfirmed = nil
	}
}

// insist says again what was not confirmed for long. q.mu is held.
func (q *Queue) insist(now time.Time) {
	for token, u := range q.unconfirmed {
		if now.Sub(u.at) <= q.lease/4 {
			continue
		}
		if u.times++; u.times > maxInsist {
			// They know nothing of it any more.
			q.confirmed(token)
			continue
		}
		u.at = now
		q.unconfirmed[token] = u
		q.say(u.word)
	}
}

// awaitConfirmed waits until the servers have confirmed all, or do not answer.
func (q *Queue) awaitConfirmed() {
	q.mu.Lock()
	q.insist(time.Now().Add(q.lease))
	all := make(chan struct{})
	if q.allConfirmed = all; len(q.unconfirmed) == 0 {
		close(all)
	}
	q.mu.Unlock()
	q.sendWords()
	t := time.NewTimer(requestWithin)
	defer t.Stop()
	select {
	case <-all:
	case <-t.C:
	}
}

// say has the speaker send a word. q.mu is held.
func (q *Queue) say(w word) {
	q.words = append(q.words, w)
	select {
	case q.spoken <- struct{}{}:
	default:
	}
}

// speak sends words until the queue closes, so that nobody who holds q.mu waits for the network.
func (q *Queue) speak() {
	for {
		select {
		case <-q.spoken:
			q.sendWords()
		case <-q.ctx.Done():
			return
		}
	}
}

// sendWords sends what there is to say. What the connection doesn't take is said again, where it has to be confirmed,
// or asked for again.
func (q *Queue) sendWords() {
	q.mu.Lock()
	words := q.words
	q.words = nil
	q.mu.Unlock()
	for _, w := range words {
		_ = q.nc().PublishMsg(&nats.Msg{Subject: w.subject, Reply: w.reply, Data: []byte(w.data)}) // as above
	}
}

// touch keeps alive what this process works on, and gives to others what nobody here asks for. It waits for no answer.
func (q *Queue) touch(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.nc().IsConnected() {
		return
	}
	q.insist(now)
	for _, src := range q.sources {
		for _, l := range src.out {
			q.keepAlive(l, now)
		}
		idle := src.wanting == 0 && now.Sub(src.wanted) > idleAfter
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
		q.send(l.reply, progress)
		l.touched = now
	}
}

// giveBack gives what is ready to others. q.mu is held.
func (p *partition) giveBack() {
	for _, l := range p.ready {
		delete(p.src.mine, l.seq)
		p.src.q.send(l.reply, nak)
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
			src.wake()
		}
	}
}

// giveUp gives all that was handed out, or was to be, to others. Nothing else runs any more.
func (q *Queue) giveUp() {
	if !q.nc().IsConnected() {
		return
	}
	q.awaitConfirmed()
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
	q.mu.Lock()
	for _, src := range q.sources {
		for _, l := range src.out {
			q.send(l.reply, nak)
		}
		for _, p := range src.partitions {
			p.giveBack()
		}
	}
	q.mu.Unlock()
	q.sendWords()
	// If it does not arrive, the leases run out.
	_ = q.nc().FlushTimeout(requestWithin)
}
