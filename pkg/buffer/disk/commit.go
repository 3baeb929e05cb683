package disk

import (
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
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
	s      *Queue
	limits *limits.Limits
	wake   chan struct{} // something has changed: a batch came, room came, close

	mu sync.Mutex
	pendingBatches
	commitSeq uint64 // of the batch that came last
	closing   bool
	pace      pace.Pacer
	pacing    bool // the goroutine waits for more to come, until pace says that it is enough
	causes    [pace.Causes]uint64
	// waited is how long commits waited for company.
	waited metric.Histogram
	ended  chan struct{}

	// Of the goroutine:
	current *segmentState // being written; nil: none
	builder pack.Builder  // of one group after the other
	complaint

	beat, sealBeat heartbeat.Loop
	// sealing is closed when the segment before the current one is sealed; nil: none is being sealed.
	sealing chan struct{}
	journal journaling
}

// pendingBatches is what waits of all clusters.
type pendingBatches struct {
	pending map[string]*clusterPending
	// clusters is the same in turn: they are few, so none leaves.
	clusters []*clusterPending
	next     int // in clusters
	count    int // batches
}

func newCommitter(s *Queue) *committer {
	return &committer{
		s: s, pendingBatches: pendingBatches{pending: map[string]*clusterPending{}},
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
		pace: pace.Pacer{FullBytes: worthBytes}, builder: pack.Builder{Memory: &s.memory, Salt: s.salt},
	}
}

// kick makes the goroutine look again. It is safe with any lock held.
func (c *committer) kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// enter queues b.
func (c *committer) enter(b *batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return buffer.ErrClosed
	}
	c.commitSeq++
	b.CommitSeq = c.commitSeq
	c.s.resends.Enter(&b.Resends)
	l := c.pendingOf(b)
	l.waiting = append(l.waiting, b)
	c.count++
	now := time.Now()
	c.pace.Enter(&b.member, b.Bytes, now)
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
func (c *committer) leave(b *batch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.pendingOf(b)
	i := slices.Index(l.waiting, b)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	c.count--
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
			c.beat.Disk("the end of a segment in " + c.s.dir)
			c.journal.settle = time.Time{}
			c.settleStuck()
			c.seal()
			c.awaitSealed()
			c.closeJournal()
			c.beat.Rest()
			return
		}
		c.beat.Disk("a commit to " + c.s.dir)
		c.store(group)
		c.beat.Turn()
	}
}

// gather returns the batches of the next commit, taken out of the queue; nil at the end.
func (c *committer) gather() []*batch {
	ad := &admission{}
	for {
		c.mu.Lock()
		wait, cause := c.company()
		if c.pacing = wait > 0; c.pacing {
			c.mu.Unlock()
			c.await(wait)
			continue
		}
		closing := c.closing
		group := c.decide(ad)
		if len(group) == 0 && ad.act != nil {
			c.mu.Unlock()
			c.execute(ad)
			continue
		}
		if closing && len(group) == 0 {
			for _, l := range c.clusters {
				for _, b := range l.waiting {
					b.answer <- buffer.ErrClosed
				}
				l.waiting = nil
			}
			c.count = 0
		}
		n := c.count
		if len(group) > 0 {
			c.causes[cause]++
			c.waited.Observe(c.pace.Taken(time.Now(), ad.left <= 0), 1)
		}
		c.mu.Unlock()
		switch {
		case len(group) > 0:
			return group
		case closing:
			return nil
		case n == 0:
			ad = &admission{}
			c.beat.Rest()
			<-c.wake
			c.beat.Turn()
		default:
			// All that waits, waits for room.
			ad = &admission{}
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
func (c *committer) execute(ad *admission) {
	c.beat.Disk("making room in " + c.s.dir)
	ad.act()
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
func (c *committer) putBack(group []*batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range slices.Backward(group) {
		l := c.pendingOf(b)
		l.waiting = slices.Insert(l.waiting, 0, b)
		c.count++
	}
}

// txBytes returns how many bytes of chunks a transaction takes.
func (c *committer) txBytes() int { return int(min(groupBytes, c.limits.SegmentSize())) }
