package buffer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"syscall"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

// Filter chooses letters; what is empty chooses all.
type Filter struct {
	Output, Cluster, Reason string
	NoOutput                bool // only letters that were refused before any output
	Tag                     func(tag string) bool
	Since, Until            time.Time // refused in [Since, Until)
	IDs                     []uint64
	upTo                    uint64 // numbers; 0: all
}

// keys says whether f chooses by what letters are counted by alone.
func (f *Filter) keys() bool {
	return f.Tag == nil && f.Since.IsZero() && f.Until.IsZero() && len(f.IDs) == 0
}

func (f *Filter) fitsKey(k DeadKey) bool {
	return (f.Output == "" || f.Output == k.Output) && (!f.NoOutput || k.Output == "") &&
		(f.Cluster == "" || f.Cluster == k.Cluster) && (f.Reason == "" || f.Reason == k.Reason)
}

func (f *Filter) fitsID(id uint64) bool {
	return (f.upTo == 0 || id <= f.upTo) && (len(f.IDs) == 0 || slices.Contains(f.IDs, id))
}

func (f *Filter) fits(l *Letter) bool {
	return f.fitsKey(DeadKey{l.Output, l.Cluster, l.Reason}) && (f.Tag == nil || f.Tag(l.Tag)) &&
		(f.Since.IsZero() || !l.Time.Before(f.Since)) && (f.Until.IsZero() || l.Time.Before(f.Until))
}

// fitsFile says whether d may hold a letter that f chooses, as far as its summary tells.
func (f *Filter) fitsFile(d *deadFile) bool {
	if d.letters == 0 || f.upTo != 0 && d.first > f.upTo || !f.Since.IsZero() && d.newest.Before(f.Since) {
		return false
	}
	if len(f.IDs) > 0 && !slices.ContainsFunc(f.IDs, func(id uint64) bool { return id >= d.first && id <= d.last }) {
		return false
	}
	for k := range d.count {
		if f.fitsKey(k) {
			return true
		}
	}
	return false
}

// Page is a part of a listing.
type Page struct {
	After  uint64 // only letters behind the one of this number, in the listing's order; 0: from its begin
	Newest bool   // the newest come first
	Limit  int    // letters at most
	Bytes  int    // of entries, after which the page ends; 0: no bound
	Bare   bool   // without Entry
}

// Page returns letters that fit the filter and says whether more may follow: pass the last one's ID
// to go on. Adding letters waits no longer than it takes to look through one file.
func (d *DeadLetters) Page(ctx context.Context, filter Filter, p Page) (letters []Letter, more bool, err error) {
	bytes := 0
	err = d.each(ctx, &filter, p, func(l *Letter) bool {
		letters = append(letters, *l)
		bytes += len(l.Entry)
		more = len(letters) >= p.Limit || p.Bytes > 0 && bytes >= p.Bytes
		return !more
	})
	return letters, more, err
}

// List returns letters that fit the filter, at most limit, from the number after on: to page
// through them, pass the last one's ID.
func (d *DeadLetters) List(ctx context.Context, filter Filter, after uint64, limit int) ([]Letter, error) {
	letters, _, err := d.Page(ctx, filter, Page{After: after, Limit: limit})
	return letters, err
}

// DeadCount is a number of letters and of their events.
type DeadCount struct{ Letters, Events int64 }

// Count returns how many letters fit the filter, and when the first and the last of them were refused.
func (d *DeadLetters) Count(ctx context.Context, filter Filter) (by map[DeadKey]DeadCount, oldest, newest time.Time, err error) {
	by = map[DeadKey]DeadCount{}
	err = d.each(ctx, &filter, Page{Bare: true}, func(l *Letter) bool {
		k := DeadKey{l.Output, l.Cluster, l.Reason}
		n := by[k]
		by[k] = DeadCount{n.Letters + 1, n.Events + int64(l.Events)}
		if oldest.IsZero() || l.Time.Before(oldest) {
			oldest = l.Time
		}
		if l.Time.After(newest) {
			newest = l.Time
		}
		return true
	})
	return by, oldest, newest, err
}

