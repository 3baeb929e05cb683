// Package disk keeps dead letters in files of bounded size.
package disk

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Store keeps events that will not be delivered until somebody looks at them, sends them again
// or deletes them, or until they are too old or too many. They lie in bbolt files of bounded size,
// dead-*.db by number of the first letter; a file goes as a whole, so that the disk comes back.
// Safe for concurrent use.
type Store struct {
	dir string
	// salt is as in encodeLetter.
	salt     uint64
	cfg      deadletter.Config
	fileSize int64
	log      zerolog.Logger
	now      func() time.Time
	opened   time.Time

	queueMu sync.Mutex
	// queue has those who wait for mu.
	queue []*addRequest

	// working is one requeue or purge at a time.
	working sync.Mutex

	// stats is as of the last change.
	stats atomic.Pointer[deadletter.Stats]

	// mu guards what follows, and the files; it is held while the disk is written and read.
	mu    sync.Mutex
	files []*file
	// db is that of the last file; nil: the next letters begin a new one.
	db     *bbolt.DB
	known  known
	closed bool
	gone   gone
}

// gone counts what is in the store no more since it was opened.
type gone struct {
	// These count events.
	evicted, retried, purged int64
	// aside counts files set aside.
	aside int
	// lost counts events.
	lost int64
}

type addRequest struct {
	letters []deadletter.Letter
	done    chan error
}

const (
	// In lettersBucket a number (8 bytes, big-endian) leads to a letter and its CRC-32C.
	lettersBucket = "letters"
	// In summaryBucket its own name leads to what deadFile.encode says.
	summaryBucket = "summary"
)

// Open opens or makes the store in dir, whatever it finds there. now is the clock of the letters' age.
func Open(dir string, cfg deadletter.Config, log zerolog.Logger, now func() time.Time) (*Store, error) {
	var salt [8]byte
	// Never fails.
	_, _ = rand.Read(salt[:])
	d := &Store{
		dir: dir, salt: binary.LittleEndian.Uint64(salt[:]), log: log, now: now, opened: now(), known: newKnown(),
	}
	d.bound(cfg)
	if err := boltfile.MakeDir(dir); err != nil {
		return nil, fmt.Errorf("make directory of dead letters: %w", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read directory of dead letters: %w", err)
	}
	for _, n := range names {
		path := filepath.Join(dir, n.Name())
		switch filepath.Ext(path) {
		case ".db":
			if err := d.found(path); err != nil {
				return nil, err
			}
		case ".tmp":
			// It is of an interrupted rewrite.
			if err := os.Remove(path); err != nil {
				log.Warn().Err(err).Msg("can't remove what an interrupted rewrite left")
			}
		}
	}
	d.publish()
	return d, nil
}

// found takes the file at path, which an earlier run has left. An error says that it is not to be touched.
func (d *Store) found(path string) error {
	f := &file{path: path, count: map[deadletter.Key]int64{}}
	d.files = append(d.files, f)
	err := d.look(f)
	if errors.Is(err, boltfile.ErrDamaged) || errors.Is(err, syscall.EIO) {
		err = d.repair(f, err, false)
	}
	switch {
	case errors.Is(err, format.ErrUnknown):
		return fmt.Errorf("read dead letters in %s: %w", path, err)
	case err != nil:
		d.files = slices.DeleteFunc(d.files, func(o *file) bool { return o == f })
		d.log.Error().Err(err).Str("file", path).
			Msg("can't read a file of dead letters: what it holds waits for the next start")
	case f.letters == 0 && slices.Contains(d.files, f):
		d.discard(f)
	}
	return nil
}

// bound sets the limits.
func (d *Store) bound(cfg deadletter.Config) {
	d.cfg, d.fileSize = cfg, 16<<20
	if cfg.MaxSize > 0 {
		d.fileSize = max(1<<18, min(d.fileSize, int64(cfg.MaxSize)/8))
	}
}

// SetLimits changes the limits; what is over them goes.
func (d *Store) SetLimits(cfg deadletter.Config) {
	d.mu.Lock()
	defer d.unlock()
	d.bound(cfg)
	if !d.closed {
		d.evict()
	}
}

// look reads the summary of f.
func (d *Store) look(f *file) error {
	p, err := boltfile.Open(f.path)
	if err != nil {
		return err
	}
	defer p.Close()
	b, err := p.Bucket(summaryBucket)
	if err != nil || b == nil {
		return errors.Join(err, fmt.Errorf("no bucket %q: %w", summaryBucket, boltfile.ErrDamaged))
	}
	e, _, err := b.Find(summaryBucket)
	if err == nil {
		err = f.decode(e.Value)
	}
	if err != nil {
		return err
	}
	f.disk, err = p.Allocated()
	return err
}

// Add stores the letters and returns nil once they are on disk, in one transaction with those of
// other callers. It sets neither their IDs nor their times where these are given. An event that is a
// letter of its output already stays the letter that it is, as far as that is known.
func (d *Store) Add(_ context.Context, letters []deadletter.Letter) error {
	return d.add(letters)
}

func (d *Store) add(letters []deadletter.Letter) error {
	if len(letters) == 0 {
		return nil
	}
	b := &addRequest{letters, make(chan error, 1)}
	d.queueMu.Lock()
	d.queue = append(d.queue, b)
	d.queueMu.Unlock()

	// Whoever comes first stores for all who wait here.
	d.mu.Lock()
	d.queueMu.Lock()
	all := d.queue
	d.queue = nil
	d.queueMu.Unlock()
	if len(all) > 0 {
		err := d.store(all)
		for _, b := range all {
			b.done <- err
		}
	}
	d.unlock()
	return <-b.done
}

// fresh returns the letters that are not stored yet. d.mu is held.
func (d *Store) fresh(all []*addRequest) (fresh []deadletter.Letter) {
	// After a crash an event may be in the queue twice: as it came, and as a letter that was sent again.
	here := map[letterEvent]bool{}
	for _, request := range all {
		for i := range request.letters {
			l := &request.letters[i]
			if e := d.known.event(l); !d.known.has(l) && !here[e] {
				here[e] = l.EventID != ""
				fresh = append(fresh, *l)
			}
		}
	}
	return fresh
}

// store writes the letters. d.mu is held.
func (d *Store) store(all []*addRequest) error {
	if d.closed {
		return deadletter.ErrClosed
	}
	d.evict()
	now := d.now()
	fresh := d.fresh(all)
	if len(fresh) == 0 {
		return nil
	}
	// Numbers follow the clock, so that they ascend even if all files are gone.
	id := uint64(now.UnixMicro())
	for _, f := range d.files {
		id = max(id, f.last+1)
	}
	if err := d.begin(id); err != nil {
		return err
	}
	failpoint.Pass("dead.add.before")
	f := d.files[len(d.files)-1]
	next := f.clone()
	err := boltfile.RecoverPanics(func() error {
		if err := f.sound(letterKey(id)); err != nil {
			return err
		}
		return d.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(lettersBucket))
			b.FillPercent = 1
			for i := range fresh {
				l := &fresh[i]
				l.ID = id
				id++
				if l.Time.IsZero() {
					l.Time = now
				}
				if err := b.Put(letterKey(l.ID), encodeLetter(l, d.salt)); err != nil {
					return err
				}
				next.add(l)
			}
			failpoint.Pass("dead.add.filled")
			return tx.Bucket([]byte(summaryBucket)).Put([]byte(summaryBucket), next.encode())
		})
	})
	failpoint.Pass("dead.added")
	if err != nil {
		// What a failed fdatasync left is unknown: the next letters begin a new file.
		err = errors.Join(fmt.Errorf("write dead letters to %s: %w", f.path, err), d.end())
		f.failed = true
		if f.letters == 0 {
			d.discard(f)
		}
		return err
	}
	*f = *next
	for i := range fresh {
		d.known.add(&fresh[i])
	}
	if st, err := os.Stat(f.path); err == nil {
		f.disk = boltfile.Allocated(st)
	}
	if f.disk >= d.fileSize {
		if err := d.end(); err != nil {
			d.log.Warn().Err(err).Msg("closed a file of dead letters")
		}
		failpoint.Pass("dead.file.ended")
	}
	d.evict()
	return nil
}

