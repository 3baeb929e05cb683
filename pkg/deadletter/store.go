package deadletter

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Store keeps dead letters. It lives where its queue lives, and closes with it. Safe for concurrent use.
//
// Numbers ascend in the order of Add, also over restarts and when the clock is set back, and none is used twice. What
// Add or Delete has returned nil for survives SIGKILL and, where the engine syncs, power loss. The oldest letters go by
// themselves when they are over Config's limits, and are counted. What is damaged is set aside, named and counted, and
// never handed out.
type Store interface {
	// Add returns nil once the letters are stored; after an error none or some of them are. It sets IDs, and times
	// where they are zero, but not in the caller's slice. An event that is a letter of its output already, by EventID
	// and Entry, stays the letter that it is, as far as that is remembered. It copies what it keeps.
	Add(ctx context.Context, letters []Letter) error
	// Page returns letters that fit the filter and whether more may follow: pass the last one's ID to go on. They are
	// the caller's.
	Page(ctx context.Context, filter Filter, p Page) (letters []Letter, more bool, err error)
	// Get returns the letter of that number, or ErrNotFound.
	Get(ctx context.Context, id uint64) (Letter, error)
	// Count counts the letters that fit the filter.
	Count(ctx context.Context, filter Filter) (Counts, error)
	// Delete removes the letters of these numbers and returns how many there were. Others are passed over.
	Delete(ctx context.Context, ids ...uint64) (int, error)
	// Purge deletes the letters that fit the filter and are there at its start. It tells after each step how many it
	// has deleted so far; what is deleted stays so after an error. ErrBusy: another purge or requeue is under way.
	Purge(ctx context.Context, filter Filter, progress func(Count)) (Count, error)
	// Exclusive keeps other purges and requeues from the store until release is called, and returns the number of the
	// newest letter, 0 where there is none. ErrBusy: one is under way.
	Exclusive() (upTo uint64, release func(), err error)
	// Requeue lets put bring the letters' events back into the queue, and then deletes the letters. From its call on,
	// an event of theirs that is refused again is a letter of its own. After an error of put no letter is deleted.
	Requeue(ctx context.Context, ids []uint64, put func() error) (Count, error)
	// SetLimits changes the limits; what is over them goes.
	SetLimits(to Config)
	// Stats returns a snapshot. It waits for no disk.
	Stats() Stats
}

// Key is what dead letters are counted by.
type Key struct{ Output, Cluster, Reason string }

// Stats sums up the dead letters. Evicted, Retried and Purged are counted since the start.
type Stats struct {
	Letters int64
	Events  map[Key]int64
	// Bytes is on disk.
	Bytes int64
	// Oldest is not later than the oldest letter; zero: there is none.
	Oldest time.Time
	// Newest is not earlier than the newest letter was refused; zero: there is none.
	Newest time.Time
	// Evicted counts events that went because they were too old or too many.
	Evicted int64
	// Retried counts events that went back into the queue.
	Retried int64
	// Purged counts events that somebody deleted.
	Purged int64
	// SetAside counts files found damaged.
	SetAside int
	// Lost counts events of letters that could not be read any more, as far as known.
	Lost int64
}

// Filter chooses letters; what is empty chooses all.
type Filter struct {
	Output, Cluster, Reason string
	// NoOutput leaves only letters that were refused before any output.
	NoOutput bool
	Tag      func(tag string) bool
	// Those refused in [Since, Until) are meant.
	Since, Until time.Time
	IDs          []uint64
	// UpTo is a number; 0: all.
	UpTo uint64
}

// ByKeyOnly reports whether f chooses by what letters are counted by alone.
func (f *Filter) ByKeyOnly() bool {
	return f.Tag == nil && f.Since.IsZero() && f.Until.IsZero() && len(f.IDs) == 0
}

// Bound leaves out letters that are newer than the one of that number.
func (f *Filter) Bound(newest uint64) {
	if f.UpTo == 0 || newest < f.UpTo {
		f.UpTo = newest
	}
}

// FitsKey reports whether letters that are counted under k may fit.
func (f *Filter) FitsKey(k Key) bool {
	return (f.Output == "" || f.Output == k.Output) && (!f.NoOutput || k.Output == "") &&
		(f.Cluster == "" || f.Cluster == k.Cluster) && (f.Reason == "" || f.Reason == k.Reason)
}

// FitsID reports whether a letter of that number may fit.
func (f *Filter) FitsID(id uint64) bool {
	return (f.UpTo == 0 || id <= f.UpTo) && (len(f.IDs) == 0 || slices.Contains(f.IDs, id))
}

// Fits reports whether l fits, whatever its number.
func (f *Filter) Fits(l *Letter) bool {
	return f.FitsKey(Key{l.Output, l.Cluster, l.Reason}) && (f.Tag == nil || f.Tag(l.Tag)) &&
		(f.Since.IsZero() || !l.Time.Before(f.Since)) && (f.Until.IsZero() || l.Time.Before(f.Until))
}

// Page is a part of a listing.
type Page struct {
	// After is the number of a letter, behind which the page begins, in the listing's order; 0: at its beginning.
	After uint64
	// Newest says that the newest come first.
	Newest bool
	// Limit counts letters at most.
	Limit int
	// Bytes is that of entries, after which the page ends; 0: no bound.
	Bytes int
	// Bare leaves Entry out.
	Bare bool
}

// Count is a number of letters and of their events.
type Count struct{ Letters, Events int64 }

// Counts is what some dead letters are: how many of each key, and when the first and the last of them were refused. The
// zero value is that of none.
type Counts struct {
	By             map[Key]Count
	Oldest, Newest time.Time
}

// Add counts one more letter.
func (c *Counts) Add(l *Letter) {
	if c.By == nil {
		c.By = map[Key]Count{}
	}
	k := Key{Output: l.Output, Cluster: l.Cluster, Reason: l.Reason}
	n := c.By[k]
	c.By[k] = Count{Letters: n.Letters + 1, Events: n.Events + int64(l.Events)}
	if c.Oldest.IsZero() || l.Time.Before(c.Oldest) {
		c.Oldest = l.Time
	}
	if l.Time.After(c.Newest) {
		c.Newest = l.Time
	}
}

// ErrNotFound is returned for a number that no dead letter has.
var ErrNotFound = errors.New("no such dead letter")

// ErrBusy is returned while another retry or purge of dead letters runs.
var ErrBusy = errors.New("another retry or purge of dead letters is under way")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("dead letters are closed")
