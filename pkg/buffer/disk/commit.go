package disk

import (
	"path/filepath"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/admission"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/complaint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/journal"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pace"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

const (
	// groupBytes is where a group of batches, which one transaction stores, is full: beyond, more bytes
	// to one fdatasync gain little, bbolt holds a copy of them, and who comes next waits longer.
	groupBytes = 2 << 20
	// worthBytes is from where on a group waits for no more: what a commit costs beside its bytes is little then.
	worthBytes = groupBytes / 4
)

// committer gathers what all connections have ready and stores it with one transaction. One
// goroutine does it all: the order in which it takes batches is the order of sequence.
//
// A commit takes what is there when the last one has ended, or waits a few milliseconds for more: see package pace.
type committer struct {
	s *Queue
	// wake tells that something has changed: a batch came, room came, or the queue closes.
	wake chan struct{}

	mu sync.Mutex
	admission.Pending
	// commitSeq is that of the batch that came last.
	commitSeq uint64
	closing   bool
	pace      pace.Pacer
	// pacing says that the goroutine waits for more to come, until pace says that it is enough.
	pacing bool
	causes [pace.Causes]uint64
	// waited is how long commits waited for company.
	waited metric.Histogram
	ended  chan struct{}

	// Of the goroutine:
	// current is being written; nil: none is.
	current *segmentState
	// builder is of one group after the other.
	builder pack.Builder
	complaint.Complaint

	beat, sealBeat heartbeat.Loop
	// sealing is closed when the segment before the current one is sealed; nil: none is being sealed.
	sealing chan struct{}
	journal journaling
}

func newCommitter(s *Queue) *committer {
	c := &committer{
		s: s, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		pace: pace.Pacer{FullBytes: worthBytes}, builder: pack.Builder{Memory: &s.memory, Salt: s.salt},
	}
	c.Pending = admission.Pending{
		Quotas: &s.mu, GroupBytes: func() int64 { return min(groupBytes, c.Limits.SegmentSize()) },
		GiveBack: c.giveBack, DropOldest: s.dropSegment,
	}
	c.journal.Writer = journal.Writer{
		Path: filepath.Join(s.dir, journal.Name), Salt: s.salt, Now: s.now, Log: s.log, Failing: s.failing,
	}
	return c
}

// kick makes the goroutine look again. It is safe with any lock held.
func (c *committer) kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// enter queues b.
func (c *committer) enter(b *admission.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return buffer.ErrClosed
	}
	c.commitSeq++
	b.CommitSeq = c.commitSeq
	c.s.resends.Enter(&b.Resends)
	c.Enter(b)
	now := time.Now()
	c.pace.Enter(&b.Member, b.Bytes, now)
	if c.pacing {
		if more, _ := c.pace.Wait(now); more > 0 {
			// The goroutine sleeps on.
			return nil
		}
	}
	c.kick()
	return nil
}

// leave takes b out of the queue; false: the committer has it already.
func (c *committer) leave(b *admission.Batch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.Leave(b) {
		return false
	}
	// Its repetition may be behind it, or a smaller one.
	c.kick()
	return true
}

// close lets what there is room for be stored, ends the rest with ErrClosed, and waits.
func (c *committer) close() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.kick()
	<-c.ended
}

func (c *committer) run() {
	defer close(c.ended)
	for {
		c.beat.Turn()
		group := c.gather()
		if group == nil {
			c.journal.settle = time.Time{}
			c.settleStuck()
			c.beat.Disk("the end of a segment in " + c.s.dir)
			c.seal()
			c.awaitSealed()
			c.journal.Close()
			c.journal.holds.Store(c.journal.stuck != nil || c.journal.blocked)
			c.beat.Rest()
			return
		}
		c.beat.Disk("a commit to " + c.s.dir)
		c.store(group)
		c.beat.Turn()
	}
}

// gather returns the batches of the next commit, taken out of the queue; nil at the end.
func (c *committer) gather() []*admission.Batch {
	ad := &admission.Decision{}
	for {
		c.settleStuck()
		c.mu.Lock()
		wait, cause := c.company()
		if c.pacing = wait > 0; c.pacing {
			c.mu.Unlock()
			c.await(wait)
			continue
		}
		closing := c.closing
		group := c.Decide(ad)
		if len(group) == 0 && ad.Act != nil {
			c.mu.Unlock()
			c.execute(ad)
			continue
		}
		if closing && len(group) == 0 {
			c.Close()
		}
		n := c.Count
		if len(group) > 0 {
			c.causes[cause]++
			c.waited.Observe(c.pace.Taken(time.Now(), ad.Cut()), 1)
		}
		c.mu.Unlock()
		switch {
		case len(group) > 0:
			return group
		case closing:
			return nil
		case n == 0:
			ad = &admission.Decision{}
			c.beat.Rest()
			<-c.wake
			c.beat.Turn()
		default:
			// All that waits, waits for room.
			ad = &admission.Decision{}
			c.await(limits.PollFull)
		}
	}
}

// company returns how long what has come waits for more; 0: the next commit goes, for that cause. c.mu is held.
func (c *committer) company() (time.Duration, pace.Cause) {
	switch {
	case c.closing:
		return 0, pace.Closing
	case !c.pace.Waiting():
		// What waits has waited for room.
		return 0, pace.Idle
	}
	return c.pace.Wait(time.Now())
}

// execute does what a decision needs of the disk. No lock is held: whoever enters, leaves or asks for the state goes
// on.
func (c *committer) execute(ad *admission.Decision) {
	c.beat.Disk("making room in " + c.s.dir)
	ad.Act()
	c.beat.Turn()
}

// await returns when something has changed, or after d.
func (c *committer) await(d time.Duration) {
	c.beat.Rest()
	defer c.beat.Turn()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.wake:
	case <-t.C:
	}
}

// putBack queues batches again, before all others of their clusters.
func (c *committer) putBack(group []*admission.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.PutBack(group)
}
