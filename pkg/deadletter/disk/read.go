package disk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"syscall"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// mayHold reports whether d may hold a letter that f chooses, as far as its summary tells.
func (d *file) mayHold(f *deadletter.Filter) bool {
	if d.letters == 0 || f.UpTo != 0 && d.first > f.UpTo || !f.Since.IsZero() && d.newest.Before(f.Since) {
		return false
	}
	if len(f.IDs) > 0 && !slices.ContainsFunc(f.IDs, func(id uint64) bool { return id >= d.first && id <= d.last }) {
		return false
	}
	for k := range d.count {
		if f.FitsKey(k) {
			return true
		}
	}
	return false
}

// Page returns letters that fit the filter and reports whether more may follow: pass the last one's ID
// to go on. Adding letters waits no longer than it takes to look through one file.
func (d *Store) Page(
	ctx context.Context, filter deadletter.Filter, p deadletter.Page,
) (letters []deadletter.Letter, more bool, err error) {
	bytes := 0
	err = d.each(ctx, &filter, p, func(l *deadletter.Letter) bool {
		letters = append(letters, *l)
		bytes += len(l.Entry)
		more = len(letters) >= p.Limit || p.Bytes > 0 && bytes >= p.Bytes
		return !more
	})
	return letters, more, err
}

// List returns letters that fit the filter, at most limit, from the number after on: to page
// through them, pass the last one's ID.
func (d *Store) List(
	ctx context.Context, filter deadletter.Filter, after uint64, limit int,
) ([]deadletter.Letter, error) {
	letters, _, err := d.Page(ctx, filter, deadletter.Page{After: after, Limit: limit})
	return letters, err
}

// Count implements deadletter.Store.
func (d *Store) Count(ctx context.Context, filter deadletter.Filter) (counts deadletter.Counts, err error) {
	err = d.each(ctx, &filter, deadletter.Page{Bare: true}, func(l *deadletter.Letter) bool {
		counts.Add(l)
		return true
	})
	return counts, err
}

// each calls fn for every letter that fits until fn returns false. fn must not use d.
func (d *Store) each(
	ctx context.Context, filter *deadletter.Filter, p deadletter.Page, fn func(*deadletter.Letter) bool,
) error {
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
func (d *Store) eachOfNext(
	ctx context.Context, filter *deadletter.Filter, p deadletter.Page, at uint64, fn func(*deadletter.Letter) bool,
) (uint64, bool, error) {
	d.mu.Lock()
	defer d.unlock()
	if d.closed {
		return 0, false, deadletter.ErrClosed
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
			if !filter.FitsID(raw.number) {
				continue
			}
			l, err := decodeLetter(letterKey(raw.number), raw.value, false)
			if err == nil && filter.Fits(&l) {
				if !p.Bare {
					l, err = decodeLetter(letterKey(raw.number), raw.value, true)
				}
				on = err == nil && fn(&l)
				// A second look goes on here.
				at = raw.number
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
func (d *Store) read(f *file, fn func([]rawLetter) error) error {
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
		// A disk may read at the second try.
		err = try()
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
func (d *Store) next(filter *deadletter.Filter, newest bool, at uint64) *file {
	if newest {
		for _, f := range slices.Backward(d.files) {
			if (at == 0 || f.first < at) && f.mayHold(filter) {
				return f
			}
		}
		return nil
	}
	for _, f := range d.files {
		if f.last > at && f.mayHold(filter) {
			return f
		}
	}
	return nil
}

// Get returns the letter of that number.
func (d *Store) Get(ctx context.Context, id uint64) (deadletter.Letter, error) {
	if id == 0 {
		return deadletter.Letter{}, deadletter.ErrNotFound
	}
	found, err := d.List(ctx, deadletter.Filter{IDs: []uint64{id}}, id-1, 1)
	switch {
	case err != nil:
		return deadletter.Letter{}, err
	case len(found) == 0:
		return deadletter.Letter{}, fmt.Errorf("%w: %d", deadletter.ErrNotFound, id)
	}
	return found[0], nil
}

// Stats implements deadletter.Store: it returns what the last change has left, and waits for none that is under way.
func (d *Store) Stats() deadletter.Stats {
	s := *d.stats.Load()
	s.Events = maps.Clone(s.Events)
	return s
}

// unlock ends what d.mu was taken for, and makes the state known.
func (d *Store) unlock() {
	d.publish()
	d.mu.Unlock()
}

// publish makes the state known. d.mu is held.
func (d *Store) publish() {
	s := deadletter.Stats{
		Events: map[deadletter.Key]int64{}, Evicted: d.gone.evicted, Retried: d.gone.retried, Purged: d.gone.purged,
		SetAside: d.gone.aside,
		Lost:     d.gone.lost,
	}
	for _, f := range d.files {
		s.Letters += int64(f.letters)
		s.Bytes += f.disk
		for k, n := range f.count {
			s.Events[k] += n
		}
		if s.Oldest.IsZero() && f.letters > 0 {
			s.Oldest = time.UnixMicro(int64(f.first))
		}
		if f.letters > 0 && f.newest.After(s.Newest) {
			s.Newest = f.newest
		}
	}
	d.stats.Store(&s)
}
