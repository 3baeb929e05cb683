package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/account"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/collect"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/publish"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/setup"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// patientAfter is how long a client took to come again whom a few milliseconds more until its ack do not slow down.
const patientAfter = 50 * time.Millisecond

// store returns nil once all is stored that is no duplicate.
func (b *batch) store(ctx context.Context) error {
	q := b.q
	if err := b.await(ctx); err != nil {
		return err
	}
	begun := time.Now()
	var letters []deadletter.Letter
	for i := range b.Messages {
		if !b.resends.Duplicate(i) {
			letters = append(letters, b.Letters(i)...)
		}
	}
	if len(letters) > 0 {
		if err := q.dead.Add(ctx, letters); err != nil {
			return fmt.Errorf("keep what is no event: %w", err)
		}
	}
	s := q.newSealed()
	defer q.recycle(s)
	b.seal(s)
	for _, m := range s.messages {
		m.Patient = begun.Sub(b.answered) > patientAfter
	}
	err := q.put(ctx, s, true)
	if err == nil {
		for i, m := range s.messages {
			// What an attempt that failed has stored, nobody has counted.
			m.Again = m.Again || b.Messages[s.of[i].message].Doubt
		}
		q.claim(ctx, s.messages)
		err = b.question(ctx, s)
	}
	if err != nil {
		b.remember()
		return err
	}
	q.counted(s)
	if len(s.messages) > 0 {
		q.latency.Observe(time.Since(begun), 1)
	}
	b.settle(s)
	return nil
}

