// Package statefile is what the queue keeps beside its segments: state.db, and the note of a requeue.
//
// state.db has the queue's own id, a bound of the sequence numbers given out, what each output has finished, and chunk
// ids whose segments are gone. The file is small and written anew at each start from what could be read of the old one,
// so that damage in it never travels and bbolt never has to repair it. Losing all of it repeats deliveries.
package statefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Name is the file's, in the queue's directory.
const Name = "state.db"

// Format is that of state.db. Number 1 was written without the oldest program's number, with all but what is
// finished beside the number, and at first with checksums that did not cover the keys. Programs of that time verified
// all that is beside the number before they looked at it, each in the way of its own: so nothing else is there any
// more. What is finished, and what a restart has to remember, must not be overlooked: an entry of a new kind that holds
// such makes its number the oldest. So does the journal beside it, since number 3: see Snapshot.Journaled.
func Format() format.Format { return format.Format{Name: "state.db", Number: 3, Since: 1} }

// oldest is the number of the oldest program that may use a directory in which no journal holds anything.
const oldest = 2

// Names in state.db.
const (
	// metaBucket has the format's number alone.
	metaBucket = "meta"
	// restBucket is the rest of what is one value each.
	restBucket = "queue"
	// doneBucket has, for a segment's first number (8 bytes, big-endian) and an output, a bitmap by number less the
	// first, and its CRC-32C.
	doneBucket = "done"
	// formatKey is the number, 4 bytes; its own form never changes.
	formatKey = "format"
	// The same number, and the oldest program's that may read it, 4 bytes each; missing: the number.
	oldestKey = "oldest"
	queueKey  = "queue"
	nextKey   = "next"
	idsKey    = "ids"
)

// Key names what an output has finished of a segment.
type Key struct {
	// Segment is its first sequence number.
	Segment uint64
	Output  string
}

func (k Key) bytes() []byte {
	return append(binary.BigEndian.AppendUint64(nil, k.Segment), k.Output...)
}

// Snapshot is the contents of state.db, or what has changed of them.
type Snapshot struct {
	// Queue is its id.
	Queue [16]byte
	// Next is above all sequence numbers given out.
	Next uint64
	// Done has bitmaps by sequence number less the segment's first; a nil one is to be forgotten.
	Done map[Key][]byte
	IDs  []resend.Saved
	// HasIDs says that IDs is to be written.
	HasIDs bool
	// Journaled is that a journal may hold chunks, which older programs would overlook. It is not read.
	Journaled bool
}

