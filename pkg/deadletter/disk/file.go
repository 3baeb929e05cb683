package disk

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// file is one file of letters.
type file struct {
	path    string
	first   uint64
	last    uint64
	newest  time.Time
	disk    int64
	letters int
	// failed says that behind its last letter may lie what a failed write left.
	failed bool
	// count is of events.
	count map[deadletter.Key]int64
}

func (f *file) add(l *deadletter.Letter) {
	f.last = l.ID
	if l.Time.After(f.newest) {
		f.newest = l.Time
	}
	f.letters++
	f.count[deadletter.Key{Output: l.Output, Cluster: l.Cluster, Reason: l.Reason}] += int64(l.Events)
}

func (f *file) clone() *file {
	c := *f
	c.count = maps.Clone(f.count)
	return &c
}

// begin makes sure that there is a file to write to.
func (d *Store) begin(first uint64) error {
	if d.db != nil {
		return nil
	}
	f := &file{
		path: filepath.Join(d.dir, fmt.Sprintf("dead-%016x.db", first)), first: first, last: first,
		count: map[deadletter.Key]int64{},
	}
	// A file that was only begun must not pass for a damaged one after a crash.
	tmp := f.path + ".tmp"
	err := boltfile.RecoverPanics(func() (err error) {
		d.db, err = openDead(tmp)
		if err != nil {
			return err
		}
		return d.db.Update(func(tx *bbolt.Tx) error {
			if _, err := tx.CreateBucket([]byte(lettersBucket)); err != nil {
				return err
			}
			b, err := tx.CreateBucket([]byte(summaryBucket))
			if err != nil {
				return err
			}
			return b.Put([]byte(summaryBucket), f.encode())
		})
	})
	failpoint.Pass("dead.file.made")
	if err == nil {
		err = os.Rename(tmp, f.path)
	}
	failpoint.Pass("dead.file.begun")
	if err == nil {
		err = boltfile.SyncDir(d.dir)
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("begin a file of dead letters: %w", err), d.end())
		// It is empty.
		_ = os.Remove(tmp)
		// Likewise.
		_ = os.Remove(f.path)
		return err
	}
	d.files = append(d.files, f)
	return nil
}

// sound returns nil where bbolt can add a letter with that key, which is behind all others.
func (f *file) sound(key []byte) error {
	p, err := boltfile.Open(f.path)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Top().Each(func(e boltfile.Element) error {
		t, err := p.Tree(e)
		if err != nil {
			return err
		}
		if string(e.Key) == lettersBucket {
			return t.VerifyRightmost(key)
		}
		return t.Each(func(boltfile.Element) error { return nil })
	})
}

// openDead opens a file for writing. Its list of free pages is on disk: then bbolt needs not walk
// through all pages, in a goroutine of its own where a damaged one would end the process.
func openDead(path string) (*bbolt.DB, error) {
	return bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: time.Second, FreelistType: bbolt.FreelistMapType, PageSize: boltfile.PageSize, NoStatistics: true,
	})
}

// end closes the file that is written.
func (d *Store) end() error {
	db := d.db
	d.db = nil
	if db == nil {
		return nil
	}
	return boltfile.RecoverPanics(db.Close)
}
