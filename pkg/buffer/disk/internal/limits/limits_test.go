package limits

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// disk is a queue on a disk of 1000 MiB, of which 500 are free, at a time that the test sets.
type disk struct {
	dir           string
	now           time.Time
	bytes, chunks int64
	gone          error
}

const mib = 1 << 20

func (d *disk) limits(t *testing.T, to buffer.Limits) *Limits {
	t.Helper()
	d.dir, d.now = filepath.Join(t.TempDir(), "queue"), time.Unix(1_800_000_000, 0)
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := New(Queue{
		Dir: d.dir, Now: func() time.Time { return d.now },
		Used: func() (bytes, chunks int64) { return d.bytes, d.chunks },
		Gone: func() error { return d.gone },
	}, 0, to)
	if err != nil {
		t.Fatal(err)
	}
	l.total, l.free, l.auto = 1000*mib, 500*mib, 400*mib
	l.Set(to)
	return l
}

// Four fifths of what is free and of what the queue has is max_size where nobody has said.
func TestAutoSize(t *testing.T) {
	now := func() time.Time { return time.Unix(1, 0) }
	for _, used := range []int64{0, 1, 10, 12345678901} {
		l, err := New(Queue{Dir: t.TempDir(), Now: now}, used, buffer.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		free, _, size := l.Disk()
		if want := (free + used) / 10 * 8; size != want {
			t.Errorf("%d bytes used, %d free: max_size is %d, want %d", used, free, size, want)
		}
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := New(Queue{Dir: missing, Now: now}, 0, buffer.Limits{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// What is set is bent to what the disk and the queue can bear.
func TestSet(t *testing.T) {
	for _, tc := range []struct {
		name                   string
		to                     buffer.Limits
		size, minFree, segment int64
	}{
		{"nothing", buffer.Limits{}, 400 * mib, 0, mib},
		{"below nothing", buffer.Limits{MaxSize: -1}, 400 * mib, 0, mib},
		{"more than the disk has", buffer.Limits{MaxSize: 5000 * mib}, 5000 * mib, 0, mib},
		{"a byte", buffer.Limits{MaxSize: 1, SegmentSize: 64 * mib}, 1, 0, mib},
		{"a tenth of the disk stays free", buffer.Limits{MinFreeDisk: 100 * mib}, 400 * mib, 100 * mib, mib},
		{"more would make a small disk useless", buffer.Limits{MinFreeDisk: 100*mib + 1}, 400 * mib, 100 * mib, mib},
		{"less", buffer.Limits{MinFreeDisk: 100*mib - 1}, 400 * mib, 100*mib - 1, mib},
		{"eight segments", buffer.Limits{MaxSize: 512 * mib, SegmentSize: 64 * mib}, 512 * mib, 0, 64 * mib},
		{"not fewer", buffer.Limits{MaxSize: 512*mib - 8, SegmentSize: 64 * mib}, 512*mib - 8, 0, 64*mib - 1},
		{"more of them", buffer.Limits{MaxSize: 512 * mib, SegmentSize: 2 * mib}, 512 * mib, 0, 2 * mib},
		{"a small segment", buffer.Limits{SegmentSize: mib - 1}, 400 * mib, 0, mib},
		{"of an eighth of what is chosen", buffer.Limits{SegmentSize: 64 * mib}, 400 * mib, 0, 50 * mib},
		{"a large segment", buffer.Limits{MaxSize: 9 << 40, SegmentSize: 1<<30 + 1}, 9 << 40, 0, 1 << 30},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := (&disk{}).limits(t, tc.to)
			free, minFree, size := l.Disk()
			if free != 500*mib || minFree != tc.minFree || size != tc.size {
				t.Errorf("free %d, keeps %d, max_size %d; want %d, %d", free, minFree, size, tc.minFree, tc.size)
			}
			if got := l.SegmentSize(); got != tc.segment {
				t.Errorf("segments of %d, want %d", got, tc.segment)
			}
		})
	}
}

// A cluster's own when_full holds, and else that of all; what is set later counts from then on.
func TestPolicyOf(t *testing.T) {
	l := (&disk{}).limits(t, buffer.Limits{
		WhenFull: "block", ClusterWhenFull: map[string]string{"a": "reject", "b": "drop_oldest", "c": ""},
	})
	for cluster, want := range map[string]string{"a": "reject", "b": "drop_oldest", "c": "block", "d": "block"} {
		if got := l.PolicyOf(cluster); got != want {
			t.Errorf("cluster %s: %s, want %s", cluster, got, want)
		}
	}
	l.Set(buffer.Limits{WhenFull: "drop_oldest"})
	if all, a := l.Policy(), l.PolicyOf("a"); all != "drop_oldest" || a != "drop_oldest" {
		t.Errorf("after it was set anew: %s, cluster a %s", all, a)
	}
}

// Each limit at its last byte, and past it, and which of several reasons is told.
func TestFull(t *testing.T) {
	to := buffer.Limits{MaxSize: 100 * mib, MinFreeDisk: 50 * mib}
	const (
		overMax  = "104857600 bytes are used, buffer.max_size is 104857600"
		overFree = "52428800 bytes of the disk are free, buffer.min_free_disk keeps 52428800"
	)
	failed := errors.New("write failed")
	for _, tc := range []struct {
		name          string
		bytes, chunks int64
		n             int64
		with          func(*disk, *Limits)
		why, above    string // above is what DiskFull says
	}{
		{name: "an empty queue", n: 100 * mib},
		{name: "up to max_size", bytes: 99 * mib, chunks: 1, n: mib},
		{name: "over it", bytes: 100 * mib, chunks: 1, n: 1, why: overMax},
		{name: "at it", bytes: 100 * mib, chunks: 1},
		{name: "nothing waits, so the first is let in", bytes: 100 * mib, n: 300 * mib},
		{name: "the last byte of the disk that may be used", n: 450 * mib},
		{
			name: "one byte more", n: 450*mib + 1,
			why:   "524288000 bytes of the disk are free, buffer.min_free_disk keeps 52428800",
			above: "524288000 bytes of the disk are free, buffer.min_free_disk keeps 52428800",
		},
		{
			name: "the disk has as much as must stay", with: func(_ *disk, l *Limits) { l.free = 50 * mib },
		},
		{
			name: "and less by what comes", n: 1, with: func(_ *disk, l *Limits) { l.free = 50 * mib },
			why: overFree, above: overFree,
		},
		{
			name: "and less by what came", with: func(_ *disk, l *Limits) { l.free = 50 * mib; l.Stored(1) },
			why: overFree, above: overFree,
		},
		{
			name: "max_size comes before the disk", bytes: 100 * mib, chunks: 1, n: 1,
			with: func(_ *disk, l *Limits) { l.free = 50 * mib }, why: overMax, above: overFree,
		},
		{
			name: "a failed write comes before both", bytes: 100 * mib, chunks: 1, n: 1,
			with: func(_ *disk, l *Limits) { l.Failed(failed) }, why: "write failed", above: "write failed",
		},
		{
			name: "a lost directory before all",
			with: func(d *disk, l *Limits) { l.Failed(failed); d.gone = errors.New("it was moved") },
			why:  "it was moved", above: "it was moved",
		},
		{
			name: "a disk that does not answer",
			with: func(_ *disk, l *Limits) { l.free, l.silent = 0, errors.New("no answer") },
			why:  "no answer", above: "no answer",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &disk{bytes: tc.bytes, chunks: tc.chunks}
			l := d.limits(t, to)
			if tc.with != nil {
				tc.with(d, l)
			}
			if why, _ := l.Full(tc.n); why != tc.why {
				t.Errorf("full: %q, want %q", why, tc.why)
			}
			if why, _ := l.DiskFull(tc.n); why != tc.above {
				t.Errorf("above max_size: %q, want %q", why, tc.above)
			}
		})
	}
}

// When the disk has to be asked again before what memory says can be relied on.
func TestOld(t *testing.T) {
	for _, tc := range []struct {
		name   string
		passed time.Duration
		stored []int
		free   int64
		old    bool
	}{
		{name: "at once", free: 500 * mib},
		{name: "just before the second is over", passed: PollFull - 1, free: 500 * mib},
		{name: "then", passed: PollFull, free: 500 * mib, old: true},
		{name: "the clock was set back", passed: -1, free: 500 * mib, old: true},
		{name: "before eight MiB were stored", stored: []int{4 << 20, 4<<20 - 1}, free: 500 * mib},
		{name: "then, too", stored: []int{4 << 20, 4 << 20}, free: 500 * mib, old: true},
		{name: "no room, as the disk itself has said", free: -1},
		{name: "no room, as far as is known", stored: []int{1}, free: 0, old: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &disk{}
			l := d.limits(t, buffer.Limits{})
			l.free, d.now = tc.free, d.now.Add(tc.passed)
			for _, n := range tc.stored {
				l.Stored(n)
			}
			why, old := l.Full(0)
			if old != tc.old || (why != "") != (tc.free <= 0) {
				t.Errorf("%q, old %v; want %v", why, old, tc.old)
			}
			if l.Refresh(); old {
				if why, old = l.Full(0); old || why != "" {
					t.Errorf("the disk has been asked: %q, old %v", why, old)
				}
			}
		})
	}
}

// A disk that cannot be asked has no room, until it answers again.
func TestSilentDisk(t *testing.T) {
	d := &disk{}
	l := d.limits(t, buffer.Limits{})
	if err := os.Remove(d.dir); err != nil {
		t.Fatal(err)
	}
	l.Refresh()
	want := fmt.Sprintf("ask for the free space of %s: %v", d.dir, syscall.ENOENT)
	if why, old := l.Full(0); why != want || old {
		t.Errorf("%q, old %v; want %q", why, old, want)
	}
	if free, _, _ := l.Disk(); free != 500*mib {
		t.Errorf("%d bytes are free, want what was known", free)
	}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l.Refresh()
	if why, old := l.Full(0); why != "" || old {
		t.Errorf("it answers: %q, old %v", why, old)
	}
}

// A write that has failed is let be for a second, and then the disk is asked before the next.
func TestFailed(t *testing.T) {
	d := &disk{}
	l := d.limits(t, buffer.Limits{})
	l.Failed(errors.New("broken"))
	for _, tc := range []struct {
		passed time.Duration
		why    string
		old    bool
	}{
		{0, "broken", false}, {PollFull - 1, "broken", false}, {PollFull, "", true},
	} {
		d.now = time.Unix(1_800_000_000, 0).Add(tc.passed)
		if why, old := l.Full(0); why != tc.why || old != tc.old {
			t.Errorf("after %v: %q, old %v", tc.passed, why, old)
		}
	}
}

// To drop the oldest makes room, and nothing else.
func TestDropHelps(t *testing.T) {
	for _, tc := range []struct {
		name    string
		failure error
		passed  time.Duration
		helps   bool
		why     string // afterwards
	}{
		{"nothing has failed", nil, 0, true, ""},
		{"no space", fmt.Errorf("write: %w", syscall.ENOSPC), 0, true, ""},
		{"no quota", fmt.Errorf("write: %w", syscall.EDQUOT), 0, true, ""},
		{"another failure", syscall.EIO, 0, false, syscall.EIO.Error()},
		{"one that is to be tried again anyway", syscall.EIO, PollFull, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &disk{}
			l := d.limits(t, buffer.Limits{})
			if tc.failure != nil {
				l.Failed(tc.failure)
			}
			d.now = d.now.Add(tc.passed)
			if got := l.DropHelps(); got != tc.helps {
				t.Errorf("helps: %v", got)
			}
			if why, _ := l.Full(0); why != tc.why {
				t.Errorf("afterwards %q, want %q", why, tc.why)
			}
		})
	}
}

// What was noted of those that wait is told as long as some do, and what holds for all comes first.
func TestWhy(t *testing.T) {
	d := &disk{}
	l := d.limits(t, buffer.Limits{})
	if why := l.Why(1); why != "" {
		t.Errorf("nothing was noted: %q", why)
	}
	l.Note("the cluster has its share")
	if why := l.Why(0); why != "" {
		t.Errorf("nobody waits: %q", why)
	}
	if why := l.Why(1); why != "the cluster has its share" {
		t.Errorf("one waits: %q", why)
	}
	d.gone = errors.New("it was moved")
	for waiting := range 2 {
		if why := l.Why(waiting); why != "it was moved" {
			t.Errorf("%d wait: %q", waiting, why)
		}
	}
	d.gone = nil
	if l.Note(""); l.Why(1) != "" {
		t.Errorf("it could be stored: %q", l.Why(1))
	}
}
