package disk

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/journal"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
)

const (
	// journalMost is the size of the journal; it is a quarter of a segment at most. When it is full, what is still
	// wanted of it goes to a segment with one transaction, which acks wait for: with more, these would wait longer.
	journalMost = 4 << 20
	// journaledBytes is up to how many bytes of chunks a commit goes to the journal: with more, what a transaction of
	// bbolt costs beside its bytes is less than to write these twice, where no output has settled them meanwhile.
	journaledBytes = 256 << 10
	// journalAgain is after how long a journal that could not be written is tried again.
	journalAgain = time.Minute
)

// journaling is what the committer knows of the journal. Small commits go there, and into the current segment's file
// with a later one. Until then its chunks are in memory too: segmentState.fresh. The journal holds chunks of one
// segment at a time, so that they go before it is sealed, and one of which that could not be done, the stuck one, keeps
// the journal from being used.
type journaling struct {
	journal.Writer
	// stuck may be nil: none is.
	stuck *segmentState
	// settle is when to try to put it into its file.
	settle time.Time
	// memory is what is fresh of the segment that has something fresh.
	memory []byte
	// blocked is set by the start: the journal can't be read, or what it holds has to wait for the next start.
	blocked bool
	// holds reports whether the journal may hold something, which an older program must not overlook; marked, whether
	// state.db says so.
	holds, marked atomic.Bool
}

// appendJournal stores what g has made in the journal, where that pays; false: it has not.
func (c *committer) appendJournal(seg *segmentState, g *txBuilder) bool {
	s, j := c.s, &c.journal
	if len(g.Values) > journaledBytes || !s.cfg.Sync || j.blocked || j.stuck != nil || !j.marked.Load() {
		return false
	}
	return j.Append(c.journalSize(), seg.first, g.Chunks[0].Seq, g.Values, len(seg.fresh) > 0)
}

func (c *committer) journalSize() int64 { return min(journalMost, c.Limits.SegmentSize()/4) }

// append stores what g has made with the segment: in the journal where that pays, else in its file.
func (c *committer) append(seg *segmentState, g *txBuilder) error {
	s := c.s
	err := s.failing("commit")
	if err == nil && c.appendJournal(seg, g) {
		g.publish(seg, nil)
		return nil
	}
	items := make([]segment.Item, len(g.Chunks))
	for i := range g.Chunks {
		ch := &g.Chunks[i]
		items[i] = segment.Item{Seq: ch.Seq, Value: g.Values[ch.From:ch.To:ch.To]}
	}
	var where []uint32
	if err == nil {
		where, err = c.settleFresh(seg, items)
	}
	if err != nil {
		err = fmt.Errorf("write segment %s: %w", seg.path, err)
		return errors.Join(err, c.abandon(seg))
	}
	g.publish(seg, where)
	return nil
}

// settleFresh stores with one transaction what of the segment is in the journal and still wanted, and more items. It
// returns where these lie in the file.
func (c *committer) settleFresh(seg *segmentState, items []segment.Item) ([]uint32, error) {
	s := c.s
	fresh := s.unsettled(seg)
	all := append(fresh.items, items...)
	where := make([]uint32, len(all))
	if len(all) > 0 {
		err := seg.w.Append(all, where)
		failpoint.Pass("segment.committed")
		if err != nil {
			return nil, err
		}
	}
	if len(seg.fresh) > 0 {
		s.mu.Lock()
		kept := seg.entries[:len(seg.entries)-len(seg.fresh)]
		for i, e := range fresh.kept {
			e.Off = where[fresh.at[i]]
			kept = append(kept, e)
		}
		s.loadedN -= len(seg.entries) - len(kept)
		seg.entries, seg.fresh = kept, nil
		next := seg.end()
		s.mu.Unlock()
		if len(items) > 0 {
			next = items[len(items)-1].Seq + 1
		}
		c.journal.Empty(next)
	}
	return where[len(fresh.items):], nil
}

