// Package limits decides whether there is room in the queue: below its limits, and on the disk.
package limits

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
	// PollFull is how often the disk is asked for room while there is none, and how long a failed
	// write is let be before the next try.
	PollFull = time.Second
	// pollBytes is after how many stored bytes the disk is asked at the latest.
	pollBytes = 8 << 20
)

// Queue is what the limits ask about the queue. None of it waits for a disk.
type Queue struct {
	Dir string
	Now func() time.Time
	// Used is what all segments take, and how many chunks wait.
	Used func() (bytes, chunks int64)
	// Gone is why nothing can be stored in Dir any more; nil: it can.
	Gone func() error
}

// Limits decides whether there is room. Sizes are measured on the disk. Safe for concurrent use.
type Limits struct {
	queue Queue
	// auto is max where max_size is 0.
	auto int64
	// total is that of the disk.
	total int64

	mu sync.Mutex
	// max counts bytes of all segments.
	max      int64
	minFree  int64
	segment  int64
	whenFull string
	// ofCluster is whenFull of those that have their own.
	ofCluster map[string]string
	// free is when last asked.
	free int64
	// silent is why the disk did not answer then.
	silent error
	asked  time.Time
	// since counts bytes stored since.
	since int64
	// failure is that of the last write, until retry.
	failure error
	retry   time.Time
	// reason is why nothing that waits could be stored when it was looked at last.
	reason atomic.Pointer[string]
}

// New asks the disk for its free space. The queue's functions are not called before a method of the Limits is.
func New(q Queue, used int64, to buffer.Limits) (*Limits, error) {
	free, total, err := boltfile.FreeDisk(q.Dir)
	if err != nil {
		return nil, err
	}
	l := &Limits{queue: q, auto: (free + used) / 10 * 8, total: total, free: free, asked: q.Now()}
	l.Set(to)
	l.Note("")
	return l, nil
}

// Set replaces the limits.
func (l *Limits) Set(to buffer.Limits) {
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

// SegmentSize returns at how many bytes of chunks a segment is full.
func (l *Limits) SegmentSize() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segment
}

// Policy returns when_full.
func (l *Limits) Policy() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.whenFull
}

// PolicyOf returns when_full for a cluster.
func (l *Limits) PolicyOf(cluster string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own := l.ofCluster[cluster]; own != "" {
		return own
	}
	return l.whenFull
}

// Note notes why nothing that waits could be stored; "": it could.
func (l *Limits) Note(why string) {
	l.reason.Store(&why)
}

// Why returns why nothing can be stored, "" where it can.
func (l *Limits) Why(waiting int) string {
	if why, _ := l.Full(0); why != "" || waiting == 0 {
		return why
	}
	return *l.reason.Load()
}

// Failed notes that a write failed.
func (l *Limits) Failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure, l.retry = err, l.queue.Now().Add(PollFull)
	l.asked = time.Time{}
}

// Full returns why there is no room for n bytes at all, as far as memory tells. old: the disk has to be asked again, by
// Refresh, before that can be relied on.
func (l *Limits) Full(n int64) (why string, old bool) { return l.full(n, false) }

// DiskFull is Full for what may be stored above max_size, since it takes the place of what is stored already.
func (l *Limits) DiskFull(n int64) (why string, old bool) { return l.full(n, true) }

func (l *Limits) full(n int64, above bool) (why string, old bool) {
	used, pending := l.queue.Used()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.queue.Now()
	switch gone := l.queue.Gone(); {
	case gone != nil:
		return gone.Error(), false
	case l.failure != nil && now.Before(l.retry):
		return l.failure.Error(), false
	case used+n > l.max && pending > 0 && !above:
		return fmt.Sprintf("%d bytes are used, buffer.max_size is %d", used, l.max), false
	}
	old = now.Sub(l.asked) >= PollFull || l.since >= pollBytes || now.Before(l.asked)
	switch {
	case l.silent != nil:
		return l.silent.Error(), old
	case l.free-l.since-n < l.minFree:
		return fmt.Sprintf("%d bytes of the disk are free, buffer.min_free_disk keeps %d", l.free, l.minFree), old ||
			l.since > 0
	}
	return "", old
}

// Refresh asks the disk for its free space. It waits for the disk, so no lock that others wait for may be held.
func (l *Limits) Refresh() {
	now := l.queue.Now()
	free, _, err := boltfile.FreeDisk(l.queue.Dir)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silent = err; err == nil {
		l.free = free
	}
	l.asked, l.since = now, 0
}

// Stored notes that n bytes were written since the disk was asked.
func (l *Limits) Stored(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since += int64(n)
}

// DropHelps reports whether more room is what is missing, and lets a write that failed for want of it
// be tried again.
func (l *Limits) DropHelps() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil && l.queue.Now().Before(l.retry) {
		if !errors.Is(l.failure, syscall.ENOSPC) && !errors.Is(l.failure, syscall.EDQUOT) {
			return false
		}
		l.failure = nil
	}
	return true
}

// Disk returns the disk's free bytes when it was last asked, how many of them are to stay free, and the most bytes that
// all segments may take.
func (l *Limits) Disk() (free, minFree, maxSize int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free, l.minFree, l.max
}
