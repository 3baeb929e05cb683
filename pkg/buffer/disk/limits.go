package disk

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

const (
	// pollFull is how often the disk is asked for room while there is none, and how long a failed
	// write is let be before the next try.
	pollFull = time.Second
	// pollBytes is after how many stored bytes the disk is asked at the latest.
	pollBytes = 8 << 20
)

// limits decides whether there is room. Sizes are measured on the disk.
type limits struct {
	s     *Queue
	auto  int64 // max where max_size is 0
	total int64 // of the disk

	mu        sync.Mutex
	max       int64 // bytes of all segments
	minFree   int64
	segment   int64
	whenFull  string
	ofCluster map[string]string // whenFull of those that have their own
	free      int64             // when last asked
	silent    error             // why the disk did not answer then
	asked     time.Time
	since     int64 // bytes stored since
	failure   error // of the last write, until retry
	retry     time.Time
	reason    atomic.Pointer[string] // why nothing that waits could be stored when it was looked at last
}

func newLimits(s *Queue) (*limits, error) {
	free, total, err := boltfile.FreeDisk(s.dir)
	if err != nil {
		return nil, err
	}
	l := &limits{s: s, auto: (free + s.disk) / 10 * 8, total: total, free: free, asked: s.now()}
	l.set(s.limitsOf)
	l.note("")
	return l, nil
}

func (l *limits) set(to buffer.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max = to.MaxSize; l.max <= 0 {
		l.max = l.auto
	}
	l.minFree = min(to.MinFreeDisk, l.total/10)
	// Room comes back by whole segments: with fewer than eight of them, a full queue would stutter.
	l.segment = max(1<<20, min(to.SegmentSize, l.max/8, 1<<30))
	l.whenFull, l.ofCluster = to.WhenFull, to.ClusterWhenFull
}

func (l *limits) segmentSize() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segment
}

// policy returns when_full.
func (l *limits) policy() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.whenFull
}

// policyOf returns when_full for a cluster.
func (l *limits) policyOf(cluster string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own := l.ofCluster[cluster]; own != "" {
		return own
	}
	return l.whenFull
}

// note notes why nothing that waits could be stored; "": it could.
func (l *limits) note(why string) {
	l.reason.Store(&why)
}

// why returns why nothing can be stored, "" where it can.
func (l *limits) why(waiting int) string {
	if why, _ := l.full(0); why != "" || waiting == 0 {
		return why
	}
	return *l.reason.Load()
}

// failed notes that a write failed.
func (l *limits) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure, l.retry = err, l.s.now().Add(pollFull)
	l.asked = time.Time{}
}

// full returns why there is no room for n bytes at all, as far as memory tells. old: the disk has to be asked again, by
// refresh, before that can be relied on.
func (l *limits) full(n int64) (why string, old bool) {
	l.s.mu.Lock()
	used, pending := l.s.disk, l.s.pending
	l.s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.s.now()
	switch gone := l.s.gone.Load(); {
	case gone != nil:
		return (*gone).Error(), false
	case l.failure != nil && now.Before(l.retry):
		return l.failure.Error(), false
	case used+n > l.max && pending > 0:
		return fmt.Sprintf("%d bytes are used, buffer.max_size is %d", used, l.max), false
	}
	old = now.Sub(l.asked) >= pollFull || l.since >= pollBytes || now.Before(l.asked)
	switch {
	case l.silent != nil:
		return l.silent.Error(), old
	case l.free-l.since-n < l.minFree:
		return fmt.Sprintf("%d bytes of the disk are free, buffer.min_free_disk keeps %d", l.free, l.minFree), old || l.since > 0
	}
	return "", old
}

// refresh asks the disk for its free space. It waits for the disk, so no lock that others wait for may be held.
func (l *limits) refresh() {
	now := l.s.now()
	free, _, err := boltfile.FreeDisk(l.s.dir)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silent = err; err == nil {
		l.free = free
	}
	l.asked, l.since = now, 0
}

// stored notes that n bytes were written since the disk was asked.
func (l *limits) stored(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since += int64(n)
}

// dropHelps reports whether more room is what is missing, and lets a write that failed for want of it
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

// txBytes is how many bytes of chunks a transaction takes.
func (s *Queue) txBytes() int { return int(min(groupBytes, s.commit.limits.segmentSize())) }
