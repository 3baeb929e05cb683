package buffer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// List returns letters that fit the filter, at most limit, from the number after on: to page
// through them, pass the last one's ID.
func (d *DeadLetters) List(ctx context.Context, filter Filter, after uint64, limit int) ([]Letter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []Letter
	for _, f := range d.files {
		if f.letters == 0 || f.last <= after || len(found) >= limit {
			continue
		}
		err := d.view(f, func(tx *bbolt.Tx) error {
			c := tx.Bucket([]byte(lettersBucket)).Cursor()
			for k, v := c.Seek(letterKey(after + 1)); k != nil && len(found) < limit; k, v = c.Next() {
				if err := ctx.Err(); err != nil {
					return err
				}
				l, err := decodeLetter(k, v, true)
				if err != nil {
					return err
				}
				if filter.fits(&l) {
					found = append(found, l)
				}
			}
			return nil
		})
		if err != nil {
			return found, fmt.Errorf("list dead letters in %s: %w", f.path, err)
		}
	}
	return found, nil
}

// ErrNoLetter is returned for a number that no dead letter has.
var ErrNoLetter = errors.New("no such dead letter")

// Get returns the letter of that number.
func (d *DeadLetters) Get(ctx context.Context, id uint64) (Letter, error) {
	if id == 0 {
		return Letter{}, ErrNoLetter
	}
	found, err := d.List(ctx, Filter{}, id-1, 1)
	switch {
	case err != nil:
		return Letter{}, err
	case len(found) == 0 || found[0].ID != id:
		return Letter{}, fmt.Errorf("%w: %d", ErrNoLetter, id)
	}
	return found[0], nil
}

// Delete removes the letters of these numbers and returns how many there were. It is on disk when
// it returns.
func (d *DeadLetters) Delete(ctx context.Context, ids ...uint64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, f := range slices.Clone(d.files) {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		mine := slices.DeleteFunc(slices.Clone(ids), func(id uint64) bool { return id < f.first || id > f.last })
		if len(mine) == 0 {
			continue
		}
		gone, err := d.deleteIn(f, mine)
		if err != nil {
			return n, fmt.Errorf("delete dead letters in %s: %w", f.path, err)
		}
		n += gone
		if f.letters == 0 {
			d.discard(f)
		}
	}
	return n, nil
}

func (d *DeadLetters) deleteIn(f *deadFile, ids []uint64) (gone int, err error) {
	db := d.db
	if db == nil || d.files[len(d.files)-1] != f {
		if err := guard(func() (err error) { db, err = openDead(f.path); return err }); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, guard(db.Close)) }()
	}
	next := f.clone()
	err = guard(func() error {
		return db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(lettersBucket))
			for _, id := range ids {
				v := b.Get(letterKey(id))
				if v == nil {
					continue
				}
				l, err := decodeLetter(letterKey(id), v, false)
				if err != nil {
					return err
				}
				next.sub(&l)
				if err := b.Delete(letterKey(id)); err != nil {
					return err
				}
			}
			return tx.Bucket([]byte(summaryBucket)).Put([]byte(summaryBucket), next.encode())
		})
	})
	if err != nil {
		return 0, err
	}
	gone = f.letters - next.letters
	*f = *next
	return gone, nil
}

// Stats returns a snapshot.
func (d *DeadLetters) Stats() DeadStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := DeadStats{Events: map[DeadKey]int64{}, Evicted: d.evicted, SetAside: d.aside}
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
