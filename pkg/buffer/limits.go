package buffer

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// pollFull is how often the disk is asked for room while there is none, and how long a failed
	// write is let be before the next try.
	pollFull = time.Second
	// pollBytes is after how many stored bytes the disk is asked at the latest.
	pollBytes = 8 << 20
)

// limits decides whether there is room. Sizes are measured on the disk.
//
// max_size 0 stands for 80 % of what is free at the start and what the queue already has.
// min_free_disk is at most a tenth of the disk, so that a small disk can be used at all.
type limits struct {
	s       *Store
	max     int64 // bytes of all segments
	minFree int64

	mu      sync.Mutex
	free    int64 // when last asked
	asked   time.Time
	since   int64 // bytes stored since
	failure error // of the last write, until retry
	retry   time.Time
	reason  string // why the batch that was looked at last has to wait; "": it has not
}

func newLimits(s *Store) (*limits, error) {
	free, total, err := freeDisk(s.dir)
	if err != nil {
		return nil, err
	}
	l := &limits{s: s, max: int64(s.cfg.MaxSize), minFree: min(int64(s.cfg.MinFreeDisk), total/10), free: free, asked: s.now()}
	if l.max <= 0 {
		l.max = (free + s.disk) / 10 * 8
	}
	// Room comes back by whole segments: with fewer than eight of them, a full queue would stutter.
	s.segmentSize = max(1<<20, min(int64(s.cfg.SegmentSize), l.max/8, 1<<30))
	return l, nil
}

// limited notes which outputs with a limit the batch is for.
func (s *Store) limited(b *batch) {
	if len(s.opts.OutputLimits) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.msgs {
		for _, name := range b.msgs[i].Outputs {
			if src := s.source(name); src.limit > 0 && !slices.Contains(b.outputs, src) {
				b.outputs = append(b.outputs, src)
			}
		}
	}
}

// why returns why nothing can be stored, "" where it can.
func (l *limits) why(waiting int) string {
	if why := l.full(0); why != "" || waiting == 0 {
		return why
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

// failed notes that a write failed.
func (l *limits) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure, l.retry = err, l.s.now().Add(pollFull)
	l.asked = time.Time{}
}

// choose parts the queue in the batches that there is room for now, in order and as many as make one
// group, and the rest. Those that must not wait are answered and in neither.
func (l *limits) choose(queue []*batch) (group, rest []*batch) {
	var planned int64
	reason := ""
	defer func() {
		l.mu.Lock()
		l.reason = reason
		l.mu.Unlock()
	}()
	for i, b := range queue {
		if planned >= groupBytes {
			rest = append(rest, queue[i:]...)
			break
		}
		if b.repeats && l.s.dedupe.behind(b) {
			rest = append(rest, b)
			continue
		}
		why := l.verdict(b, planned)
		if why != "" && l.s.cfg.WhenFull == "drop_oldest" {
			for why != "" && l.dropOldest(b, planned) {
				why = l.verdict(b, planned)
			}
		}
		reason = why
		switch {
		case why == "":
			group = append(group, b)
			planned += b.bytes
		case l.s.cfg.WhenFull == "reject":
			b.answer <- fmt.Errorf("%w: %s", ErrFull, why)
		default:
			rest = append(rest, b)
		}
	}
	return group, rest
}

// verdict returns why there is no room for b beside planned bytes; "": there is.
func (l *limits) verdict(b *batch, planned int64) string {
	if why := l.full(b.bytes + planned); why != "" {
		l.s.commit.giveBack()
		return why
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	for _, src := range b.outputs {
		// What is larger than the limit by itself must pass some time.
		if src.pending.bytes+b.bytes+planned > src.limit && src.pending.chunks > 0 {
			return fmt.Sprintf("%d bytes wait for output %s, whose max_queue_size is %d", src.pending.bytes, src.name, src.limit)
		}
	}
	return ""
}

// full returns why there is no room for n bytes at all.
func (l *limits) full(n int64) string {
	l.s.mu.Lock()
	used, pending := l.s.disk, l.s.pending
	l.s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.s.now()
	switch {
	case l.failure != nil && now.Before(l.retry):
		return l.failure.Error()
	case used+n > l.max && pending > 0:
		return fmt.Sprintf("%d bytes are used, buffer.max_size is %d", used, l.max)
	default:
		l.ask(now, n)
		if l.free-l.since < l.minFree {
			l.asked = time.Time{}
			l.ask(now, n) // not from memory
			if l.free-n < l.minFree {
				return fmt.Sprintf("%d bytes of the disk are free, buffer.min_free_disk keeps %d", l.free, l.minFree)
			}
		}
	}
	return ""
}

// ask refreshes free where it is old or much was stored since. l.mu is held.
func (l *limits) ask(now time.Time, n int64) {
	if now.Sub(l.asked) < pollFull && l.since+n < pollBytes && !now.Before(l.asked) {
		l.since += n
		return
	}
	free, _, err := freeDisk(l.s.dir)
	if err != nil {
		free = 0 // a disk that doesn't answer has no room
	}
	l.free, l.asked, l.since = free, now, 0
}

// giveBack ends the current segment when there is no room, so that its disk comes back as soon as
// it is read. It runs in the committer's goroutine.
func (c *committer) giveBack() {
	if c.current != nil {
		c.seal()
	}
}

// dropOldest drops what has waited longest to make room for b: of an output over its limit, a chunk
// of the cluster that has most waiting; else the oldest segment. False: there is nothing to drop.
func (l *limits) dropOldest(b *batch, planned int64) bool {
	s := l.s
	if l.full(b.bytes+planned) == "" {
		s.mu.Lock()
		var over *source
		for _, src := range b.outputs {
			if src.pending.bytes+b.bytes+planned > src.limit {
				over = src
			}
		}
		s.mu.Unlock()
		return over != nil && s.dropChunk(over)
	}
	if !l.dropHelps() {
		return false
	}
	s.mu.Lock()
	if len(s.segs) == 0 || !s.segs[0].sealed {
		s.mu.Unlock()
		return false
	}
	seg := s.segs[0]
	var n int64
	for lane := range seg.sum {
		n += s.uncount(lane, seg)
	}
	s.mu.Unlock()
	s.remove([]*segment{seg})
	s.log.Warn().Str("segment", seg.path).Int64("chunks", n).Msg("queue is full: dropped the oldest segment")
	return true
}

// dropHelps says whether more room is what is missing, and lets a write that failed for want of it
// be tried again.
func (l *limits) dropHelps() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil && l.s.now().Before(l.retry) {
		if !errors.Is(l.failure, syscall.ENOSPC) && !errors.Is(l.failure, syscall.EDQUOT) {
			return false
		}
		l.failure = nil
	}
	return true
}

// dropChunk drops the oldest chunk of the output's largest cluster.
func (s *Store) dropChunk(src *source) bool {
	for {
		s.mu.Lock()
		var l *lane
		for _, o := range src.lanes {
			if int64(len(o.flying)) < o.pending.chunks && (l == nil || o.pending.bytes > l.pending.bytes) {
				l = o
			}
		}
		if l == nil || s.closed {
			s.mu.Unlock()
			return false
		}
		seg, i := l.first()
		switch {
		case seg == nil:
			s.mu.Unlock()
			return false
		case !seg.loaded:
			s.mu.Unlock()
			s.load(seg)
			continue
		}
		e := seg.entries[i]
		l.dropped.add(e.events, e.size)
		s.finish(l, seg, seg.first+uint64(e.seq), e.events, e.size)
		s.mu.Unlock()
		return true
	}
}