// Load reads state.db in dir. os.ErrNotExist: there is none; format.ErrUnknown: not ours to touch;
// another error: it is damaged.
func Load(dir string) (*Snapshot, error) {
	path := filepath.Join(dir, Name)
	p, err := boltfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	s := &Snapshot{Done: map[Key][]byte{}}
	if err := s.read(p); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

func (s *Snapshot) read(p *boltfile.File) error {
	meta, err := p.Bucket(metaBucket)
	if err != nil || meta == nil {
		return errors.Join(err, fmt.Errorf("no bucket %q: %w", metaBucket, boltfile.ErrDamaged))
	}
	rest, err := p.Bucket(restBucket)
	if err != nil {
		return err
	}
	number, err := checkFormat(meta, rest)
	if err != nil {
		return err
	}
	verify := boltfile.VerifySum
	if number == 1 {
		verify, rest = verifyEither, meta
	}
	if rest == nil {
		return fmt.Errorf("no bucket %q: %w", restBucket, boltfile.ErrDamaged)
	}
	values := map[string][]byte{}
	if err := rest.Each(func(e boltfile.Element) error {
		v, err := verify(e.Value, e.Key...)
		values[string(e.Key)] = v
		return err
	}); err != nil {
		return err
	}
	queue, next := values[queueKey], values[nextKey]
	if len(queue) != len(s.Queue) || len(next) != 8 {
		return fmt.Errorf("no queue id: %w", boltfile.ErrDamaged)
	}
	copy(s.Queue[:], queue)
	s.Next = binary.BigEndian.Uint64(next)
	if ids, ok := values[idsKey]; ok {
		if s.IDs, err = decodeIDs(ids); err != nil {
			return err
		}
	}
	done, err := p.Bucket(doneBucket)
	if err != nil || done == nil {
		return errors.Join(err, fmt.Errorf("no bucket %q: %w", doneBucket, boltfile.ErrDamaged))
	}
	return done.Each(func(e boltfile.Element) error {
		bits, err := verify(e.Value, e.Key...)
		if err != nil || len(e.Key) < 8 {
			return errors.Join(err, fmt.Errorf("key %x: %w", e.Key, boltfile.ErrDamaged))
		}
		s.Done[Key{binary.BigEndian.Uint64(e.Key), string(e.Key[8:])}] = bytes.Clone(bits)
		return nil
	})
}

// checkFormat returns the number of state.db's format, and an error where it is none that the program may read. The
// second bucket may be missing.
func checkFormat(meta, rest *boltfile.Tree) (int, error) {
	v, err := numbersIn(meta, formatKey, 4)
	if err != nil || v == nil {
		return 0, errors.Join(err, fmt.Errorf("no format version: %w", boltfile.ErrDamaged))
	}
	number, oldest := int(binary.BigEndian.Uint32(v)), 0
	if rest != nil {
		var both []byte
		if both, err = numbersIn(rest, oldestKey, 8); both != nil && bytes.Equal(both[:4], v) {
			oldest = int(binary.BigEndian.Uint32(both[4:]))
		}
	}
	return number, errors.Join(Format().Check(number, oldest), err)
}

// numbersIn returns the n bytes under the name; nil: there is nothing, or something else, of which the error tells.
func numbersIn(bucket *boltfile.Tree, name string, n int) ([]byte, error) {
	e, found, err := bucket.Find(name)
	if err != nil || !found {
		return nil, err
	}
	v, err := verifyEither(e.Value, []byte(name)...)
	if err == nil && len(v) != n {
		err = fmt.Errorf("%d bytes under %q: %w", len(v), name, boltfile.ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// verifyEither is boltfile.VerifySum for values whose checksums may not cover their keys.
func verifyEither(b []byte, key ...byte) ([]byte, error) {
	if v, err := boltfile.VerifySum(b, key...); err == nil {
		return v, nil
	}
	return boltfile.VerifySum(b)
}

// RefuseUnknown returns an error where state.db in dir is of a format that the program may not read, so that nothing is
// touched. All else of it is told later.
func RefuseUnknown(dir string) error {
	if _, err := Load(dir); errors.Is(err, format.ErrUnknown) {
		return err
	}
	return nil
}

func (s *Snapshot) write(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
	if err != nil {
		return err
	}
	rest, err := tx.CreateBucketIfNotExists([]byte(restBucket))
	if err != nil {
		return err
	}
	done, err := tx.CreateBucketIfNotExists([]byte(doneBucket))
	if err != nil {
		return err
	}
	type put struct {
		k string
		v []byte
	}
	number, may := binary.BigEndian.AppendUint32(nil, uint32(Format().Number)), oldest
	if s.Journaled {
		may = Format().Number
	}
	if err := meta.Put([]byte(formatKey), boltfile.WithSum(number)); err != nil {
		return err
	}
	puts := []put{
		{oldestKey, slices.Concat(number, binary.BigEndian.AppendUint32(nil, uint32(may)))},
		{queueKey, s.Queue[:]},
		{nextKey, binary.BigEndian.AppendUint64(nil, s.Next)},
	}
	if s.HasIDs {
		puts = append(puts, put{idsKey, encodeIDs(s.IDs)})
	}
	for _, p := range puts {
		if err := rest.Put([]byte(p.k), boltfile.WithSum(p.v, []byte(p.k)...)); err != nil {
			return err
		}
	}
	for k, bits := range s.Done {
		if bits == nil {
			err = done.Delete(k.bytes())
		} else {
			err = done.Put(k.bytes(), boltfile.WithSum(bits, k.bytes()...))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DB is state.db in Dir, to be written. It begins closed. Not safe for concurrent use.
type DB struct {
	Dir  string
	Sync bool
	// db is nil where it could not be written and is to be made anew.
	db *bbolt.DB
}

// IsOpen reports whether Save can work; otherwise it takes Renew.
func (s *DB) IsOpen() bool { return s.db != nil }

// Save writes the changes. After an error the file is as it was before, the DB is closed, and what comes next must be
// Renew.
func (s *DB) Save(changes *Snapshot) error {
	err := s.verify()
	if err == nil {
		err = boltfile.RecoverPanics(func() error { return s.db.Update(changes.write) })
	}
	if err != nil {
		err = fmt.Errorf("write %s: %w", filepath.Join(s.Dir, Name), err)
		return errors.Join(err, s.Close())
	}
	return nil
}

// verify returns nil where bbolt can work with the open file.
func (s *DB) verify() error {
	p, err := boltfile.Open(filepath.Join(s.Dir, Name))
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Verify()
}

// Renew opens the DB: it replaces state.db by a file that holds what all says.
func (s *DB) Renew(all *Snapshot) error {
	path := filepath.Join(s.Dir, Name)
	tmp := path + ".tmp"
	if err := s.Close(); err != nil {
		return err
	}
	// It may be there of an earlier attempt.
	_ = os.Remove(tmp)
	var db *bbolt.DB
	err := boltfile.RecoverPanics(func() (err error) {
		db, err = bbolt.Open(tmp, 0o600, &bbolt.Options{
			Timeout: time.Second, NoSync: !s.Sync, FreelistType: bbolt.FreelistMapType, PageSize: boltfile.PageSize,
			NoStatistics: true,
		})
		if err != nil {
			return err
		}
		return db.Update(all.write)
	})
	if err == nil {
		err = db.Sync()
	}
	failpoint.Pass("state.renew.written")
	if err == nil {
		err = os.Rename(tmp, path)
	}
	failpoint.Pass("state.renew.renamed")
	if err == nil {
		err = boltfile.SyncDir(s.Dir)
	}
	failpoint.Pass("state.renewed")
	if err != nil {
		if db != nil {
			err = errors.Join(err, boltfile.RecoverPanics(db.Close))
		}
		// what is wrong with the disk has been said.
		_ = os.Remove(tmp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	s.db = db
	return nil
}

// Close closes the DB, if it is open.
func (s *DB) Close() error {
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	if err := boltfile.RecoverPanics(db.Close); err != nil {
		return fmt.Errorf("close %s: %w", filepath.Join(s.Dir, Name), err)
	}
	return nil
}

func encodeIDs(ids []resend.Saved) []byte {
	b := binary.AppendUvarint(nil, uint64(len(ids)))
	for i := range ids {
		b = append(b, ids[i].Chunk[:]...)
		b = binary.AppendUvarint(b, uint64(ids[i].Events))
		b = binary.LittleEndian.AppendUint64(b, uint64(ids[i].Until.UnixNano()))
	}
	return b
}

func decodeIDs(b []byte) ([]resend.Saved, error) {
	d := boltfile.Decoder{B: b}
	var ids []resend.Saved
	for n := d.Count(25); n > 0 && !d.Bad; n-- {
		var id resend.Saved
		copy(id.Chunk[:], d.Bytes(len(id.Chunk)))
		id.Events = d.Int()
		id.Until = time.Unix(0, int64(d.Uint64()))
		ids = append(ids, id)
	}
	if d.Bad || len(d.B) > 0 {
		return nil, fmt.Errorf("chunk ids make no sense: %w", boltfile.ErrDamaged)
	}
	return ids, nil
}
