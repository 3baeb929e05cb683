package statefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

func state() *Snapshot {
	return &Snapshot{
		Queue: [16]byte{1, 2, 15: 3}, Next: 9,
		Done: map[Key][]byte{{1, "es"}: {0xff, 1}, {1, "s3"}: {}, {8, "es"}: {7}},
	}
}

func ids(n int) (all []resend.Saved) {
	for i := range n {
		all = append(all, resend.Saved{
			Key: resend.Key{Chunk: [16]byte{byte(i)}, Events: i}, Until: time.Unix(5, int64(i)),
		})
	}
	return all
}

func renewed(t *testing.T, dir string, s *Snapshot) *DB {
	t.Helper()
	db := &DB{Dir: dir}
	if err := db.Renew(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Changes add to what is there: bitmaps are replaced or forgotten, ids stay unless they are to be written.
func TestSave(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	first := state()
	first.IDs, first.HasIDs = ids(3), true
	db := renewed(t, dir, first)
	for _, tc := range []struct {
		name    string
		changes Snapshot
		done    map[Key][]byte
		next    uint64
		ids     int
	}{
		{"nothing but the next number", Snapshot{Next: 10}, first.Done, 10, 3},
		{
			"one more, and another bitmap",
			Snapshot{Next: 11, Done: map[Key][]byte{{1, "es"}: {0xff, 3}, {9, "es"}: {1}}},
			map[Key][]byte{{1, "es"}: {0xff, 3}, {1, "s3"}: {}, {8, "es"}: {7}, {9, "es"}: {1}},
			11, 3,
		},
		{
			"one is forgotten, and one that is not there",
			Snapshot{Next: 11, Done: map[Key][]byte{{1, "es"}: nil, {77, "es"}: nil}},
			map[Key][]byte{{1, "s3"}: {}, {8, "es"}: {7}, {9, "es"}: {1}},
			11, 3,
		},
		{
			"ids that are not to be written",
			Snapshot{Next: 11, IDs: ids(9)},
			map[Key][]byte{{1, "s3"}: {}, {8, "es"}: {7}, {9, "es"}: {1}},
			11, 3,
		},
		{
			"fewer ids",
			Snapshot{Next: 12, IDs: ids(1), HasIDs: true, Done: map[Key][]byte{{1, "s3"}: nil, {9, "es"}: nil}},
			map[Key][]byte{{8, "es"}: {7}},
			12, 1,
		},
		{
			"none",
			Snapshot{Next: 13, HasIDs: true, Journaled: true, Done: map[Key][]byte{{8, "es"}: nil}},
			map[Key][]byte{},
			13, 0,
		},
	} {
		tc.changes.Queue = first.Queue
		if err := db.Save(&tc.changes); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		got, err := Load(dir)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		want := &Snapshot{Queue: first.Queue, Next: tc.next, Done: tc.done, IDs: ids(tc.ids)}
		if !sameState(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tc.name, got, want)
		}
	}
}

// sameState compares what is in two states: an empty bitmap is the same as none of length 0.
func sameState(a, b *Snapshot) bool {
	if a.Queue != b.Queue || a.Next != b.Next || !reflect.DeepEqual(a.IDs, b.IDs) || len(a.Done) != len(b.Done) {
		return false
	}
	for k, bits := range a.Done {
		if other, ok := b.Done[k]; !ok || !bytes.Equal(bits, other) {
			return false
		}
	}
	return true
}

// A file that is renewed holds what it is given, and nothing of the one before, nor of one that was begun.
func TestRenew(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	if err := os.WriteFile(filepath.Join(dir, Name+".tmp"), []byte("begun"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := &DB{Dir: dir}
	if db.IsOpen() || db.Close() != nil {
		t.Error("a new one is open")
	}
	for _, s := range []*Snapshot{state(), {Queue: [16]byte{5}, Next: 1, Done: map[Key][]byte{}}} {
		if err := db.Renew(s); err != nil {
			t.Fatal(err)
		}
		if got, err := Load(dir); err != nil || !sameState(got, s) || !db.IsOpen() {
			t.Errorf("got %+v, %v; want %+v", got, err, s)
		}
	}
	if err := db.Close(); err != nil || db.IsOpen() {
		t.Errorf("closed: %v", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 || files[0].Name() != Name {
		t.Errorf("left: %v, %v", files, err)
	}
}

// Where the file can't be written the DB is closed, says where, and begins anew with Renew.
func TestSaveFailure(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	path := filepath.Join(dir, Name)
	db := renewed(t, dir, state())
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	err := db.Save(&Snapshot{Next: 100})
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "write "+path+": ") || db.IsOpen() {
		t.Errorf("the file is gone: %v, open %v", err, db.IsOpen())
	}
	if err := db.Renew(state()); err != nil || !db.IsOpen() {
		t.Errorf("renewed: %v", err)
	}
	db = &DB{Dir: filepath.Join(dir, "missing")}
	err = db.Renew(state())
	if err == nil || !strings.HasPrefix(err.Error(), "write "+filepath.Join(db.Dir, Name)+": ") || db.IsOpen() {
		t.Errorf("no directory: %v, open %v", err, db.IsOpen())
	}
}

// What older programs are told: the file is theirs, unless a journal may hold something.
func TestOldestProgram(t *testing.T) {
	for journaled, want := range map[bool]uint32{false: 2, true: 3} {
		dir := boltfiletest.MemoryDir(t)
		s := state()
		s.Journaled = journaled
		db := renewed(t, dir, s)
		var got []byte
		_ = db.db.View(func(tx *bbolt.Tx) error {
			got = bytes.Clone(tx.Bucket([]byte(restBucket)).Get([]byte(oldestKey)))
			return nil
		})
		got, err := boltfile.VerifySum(got, []byte(oldestKey)...)
		numbers := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 3}, want)
		if err != nil || !bytes.Equal(got, numbers) {
			t.Errorf("journaled %v: %x, %v; want 3 and %d", journaled, got, err, want)
		}
	}
}

// What is wrong with a file that bbolt can read, in words that say whether it is damaged or another program's.
func TestLoadRefused(t *testing.T) {
	number := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	put := func(bucket, key string, v []byte) func(tx *bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(bucket)).Put([]byte(key), boltfile.WithSum(v, []byte(key)...))
		}
	}
	remove := func(bucket string) func(tx *bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucket)) }
	}
	both := func(n, oldest uint32) func(tx *bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			return errors.Join(put(metaBucket, formatKey, number(n))(tx),
				put(restBucket, oldestKey, append(number(n), number(oldest)...))(tx))
		}
	}
	damaged, unknown := boltfile.ErrDamaged, format.ErrUnknown
	for _, tc := range []struct {
		name   string
		change func(tx *bbolt.Tx) error
		text   string
		is     error // nil: it is read
	}{
		{"a later format that this program may read", both(9, 3), "", nil},
		{"a later format that it may not", both(9, 9), "format 9", unknown},
		{"a later format without the oldest program's", put(metaBucket, formatKey, number(9)), "format 9", unknown},
		{"format 0", put(metaBucket, formatKey, number(0)), "format 0", unknown},
		{"no format's bucket", remove(metaBucket), `no bucket "meta"`, damaged},
		{"a format of five bytes", put(metaBucket, formatKey, make([]byte, 5)), `5 bytes under "format"`, damaged},
		{"no bucket of the rest", remove(restBucket), `no bucket "queue"`, damaged},
		{"no bucket of what is finished", remove(doneBucket), `no bucket "done"`, damaged},
		{"a queue's id that is cut", put(restBucket, queueKey, make([]byte, 15)), "no queue id", damaged},
		{"a next number that is cut", put(restBucket, nextKey, make([]byte, 7)), "no queue id", damaged},
		{"ids that make no sense", put(restBucket, idsKey, []byte{1}), "chunk ids make no sense", damaged},
		{"a value that nobody knows", put(restBucket, "later", []byte("x")), "", nil},
		{
			"a checksum of another key",
			func(tx *bbolt.Tx) error {
				return tx.Bucket([]byte(restBucket)).Put([]byte(nextKey), boltfile.WithSum(make([]byte, 8), 'x'))
			},
			"wrong checksum", damaged,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := boltfiletest.MemoryDir(t)
			db := renewed(t, dir, state())
			if err := errors.Join(db.db.Update(tc.change), db.Close()); err != nil {
				t.Fatal(err)
			}
			got, err := Load(dir)
			if !errors.Is(err, tc.is) || err != nil && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%v, want %q", err, tc.text)
			}
			if err == nil && !sameState(got, state()) {
				t.Errorf("read %+v", got)
			}
			if refused := RefuseUnknown(dir); (refused != nil) != errors.Is(tc.is, unknown) {
				t.Errorf("refused: %v", refused)
			}
		})
	}
}

// A directory without the file is nothing that an unknown program has touched.
func TestRefuseNothing(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	if err := RefuseUnknown(dir); err != nil {
		t.Errorf("empty: %v", err)
	}
	if _, err := Load(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("empty: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, Name), []byte("no bbolt file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := RefuseUnknown(dir); err != nil {
		t.Errorf("damaged: %v", err)
	}
}