// await waits until no message of the batch has to wait for another batch.
func (b *batch) await(ctx context.Context) error {
	q := b.q
	for b.resends.Waiting() {
		q.mu.Lock()
		changed, closed := q.changed.Next(), q.closed
		q.mu.Unlock()
		if closed {
			return buffer.ErrClosed
		}
		if !b.resends.Waiting() {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// seal adds to s chunks of all messages that are no duplicates: one for each output.
func (b *batch) seal(s *sealed) {
	for i := range b.Messages {
		m := &b.Messages[i]
		if b.resends.Duplicate(i) {
			continue
		}
		b.name(i)
		if m.Chunk == "" {
			b.sealUnnamed(s, i)
			continue
		}
		pieces := b.Pieces(i)
		for j := range pieces {
			p := &pieces[j]
			s.part[0] = chunk.Part{
				Flags: chunk.PartKeyed | chunk.PartNanos, Key: m.Key, First: p.First, Events: p.Events,
			}
			if !m.Own {
				// Another chunk may have the same id: its events' ids are made of what nothing else has.
				s.part[0].Key, s.part[0].Chunk = b.q.freshKey(), m.Key
			}
			id := m.ID + "." + strconv.Itoa(p.First) + "+" + strconv.Itoa(p.Events)
			h := b.header(m, p.Raw, p.Events, s.part[:])
			h.Codec = p.Codec
			data := s.seal(b.q, &h, b.Entries(p), p.Packed)
			s.add(b.q.chunks(), m.Outputs, data, id, origin{
				place: subject.Place{Cluster: m.Cluster}, message: i, counted: ledger.Appended,
				count: buffer.Count{Chunks: 1, Events: int64(p.Events), Bytes: int64(len(data))},
			})
		}
	}
}

// seal returns a chunk as it is stored, in s.memory.
func (s *sealed) seal(q *Queue, h *chunk.Header, entries []byte, packed bool) []byte {
	at := len(s.memory)
	s.memory = q.appendSealed(s.memory, h, entries, packed)
	return s.memory[at:len(s.memory):len(s.memory)]
}

// sealUnnamed seals a message whose client wants no ack, together with those behind it that are alike.
func (b *batch) sealUnnamed(s *sealed, i int) {
	m := &b.Messages[i]
	if i > 0 && b.alike(i-1, i) {
		// It was sealed with that.
		return
	}
	var raw []byte
	events := 0
	flush := func() {
		if events == 0 {
			return
		}
		h := b.header(m, len(raw), events, []chunk.Part{b.fresh(events)})
		b.add(s, i, h, raw, false)
		raw, events = raw[:0], 0
	}
	for ; i < len(b.Messages); i++ {
		pieces := b.Pieces(i)
		for j := range pieces {
			p := &pieces[j]
			data := b.Entries(p)
			if p.Packed {
				flush()
				h := b.header(m, p.Raw, p.Events, []chunk.Part{b.fresh(p.Events)})
				h.Codec = p.Codec
				b.add(s, i, h, data, true)
				continue
			}
			if len(raw)+len(data) > collect.PackSmall {
				flush()
			}
			raw = append(raw, data...)
			events += p.Events
		}
		if i+1 < len(b.Messages) && !b.alike(i, i+1) {
			break
		}
	}
	i = min(i, len(b.Messages)-1)
	flush()
}

// alike reports whether messages of clients that want no ack may share a chunk.
func (b *batch) alike(i, j int) bool {
	x, y := &b.Messages[i], &b.Messages[j]
	return x.Chunk == "" && y.Chunk == "" && x.Cluster == y.Cluster && x.Tag == y.Tag && x.Source == y.Source &&
		slices.Equal(x.Outputs, y.Outputs)
}

// fresh returns a part whose events' ids nothing else has.
func (b *batch) fresh(events int) chunk.Part {
	return chunk.Part{Flags: chunk.PartKeyed | chunk.PartNanos, Key: b.q.freshKey(), Events: events}
}

func (b *batch) add(s *sealed, i int, h chunk.Header, entries []byte, packed bool) {
	data := s.seal(b.q, &h, entries, packed)
	s.add(b.q.chunks(), b.Messages[i].Outputs, data, b.q.freshID(), origin{
		place: subject.Place{Cluster: b.Messages[i].Cluster}, message: i, counted: ledger.Appended,
		count: buffer.Count{Chunks: 1, Events: int64(h.Events), Bytes: int64(len(data))},
	})
}

func (b *batch) header(m *collect.Message, raw, events int, parts []chunk.Part) chunk.Header {
	return chunk.Header{
		Received: b.q.now().UnixNano(), Raw: raw, Events: events, Cluster: m.Cluster, Tag: m.Tag, Source: m.Source,
		Parts: parts,
	}
}

// name gives message i the id under which it is stored, which is made of the agent's: whoever else stores it finds that
// it is there. Where its events' ids are not, as another chunk may have the same id, that it is there is a question:
// see question. Where this process knows that it is another one, it gets an id of its own.
func (b *batch) name(i int) {
	m, q := &b.Messages[i], b.q
	if m.Chunk == "" {
		return
	}
	q.mu.Lock()
	d, ok := q.inDoubt[b.resends.Key(i)]
	q.mu.Unlock()
	switch m.Doubt = ok && q.now().Before(d.until); {
	case m.Doubt:
		m.ID = d.id
	case b.resends.Another(i), !m.Own && q.cfg.DedupeWindow == 0:
		m.ID = q.freshID()
	case m.Own:
		m.ID = sealing.ID("c-", &m.Key, m.Events)
	default:
		m.ID = sealing.ID("w-", &m.Key, m.Events)
	}
}

// remember notes under which ids messages may have been stored though it was not confirmed.
func (b *batch) remember() {
	q := b.q
	q.mu.Lock()
	defer q.mu.Unlock()
	until := q.now().Add(max(q.cfg.DedupeWindow, setup.MinWindow))
	for i := range b.Messages {
		if m := &b.Messages[i]; m.ID != "" && !b.resends.Duplicate(i) && q.cfg.DedupeWindow > 0 {
			q.inDoubt[b.resends.Key(i)] = doubt{m.ID, until}
		}
	}
	for key, d := range q.inDoubt {
		if len(q.inDoubt) <= maxSettled && q.now().Before(d.until) {
			continue
		}
		delete(q.inDoubt, key)
	}
}

// certain forgets what was in doubt and is stored now.
func (b *batch) certain() {
	if !slices.ContainsFunc(b.Messages, func(m collect.Message) bool { return m.Doubt }) {
		return
	}
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	for i := range b.Messages {
		if b.Messages[i].Doubt {
			delete(b.q.inDoubt, b.resends.Key(i))
		}
	}
}

// settle counts what was stored, and what was there before.
func (b *batch) settle(s *sealed) {
	q := b.q
	var whole []resend.Piece
	stored := make([]bool, len(b.Messages))
	sent := make([]bool, len(b.Messages))
	for i, o := range s.of {
		sent[o.message] = true
		stored[o.message] = stored[o.message] || !s.messages[i].Duplicate
	}
	b.certain()
	for i := range b.Messages {
		again := b.resends.Duplicate(i)
		if !again && b.Messages[i].Chunk != "" {
			whole = append(whole, resend.Piece{Batch: &b.resends, Index: i})
		}
		if again || sent[i] && !stored[i] {
			b.repeat(i)
		}
	}
	q.resends.Stored(whole, 0, []*resend.Batch{&b.resends})
	if b.repeated.Messages == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	d := q.repeated[b.Messages[0].Cluster]
	d.Messages, d.Events = d.Messages+b.repeated.Messages, d.Events+b.repeated.Events
	q.repeated[b.Messages[0].Cluster] = d
}

// repeat notes that message i was sent before.
func (b *batch) repeat(i int) {
	d := &b.repeated
	d.Messages++
	d.Events += int64(b.Messages[i].Events)
	for _, l := range b.Letters(i) {
		if d.Rejected == nil {
			d.Rejected = map[string]int64{}
		}
		d.Rejected[l.Reason] += int64(l.Events)
	}
}

// put stores chunks. wait: it waits for room, or makes some, which is reserved until s is counted or recycled.
func (q *Queue) put(ctx context.Context, s *sealed, wait bool) error {
	if len(s.messages) == 0 {
		return ctx.Err()
	}
	if wait {
		if err := q.reserve(ctx, s.need); err != nil {
			return err
		}
		s.reserved = true
	}
	return q.publish(ctx, s.messages, wait)
}

// counted counts what of s was not there before.
func (q *Queue) counted(s *sealed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unreserve(s)
	for i, m := range s.messages {
		if o := &s.of[i]; !m.Duplicate {
			q.count(o.place, ledger.Appended, o.count)
			if o.counted != ledger.Appended {
				q.count(o.place, o.counted, o.count)
			}
			q.offer(o.place)
		}
	}
}

// publish stores messages, for as long as it takes, and waits while the stream is full where that is wanted.
func (q *Queue) publish(ctx context.Context, messages []*publish.Message, wait bool) error {
	for {
		err := q.outlet.Load().Publish(ctx, messages, q.trouble)
		switch {
		case err == nil:
			q.takesMore()
			return nil
		case errors.Is(err, publish.ErrClosed):
			return buffer.ErrClosed
		case errors.Is(err, publish.ErrTooLarge):
			return fmt.Errorf("%w: %w", buffer.ErrTooLarge, err)
		case !errors.Is(err, publish.ErrFull):
			return err
		case !wait:
			return fmt.Errorf("%w: %w", buffer.ErrFull, err)
		}
		q.mu.Lock()
		q.streamFull = true
		policy := q.limits.WhenFull
		short := &account.Shortage{Why: err.Error(), Whole: true}
		victim, some := q.book.Most(func(subject.Place) bool { return true })
		if some && policy == "drop_oldest" {
			q.mu.Unlock()
			q.dropOldest(ctx, victim)
			q.acks.Flush()
			continue
		}
		if policy != "reject" {
			err = q.awaitRoom(ctx, short)
		} else {
			err = fmt.Errorf("%w: %w", buffer.ErrFull, err)
		}
		q.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// takesMore notes that the stream is not full, where it was.
func (q *Queue) takesMore() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.streamFull {
		q.streamFull = false
		q.roomy("")
	}
}

// offer has what was stored at a place fetched where somebody here waits for it. q.mu is held.
func (q *Queue) offer(place subject.Place) {
	if src := q.sources[sourceName{place.Output, place.Target}]; src != nil && src.partitions[place.Cluster] == nil {
		src.partition(place.Cluster)
		q.more(src)
	}
}