// unsettledChunks is what goes into a segment's file of what was journaled of it.
type unsettledChunks struct {
	items []segment.Item
	kept  []segment.Entry
	// at is which of items each of kept is.
	at []int
}

// unsettled returns what of the segment's fresh chunks goes into its file: those that somebody wants, and in the place
// of others, which all outputs are done with by now, what a start has to know of the messages in them.
func (s *Queue) unsettled(seg *segmentState) (out unsettledChunks) {
	n := len(seg.fresh)
	s.mu.Lock()
	entries := slices.Clone(seg.entries[len(seg.entries)-n:])
	done := make([]bool, n)
	for i := range entries {
		seq := seg.first + uint64(entries[i].Seq)
		done[i] = seq < s.keep.from() && !s.wanted(seg, seq, entries[i].Set)
	}
	s.mu.Unlock()
	var settled pack.Settled
	flush := func() {
		if value := settled.Chunk(); value != nil {
			out.items = append(out.items, segment.Item{Seq: settled.Seq, Value: value})
		}
		settled = pack.Settled{}
	}
	for i := range entries {
		value := seg.fresh[entries[i].Seq]
		if done[i] && settled.Add(value) {
			continue
		}
		flush()
		out.items = append(out.items, segment.Item{Seq: seg.first + uint64(entries[i].Seq), Value: value})
		out.kept, out.at = append(out.kept, entries[i]), append(out.at, len(out.items)-1)
	}
	flush()
	return out
}

// keepFresh keeps in memory what has just been journaled of the segment: in memory that is used again once the segment
// has nothing fresh any more, so that who reads of it has to have a copy. s.mu is held.
func (c *committer) keepFresh(seg *segmentState, g *txBuilder) {
	if seg.fresh == nil {
		seg.fresh = map[uint32][]byte{}
		if c.journal.memory = c.journal.memory[:0]; cap(c.journal.memory) == 0 {
			// All that the journal has room for, of which nothing is in use that has not been written.
			c.journal.memory = make([]byte, 0, c.journalSize())
		}
	}
	at := len(c.journal.memory)
	c.journal.memory = append(c.journal.memory, g.Values...)
	values := c.journal.memory[at:]
	for i := range g.Chunks {
		ch := &g.Chunks[i]
		seg.fresh[uint32(ch.Seq-seg.first)] = values[ch.From:ch.To:ch.To]
	}
}

// settleStuck puts the stuck segment, if there is one, into its file, which is written anew: what was wrong with the
// old one is not known. It is tried once in a while. Where nobody wants anything of it, it needs no file.
func (c *committer) settleStuck() {
	s, j := c.s, &c.journal
	seg := j.stuck
	if seg == nil || seg.unread {
		return
	}
	s.mu.Lock()
	wanted := len(seg.sum) > 0
	s.mu.Unlock()
	if wanted && s.now().Before(j.settle) {
		return
	}
	c.beat.Disk("the writing anew of a segment in " + s.dir)
	defer c.beat.Turn()
	var err error
	if wanted {
		err = s.rewriteStuck(seg)
	}
	if err != nil {
		j.settle = s.now().Add(journalAgain)
		j.Stays(err)
		return
	}
	c.unstick()
}

// unstick ends that a segment is stuck: what it holds of the journal is in its file, or wanted by nobody.
func (c *committer) unstick() {
	seg := c.journal.stuck
	c.journal.stuck = nil
	c.s.mu.Lock()
	seg.fresh = nil
	next := seg.end()
	c.s.mu.Unlock()
	c.journal.Empty(next)
	c.closed(seg)
}

// rewriteStuck writes the segment's file anew, with what is in memory of it.
func (s *Queue) rewriteStuck(seg *segmentState) error {
	defer s.exclusively(seg)()
	s.mu.Lock()
	contents, fresh, src := s.remapOut(seg), seg.fresh, seg.file
	src.Hold()
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		src.Release()
		s.mu.Unlock()
	}()
	_, err := s.swap(seg, contents, segment.ReadFrom(src.File, fresh))
	return err
}