// each calls fn for every letter that fits until fn returns false. fn must not use d.
func (d *DeadLetters) each(ctx context.Context, filter *Filter, p Page, fn func(*Letter) bool) error {
	for at, on := p.After, true; on; {
		var err error
		if at, on, err = d.eachOfNext(ctx, filter, p, at, fn); err != nil {
			return err
		}
	}
	return nil
}

// eachOfNext is each for the next file behind the number at. It returns the file's last number in
// the order of p, and whether to go on.
func (d *DeadLetters) eachOfNext(ctx context.Context, filter *Filter, p Page, at uint64, fn func(*Letter) bool) (uint64, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, false, ErrClosed
	}
	f := d.next(filter, p.Newest, at)
	if f == nil {
		return 0, false, nil
	}
	on := true
	if err := d.read(f, func(letters []rawLetter) error {
		i := sort.Search(len(letters), func(i int) bool { return letters[i].number > at })
		step := 1
		if p.Newest {
			step = -1
			if i = len(letters) - 1; at > 0 {
				i = sort.Search(len(letters), func(i int) bool { return letters[i].number >= at }) - 1
			}
		}
		for ; i >= 0 && i < len(letters) && on; i += step {
			if err := ctx.Err(); err != nil {
				return err
			}
			raw := letters[i]
			if !filter.fitsID(raw.number) {
				continue
			}
			l, err := decodeLetter(letterKey(raw.number), raw.value, false)
			if err == nil && filter.fits(&l) {
				if !p.Bare {
					l, err = decodeLetter(letterKey(raw.number), raw.value, true)
				}
				on = err == nil && fn(&l)
				at = raw.number // where a second look goes on
			}
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return 0, false, fmt.Errorf("list dead letters in %s: %w", f.path, err)
	}
	if p.Newest {
		return f.first, on, nil
	}
	return f.last, on, nil
}

// read calls fn with what f holds. Where that turns out to be damaged, f is repaired and fn called again.
// d.mu is held.
func (d *DeadLetters) read(f *deadFile, fn func([]rawLetter) error) error {
	try := func() error {
		letters, err := readLetters(f)
		if err != nil {
			return err
		}
		return fn(letters)
	}
	damaged := func(err error) bool { return errors.Is(err, boltfile.ErrDamaged) || errors.Is(err, syscall.EIO) }
	err := try()
	if damaged(err) {
		err = try() // a disk may read at the second try
	}
	if !damaged(err) {
		return err
	}
	if err = d.repair(f, err, true); err != nil || !slices.Contains(d.files, f) {
		return err
	}
	return try()
}

// next returns the file behind the number at that may hold letters that fit, nil where there is none.
func (d *DeadLetters) next(filter *Filter, newest bool, at uint64) *deadFile {
	if newest {
		for _, f := range slices.Backward(d.files) {
			if (at == 0 || f.first < at) && filter.fitsFile(f) {
				return f
			}
		}
		return nil
	}
	for _, f := range d.files {
		if f.last > at && filter.fitsFile(f) {
			return f
		}
	}
	return nil
}

// ErrNoLetter is returned for a number that no dead letter has.
var ErrNoLetter = errors.New("no such dead letter")

// Get returns the letter of that number.
func (d *DeadLetters) Get(ctx context.Context, id uint64) (Letter, error) {
	if id == 0 {
		return Letter{}, ErrNoLetter
	}
	found, err := d.List(ctx, Filter{IDs: []uint64{id}}, id-1, 1)
	switch {
	case err != nil:
		return Letter{}, err
	case len(found) == 0:
		return Letter{}, fmt.Errorf("%w: %d", ErrNoLetter, id)
	}
	return found[0], nil
}

// Stats returns a snapshot.
func (d *DeadLetters) Stats() DeadStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := DeadStats{Events: map[DeadKey]int64{}, Evicted: d.evicted, Retried: d.retried, Purged: d.purged, SetAside: d.aside, Lost: d.lost}
	for _, f := range d.files {
		s.Letters += int64(f.letters)
		s.Bytes += f.disk
		for k, n := range f.count {
			s.Events[k] += n
		}
		if s.Oldest.IsZero() && f.letters > 0 {
			s.Oldest = time.UnixMicro(int64(f.first))
		}
	}
	return s
}
