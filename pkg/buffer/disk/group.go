package disk

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// store stores the group and answers every batch of it. This is where an ack becomes safe: a batch
// is answered nil only after the transaction with its last piece has returned, fdatasync included.
func (c *committer) store(group []*batch) {
	s := c.s
	g := &txBuilder{c: c, group: group, values: c.values[:0], merges: map[builderKey]*merge{}, now: s.now()}
	err := g.storeRejected()
	failpoint.Pass("batch.buried")
	if err == nil {
		for _, b := range group {
			g.add(b)
		}
		err = g.write()
	}
	if c.values = g.values[:0]; cap(c.values) > 2*groupBytes {
		c.values = nil
	}
	if err == nil {
		c.recovered(s.log, "the queue stores again")
		var done, rest []*batch
		for _, b := range group {
			if b.partial() {
				b.advance()
				rest = append(rest, b)
			} else {
				done = append(done, b)
			}
		}
		g.confirm(done)
		for _, b := range done {
			c.stored(b)
			failpoint.Pass("batch.answer.before")
			b.answer <- nil
		}
		c.putBack(rest)
		return
	}
	c.failed(s.log, err, "can't store: no ack is sent until it works again")
	c.limits.Failed(err)
	var kept []*batch
	for _, b := range group {
		if b.nonBlocking {
			b.answer <- fmt.Errorf("write the queue: %w", err)
			continue
		}
		if c.limits.PolicyOf(b.msgs[0].Cluster) != "reject" {
			kept = append(kept, b)
			continue
		}
		b.answer <- fmt.Errorf("%w: %w", buffer.ErrFull, err)
	}
	c.putBack(kept)
}

// txBuilder makes chunks of a group of batches, and a transaction of these.
type txBuilder struct {
	c      *committer
	group  []*batch
	now    time.Time
	values []byte         // of the transaction's chunks, one after the other
	chunks []txChunk      // of the transaction, in order of sequence
	whole  []resend.Piece // messages whose last piece is in the transaction
	turns  []uint64       // the number of each one's commit
	where  uint64         // the segment that they went to; 0: there is nothing to write
	merges map[builderKey]*merge
	order  []*merge // of merges, so that it is the messages' order
}

// txChunk is a chunk of the transaction that is being made.
type txChunk struct {
	chunk.Header
	from, to int  // in txBuilder.values
	rest     bool // of a chunk settled in part
}

// builderKey says which messages share a chunk. The outputs are compared by address: they come from a
// table of the routes, and the same in another place only makes two chunks.
type builderKey struct {
	cluster, tag string
	source       string
	outputs      *string
	n            int
}

type merge struct {
	key     builderKey
	outputs []string
	raw     []byte
	events  int
	parts   []chunk.Part
}

// storeRejected stores the group's dead letters, before anything else: if the rest fails, the resend stores
// them again, but none is missing.
func (g *txBuilder) storeRejected() error {
	var letters []deadletter.Letter
	for _, b := range g.group {
		if b.buried {
			continue
		}
		for i := range b.msgs {
			if !b.resends.Duplicate(i) {
				letters = append(letters, b.letters[b.msgs[i].letter:b.lettersEnd(i)]...)
			}
		}
	}
	if len(letters) > 0 {
		if err := g.c.s.dead.Add(context.Background(), letters); err != nil {
			return err
		}
	}
	for _, b := range g.group {
		b.buried = true
	}
	return nil
}

// add makes chunks of b, up to piece b.until.
func (g *txBuilder) add(b *batch) {
	for m := b.at; m < len(b.msgs); m++ {
		msg, end := &b.msgs[m], b.piecesEnd(m)
		duplicate := b.resends.Duplicate(m)
		if !duplicate {
			for p := max(msg.piece, b.atPiece); p < min(end, b.until); p++ {
				g.piece(b, msg, &b.pieces[p], p == end-1)
			}
		}
		if end > b.until {
			b.next = m
			return
		}
		if !duplicate && msg.Chunk != "" {
			g.whole = append(g.whole, resend.Piece{Batch: &b.resends, Index: m})
			g.turns = append(g.turns, b.turn)
		}
	}
}

func (g *txBuilder) piece(b *batch, m *message, p *piece, last bool) {
	pt := chunk.Part{First: p.first, Events: p.events}
	if m.Chunk != "" { // else the queue's own number makes the events' ids
		pt.Flags, pt.Key, pt.Conn, pt.CommitSeq, pt.Total = chunk.PartKeyed, m.key, b.conn, b.turn, m.events
		if m.nanos {
			pt.Flags |= chunk.PartNanos
		}
		if last {
			pt.Flags |= chunk.PartLast
		}
		if b.resends.Ahead() {
			pt.Flags |= chunk.PartAhead
		}
	}
	key := builderKey{m.Cluster, m.Tag, m.Source, unsafe.SliceData(m.Outputs), len(m.Outputs)} //nolint:gosec // an address to compare, not to follow
	open := g.merges[key]
	data := b.arena[p.off : p.off+p.n]
	if p.packed {
		if open != nil {
			g.flush(open) // what came before stays before
		}
		parts := m.parts
		if parts == nil {
			parts = []chunk.Part{pt}
		}
		g.chunk(key, m.Outputs, p.events, p.raw, parts, data, p.codec, true)
		g.chunks[len(g.chunks)-1].rest = m.rest
		return
	}
	if open != nil && len(open.raw)+len(data) > mergeBytes {
		g.flush(open)
		open = nil
	}
	if open == nil {
		open = &merge{key: key, outputs: m.Outputs, raw: g.c.s.entries.Get()}
		g.merges[key] = open
		g.order = append(g.order, open)
	}
	open.raw = append(open.raw, data...)
	open.events += p.events
	// Parts without an id have nothing of their own, so they are one.
	if n := len(open.parts); n > 0 && pt.Flags == 0 && open.parts[n-1].Flags == 0 {
		open.parts[n-1].Events += pt.Events
		return
	}
	if pt.Flags == 0 {
		pt.First = 0
	}
	open.parts = append(open.parts, pt)
}

