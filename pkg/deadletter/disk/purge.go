package disk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// purgePage is how many letters a purge deletes in one transaction.
const purgePage = 10_000

// Purge deletes the letters that fit the filter and are there at its start. It tells after each step
// how many it has deleted so far; what is deleted stays so after an error.
func (d *Store) Purge(
	ctx context.Context, filter deadletter.Filter, progress func(deadletter.Count),
) (done deadletter.Count, err error) {
	upTo, release, err := d.Exclusive()
	if err != nil {
		return done, err
	}
	defer release()
	if filter.Bound(upTo); upTo == 0 {
		return done, nil
	}
	step := func(n deadletter.Count) {
		failpoint.Pass("dead.purged")
		done.Letters, done.Events = done.Letters+n.Letters, done.Events+n.Events
		d.mu.Lock()
		d.gone.purged += n.Events
		d.unlock()
		progress(done)
	}
	if filter.ByKeyOnly() {
		step(d.purgeFiles(&filter))
	}
	page := deadletter.Page{Limit: purgePage, Bare: true}
	for more := true; more; {
		var letters []deadletter.Letter
		if letters, more, err = d.Page(ctx, filter, page); err != nil || len(letters) == 0 {
			return done, err
		}
		n, err := d.remove(ctx, numbers(letters), false)
		step(n)
		if err != nil {
			return done, err
		}
		page.After = letters[len(letters)-1].ID
	}
	return done, nil
}

// Exclusive keeps other purges and requeues from d until release is called, and returns the number of the newest
// letter, 0 where there is none. ErrBusy: one is under way.
func (d *Store) Exclusive() (upTo uint64, release func(), err error) {
	if !d.working.TryLock() {
		return 0, nil, deadletter.ErrBusy
	}
	return d.lastID(), d.working.Unlock, nil
}

// Requeue lets put bring the letters' events back into the queue, and then deletes the letters. From its call on, an
// event of theirs that is refused again is a letter of its own. After an error of put no letter is deleted. What is
// deleted stays so after a power loss.
func (d *Store) Requeue(ctx context.Context, ids []uint64, put func() error) (n deadletter.Count, err error) {
	d.forget(ids)
	if err := put(); err != nil {
		return n, err
	}
	n, err = d.remove(context.WithoutCancel(ctx), ids, true)
	if err == nil {
		err = boltfile.SyncDir(d.dir)
	}
	failpoint.Pass("retry.letters.removed")
	d.mu.Lock()
	d.gone.retried += n.Events
	d.unlock()
	if err != nil {
		return n, fmt.Errorf("dead letters are in the queue again, but can't be deleted until the next start: %w", err)
	}
	return n, nil
}

// purgeFiles removes the files of which the filter chooses every letter.
func (d *Store) purgeFiles(filter *deadletter.Filter) (n deadletter.Count) {
	d.mu.Lock()
	defer d.unlock()
	for _, f := range slices.Clone(d.files) {
		whole := f.last <= filter.UpTo && !d.closed
		var events int64
		for k, n := range f.count {
			whole = whole && filter.FitsKey(k)
			events += n
		}
		if whole && d.discard(f) {
			n.Letters, n.Events = n.Letters+int64(f.letters), n.Events+events
		}
	}
	return n
}

// lastID returns the number of the newest letter, 0 where there is none.
func (d *Store) lastID() uint64 {
	d.mu.Lock()
	defer d.unlock()
	id := uint64(0)
	for _, f := range d.files {
		id = max(id, f.last)
	}
	return id
}

func numbers(letters []deadletter.Letter) []uint64 {
	ids := make([]uint64, len(letters))
	for i := range letters {
		ids[i] = letters[i].ID
	}
	return ids
}

// Delete removes the letters of these numbers and returns how many there were. They stay deleted after a power loss,
// also those that an earlier run has deleted when a sync failed.
func (d *Store) Delete(ctx context.Context, ids ...uint64) (int, error) {
	n, err := d.remove(ctx, ids, true)
	if err == nil {
		err = boltfile.SyncDir(d.dir)
	}
	return int(n.Letters), err
}

// remove deletes letters. Numbers that no letter has are passed over. lasting: no file comes back with them after a
// power loss. After a failed sync of the directory the next run sees what was not written, and its own sync says
// nothing of that. So the file that such a letter may lie in is written anew, whether the letter is seen there or not,
// and a file's name goes only once a file without letters is on disk under it.
func (d *Store) remove(ctx context.Context, ids []uint64, lasting bool) (n deadletter.Count, err error) {
	d.mu.Lock()
	defer d.unlock()
	if d.closed {
		return n, deadletter.ErrClosed
	}
	ids = slices.Sorted(slices.Values(ids))
	files := slices.Clone(d.files)
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		mine := slices.DeleteFunc(slices.Clone(ids), func(id uint64) bool {
			return id < f.first || i+1 < len(files) && id >= files[i+1].first
		})
		if len(mine) == 0 {
			continue
		}
		gone, err := d.deleteIn(f, mine, lasting)
		if err != nil {
			return n, fmt.Errorf("delete dead letters in %s: %w", f.path, err)
		}
		n.Letters, n.Events = n.Letters+gone.Letters, n.Events+gone.Events
	}
	return n, nil
}

func (d *Store) deleteIn(f *file, ids []uint64, lasting bool) (gone deadletter.Count, err error) {
	var rest []rawLetter
	var found []uint64
	err = d.read(f, func(letters []rawLetter) error {
		gone, rest, found = deadletter.Count{}, nil, nil
		for _, raw := range letters {
			if _, mine := slices.BinarySearch(ids, raw.number); !mine {
				rest = append(rest, raw)
				continue
			}
			l, err := decodeLetter(letterKey(raw.number), raw.value, false)
			if err != nil {
				return err
			}
			gone.Letters, gone.Events = gone.Letters+1, gone.Events+int64(l.Events)
			found = append(found, raw.number)
		}
		return nil
	})
	if err != nil || gone.Letters == 0 && !lasting {
		return deadletter.Count{}, err
	}
	if len(rest) > 0 || lasting {
		if err := d.replace(f, rest); err != nil {
			return deadletter.Count{}, err
		}
		for _, id := range found {
			d.known.forget(id)
		}
	}
	if len(rest) == 0 && !d.discard(f) && !lasting {
		return deadletter.Count{}, errors.New("its file can't be removed")
	}
	return gone, nil
}
