package deadletter

import (
	"errors"
	"slices"
	"time"
)

// Key is what dead letters are counted by.
type Key struct{ Output, Cluster, Reason string }

// Stats sums up the dead letters. Evicted, Retried and Purged are counted since the start.
type Stats struct {
	Letters  int64
	Events   map[Key]int64
	Bytes    int64     // on disk
	Oldest   time.Time // not later than the oldest letter; zero: there is none
	Evicted  int64     // events that went because they were too old or too many
	Retried  int64     // events that went back into the queue
	Purged   int64     // events that somebody deleted
	SetAside int       // files found damaged
	Lost     int64     // events of letters that could not be read any more, as far as known
}

// Filter chooses letters; what is empty chooses all.
type Filter struct {
	Output, Cluster, Reason string
	NoOutput                bool // only letters that were refused before any output
	Tag                     func(tag string) bool
	Since, Until            time.Time // refused in [Since, Until)
	IDs                     []uint64
	UpTo                    uint64 // number; 0: all
}

// ByKeyOnly says whether f chooses by what letters are counted by alone.
func (f *Filter) ByKeyOnly() bool {
	return f.Tag == nil && f.Since.IsZero() && f.Until.IsZero() && len(f.IDs) == 0
}

func (f *Filter) FitsKey(k Key) bool {
	return (f.Output == "" || f.Output == k.Output) && (!f.NoOutput || k.Output == "") &&
		(f.Cluster == "" || f.Cluster == k.Cluster) && (f.Reason == "" || f.Reason == k.Reason)
}

func (f *Filter) FitsID(id uint64) bool {
	return (f.UpTo == 0 || id <= f.UpTo) && (len(f.IDs) == 0 || slices.Contains(f.IDs, id))
}

func (f *Filter) Fits(l *Letter) bool {
	return f.FitsKey(Key{l.Output, l.Cluster, l.Reason}) && (f.Tag == nil || f.Tag(l.Tag)) &&
		(f.Since.IsZero() || !l.Time.Before(f.Since)) && (f.Until.IsZero() || l.Time.Before(f.Until))
}

// Page is a part of a listing.
type Page struct {
	After  uint64 // only letters behind the one of this number, in the listing's order; 0: from its begin
	Newest bool   // the newest come first
	Limit  int    // letters at most
	Bytes  int    // of entries, after which the page ends; 0: no bound
	Bare   bool   // without Entry
}

// Count is a number of letters and of their events.
type Count struct{ Letters, Events int64 }

// ErrNotFound is returned for a number that no dead letter has.
var ErrNotFound = errors.New("no such dead letter")

// ErrBusy is returned while another retry or purge of dead letters runs.
var ErrBusy = errors.New("another retry or purge of dead letters is under way")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("dead letters are closed")
