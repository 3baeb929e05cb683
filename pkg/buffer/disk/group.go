package disk

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/admission"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pace"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// store stores the group and answers every batch of it. This is where an ack becomes safe: a batch
// is answered nil only after the transaction with its last piece has returned, fdatasync included.
func (c *committer) store(group []*admission.Batch) {
	s := c.s
	start := time.Now()
	g := &txBuilder{c: c, group: group, Builder: &c.builder}
	g.Now = s.now()
	err := g.storeRejected()
	failpoint.Pass("batch.buried")
	if err == nil {
		for _, b := range group {
			g.Add(&b.Batch)
		}
		err = g.write()
	}
	defer g.Clear(2 * groupBytes)
	if err == nil {
		c.Recovered(s.log, "the queue stores again")
		var done, rest []*admission.Batch
		for _, b := range group {
			if b.Partial() {
				b.Advance()
				rest = append(rest, b)
			} else {
				done = append(done, b)
			}
		}
		g.confirm(done)
		c.answering(start, done, len(rest) > 0)
		for _, b := range done {
			c.stored(b)
			failpoint.Pass("batch.answer.before")
			b.Answer <- nil
		}
		c.putBack(rest)
		return
	}
	c.Failed(s.log, err, "can't store: no ack is sent until it works again")
	c.Limits.Failed(err)
	var kept []*admission.Batch
	for _, b := range group {
		if b.NonBlocking {
			b.Answer <- fmt.Errorf("write the queue: %w", err)
			continue
		}
		if c.Limits.PolicyOf(b.Cluster()) != "reject" {
			kept = append(kept, b)
			continue
		}
		b.Answer <- fmt.Errorf("%w: %w", buffer.ErrFull, err)
	}
	c.putBack(kept)
}

// answering notes, for the pace of the next commits, how long the one took that began at start, and who is answered.
// cut: a batch is stored in part.
func (c *committer) answering(start time.Time, done []*admission.Batch, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pace.Committed(start, time.Now(), cut, func(yield func(*pace.Member) bool) {
		for _, b := range done {
			if !yield(&b.Member) {
				return
			}
		}
	})
}

// txBuilder makes chunks of a group of batches, and a transaction of these.
type txBuilder struct {
	*pack.Builder
	c     *committer
	group []*admission.Batch
	// where is the segment that they went to; 0: there is nothing to write.
	where uint64
}

// storeRejected stores the group's dead letters, before anything else: if the rest fails, the resend stores
// them again, but none is missing.
func (g *txBuilder) storeRejected() error {
	var letters []deadletter.Letter
	for _, b := range g.group {
		letters = b.AppendLetters(letters)
	}
	if len(letters) > 0 {
		if err := g.c.s.dead.Add(context.Background(), letters); err != nil {
			return err
		}
	}
	for _, b := range g.group {
		b.LettersStored = true
	}
	return nil
}

// write stores all that was added.
func (g *txBuilder) write() error {
	g.Flush()
	s := g.c.s
	if len(g.Chunks) > 0 {
		start := time.Now()
		seg, err := g.c.segmentFor(g.Chunks[0].Seq, len(g.Values))
		if err != nil {
			return err
		}
		if err := g.c.append(seg, g); err != nil {
			return err
		}
		g.where = seg.first
		g.c.Limits.Stored(len(g.Values))
		s.stats.latency.Observe(time.Since(start), 1)
	}
	return nil
}

// confirm tells the table of resends what is on disk.
func (g *txBuilder) confirm(done []*admission.Batch) {
	batches := make([]*resend.Batch, len(done))
	for i, b := range done {
		batches[i] = &b.Resends
	}
	g.c.s.resends.Stored(g.Whole, g.where, batches)
}

// publish makes the stored chunks known to the outputs. where is where they lie in the segment's file; nil: they are in
// the journal.
func (g *txBuilder) publish(seg *segmentState, where []uint32) {
	s := g.c.s
	var disk int64
	if where != nil {
		disk = boltfile.AllocatedBy(seg.w.File)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if where == nil {
		disk, where = seg.disk+int64(len(g.Values)), make([]uint32, len(g.Chunks))
		g.c.keepFresh(seg, g)
	}
	from := len(seg.entries)
	for i := range g.Chunks {
		ch := &g.Chunks[i]
		seg.oldest = max(seg.oldest, ch.Oldest())
		seg.entries = append(seg.entries, segment.Entry{
			Seq: uint32(ch.Seq - seg.first), Off: where[i], Size: uint32(ch.To - ch.From), Raw: uint32(ch.Raw),
			Events: uint32(ch.Events), Cluster: s.clusterNumber(ch.Cluster), Set: s.setNumber(ch.Outputs),
			Received: ch.Received,
		})
	}
	s.loadedN += len(g.Chunks)
	s.track(seg, seg.entries[from:], true)
	for i := range g.Chunks {
		e := &seg.entries[from+i]
		for _, src := range s.sets[e.Set].sources {
			if l := src.partition(e.Cluster); g.Chunks[i].Moved || g.Chunks[i].Parts[0].Flags&chunk.PartRequeued != 0 {
				l.requeued.add(e.Events, e.Size)
			} else if g.Chunks[i].Rest {
				l.rest.add(e.Events, e.Size)
			} else if g.Chunks[i].Origin.Seq != 0 {
				l.adopted.add(e.Events, e.Size)
			}
		}
	}
	for i, w := range g.Whole {
		seg.tails.Add(w.Batch.Conn(), g.CommitSeqs[i], w.Batch.Ahead(), g.Now.UnixNano(), w.Batch.Key(w.Index))
	}
	s.disk += disk - seg.disk
	seg.disk = disk
	s.next = g.Next
	s.stats.commits++
}

// stored counts a batch that is stored.
func (c *committer) stored(b *admission.Batch) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.batches++
	for i := range b.Resends.Len() {
		if b.Resends.Duplicate(i) {
			m, _ := b.Message(i)
			d := s.stats.duplicates[m.Cluster]
			b.Repeat(&d, i)
			s.stats.duplicates[m.Cluster] = d
		}
	}
}