// steady returns the time by the clock as it was at the start and what has passed since: letters are not pushed out
// because somebody sets the clock ahead.
func (d *Store) steady() time.Time {
	// The difference is by the monotonic clock, where there is one.
	return d.opened.Add(d.now().Sub(d.opened)).Round(0)
}

// evict removes the oldest files while there are too many bytes or letters too old.
func (d *Store) evict() {
	for len(d.files) > 0 {
		var bytes int64
		for _, f := range d.files {
			bytes += f.disk
		}
		f := d.files[0]
		old := d.cfg.MaxAge > 0 && d.steady().Sub(f.newest.Round(0)) > d.cfg.MaxAge
		if !old && (d.cfg.MaxSize <= 0 || bytes <= int64(d.cfg.MaxSize)) {
			return
		}
		var events int64
		for _, n := range f.count {
			events += n
		}
		d.gone.evicted += events
		if events > 0 {
			d.log.Warn().Int64("events", events).Bool("too_old", old).
				Msg("dead letters are over buffer.dead_letters' limits: the oldest are gone")
		}
		failpoint.Pass("dead.evict.before")
		if !d.discard(f) {
			return
		}
	}
}

// Tidy evicts letters that have become too old.
func (d *Store) Tidy() {
	d.mu.Lock()
	defer d.unlock()
	d.evict()
}

// discard removes the file f.
func (d *Store) discard(f *file) bool {
	if d.files[len(d.files)-1] == f {
		if err := d.end(); err != nil {
			d.log.Warn().Err(err).Msg("closed a file of dead letters")
		}
	}
	if err := os.Remove(f.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.log.Error().Err(err).Msg("can't remove a file of dead letters")
		return false
	}
	failpoint.Pass("dead.file.removed")
	d.files = slices.DeleteFunc(d.files, func(o *file) bool { return o == f })
	d.known.forgetFile(f)
	return true
}

// Close closes the files. The store of chunks does it.
func (d *Store) Close() error {
	d.mu.Lock()
	defer d.unlock()
	d.closed = true
	if err := d.end(); err != nil {
		return fmt.Errorf("close dead letters: %w", err)
	}
	return nil
}

var _ deadletter.Store = (*Store)(nil)