// flush makes a chunk of m.
func (g *txBuilder) flush(m *merge) {
	delete(g.merges, m.key)
	g.chunk(m.key, m.outputs, m.events, len(m.raw), m.parts, m.raw, chunk.CodecNone, false)
	g.c.s.entries.Put(m.raw)
	m.raw = nil
}

// chunk appends a chunk to the transaction.
func (g *txBuilder) chunk(key builderKey, outputs []string, events, raw int, parts []chunk.Part, data []byte, how chunk.Codec, packed bool) {
	s := g.c.s
	ch := txChunk{from: len(g.values), Header: chunk.Header{
		Seq: g.c.next, Received: g.now.UnixNano(), Salt: s.salt, Codec: how, Raw: raw, Events: events,
		Cluster: key.cluster, Tag: key.tag, Source: key.source, Outputs: outputs, Parts: parts,
	}}
	g.c.next++
	g.values = chunk.AppendHeader(g.values, &ch.Header)
	if packed {
		g.values = append(g.values, data...)
	} else {
		g.values, how = s.packer.Pack(g.values, data)
		g.values[ch.from+9] = byte(how)
	}
	ch.to = len(g.values)
	chunk.Seal(g.values[ch.from:ch.to])
	g.chunks = append(g.chunks, ch)
}

// write stores all that was added.
func (g *txBuilder) write() error {
	for _, m := range g.order {
		if m.raw != nil {
			g.flush(m)
		}
	}
	s := g.c.s
	if len(g.chunks) > 0 {
		items, where := make([]segment.Item, len(g.chunks)), make([]uint32, len(g.chunks))
		for i := range g.chunks {
			ch := &g.chunks[i]
			items[i] = segment.Item{Seq: ch.Seq, Value: g.values[ch.from:ch.to:ch.to]}
		}
		start := time.Now()
		seg, err := g.c.segmentFor(items[0].Seq, len(g.values))
		if err != nil {
			return err
		}
		if err = s.failing("commit"); err == nil {
			err = seg.w.Append(items, where)
		}
		failpoint.Pass("segment.committed")
		if err != nil {
			err = fmt.Errorf("write segment %s: %w", seg.path, err)
			return errors.Join(err, g.c.abandon(seg))
		}
		g.where = seg.first
		g.publish(seg, where)
		g.c.limits.Stored(len(g.values))
		s.counts.latency.Observe(time.Since(start), 1)
	}
	return nil
}

// confirm tells the table of resends what is on disk.
func (g *txBuilder) confirm(done []*batch) {
	batches := make([]*resend.Batch, len(done))
	for i, b := range done {
		batches[i] = &b.resends
	}
	g.c.s.resends.Stored(g.whole, g.where, batches)
}

// publish makes the stored chunks known to the outputs.
func (g *txBuilder) publish(seg *segmentState, where []uint32) {
	s := g.c.s
	disk := boltfile.AllocatedBy(seg.w.File)
	s.mu.Lock()
	defer s.mu.Unlock()
	from := len(seg.entries)
	for i := range g.chunks {
		ch := &g.chunks[i]
		seg.entries = append(seg.entries, segment.Entry{
			Seq: uint32(ch.Seq - seg.first), Off: where[i], Size: uint32(ch.to - ch.from), Raw: uint32(ch.Raw),
			Events: uint32(ch.Events), Cluster: s.clusterNumber(ch.Cluster), Set: s.setNumber(ch.Outputs), Received: ch.Received,
		})
	}
	s.loadedN += len(g.chunks)
	s.track(seg, seg.entries[from:], true)
	for i := range g.chunks {
		e := &seg.entries[from+i]
		for _, src := range s.sets[e.Set].sources {
			if l := src.partition(e.Cluster); g.chunks[i].Parts[0].Flags&chunk.PartRequeued != 0 {
				l.returned.add(e.Events, e.Size)
			} else if g.chunks[i].rest {
				l.rest.add(e.Events, e.Size)
			}
		}
	}
	for i, w := range g.whole {
		seg.tails.Add(w.Batch.Conn(), g.turns[i], w.Batch.Ahead(), g.now.UnixNano(), w.Batch.Key(w.Index))
	}
	s.disk += disk - seg.disk
	seg.disk = disk
	s.next = g.c.next
	s.counts.commits++
}

// stored counts a batch that is stored.
func (c *committer) stored(b *batch) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.batches++
	for i := range b.resends.Len() {
		if m := &b.msgs[i]; b.resends.Duplicate(i) {
			d := s.counts.duplicates[m.Cluster]
			b.repeat(&d, i)
			s.counts.duplicates[m.Cluster] = d
		}
	}
}
