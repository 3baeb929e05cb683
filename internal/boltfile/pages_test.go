package boltfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
)

// key is that of the i-th of many values, in their order.
func key(i int) string { return fmt.Sprintf("key %06d", i) }

// write makes a file of buckets with so many values of so many bytes, each bucket in a transaction of its own, and
// returns its path.
func write(tb testing.TB, dir string, buckets map[string][2]int) string {
	tb.Helper()
	path := filepath.Join(dir, "bolt.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true, NoFreelistSync: true})
	if err != nil {
		tb.Fatal(err)
	}
	for name, size := range buckets {
		if err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			for i := range size[0] {
				if err := b.Put([]byte(key(i)), bytes.Repeat([]byte{byte(i)}, size[1])); err != nil {
					return err
				}
			}
			return b.SetSequence(uint64(size[0]) * 7)
		}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

// shapes are buckets of every form that bbolt gives them.
func shapes() map[string][2]int {
	return map[string][2]int{
		"empty": {0, 0}, "within its parent": {3, 10}, "one page": {100, 10}, "a branch": {1000, 100},
		"branches of branches": {12_000, 8}, "long values": {5, 50_000}, "no bytes": {20, 0},
		"exactly a page": {4, 4096},
	}
}

func open(tb testing.TB, path string) *boltfile.File {
	tb.Helper()
	f, err := boltfile.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(f.Close)
	return f
}

// What bbolt wrote is read without it: every key, value and number, each where it stands in the file.
func TestFile(t *testing.T) {
	path := write(t, t.TempDir(), shapes())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if err := f.Verify(); err != nil {
		t.Error(err)
	}
	if f.TxID != uint64(2+len(shapes())-1) && f.TxID != uint64(2+len(shapes())) {
		t.Errorf("the last of %d transactions is %d", len(shapes()), f.TxID)
	}
	for name, size := range shapes() {
		b, err := f.Bucket(name)
		if err != nil || b == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b.Sequence != uint64(size[0])*7 {
			t.Errorf("%s has the sequence %d", name, b.Sequence)
		}
		n := 0
		if err := b.Each(func(e boltfile.Element) error {
			want := bytes.Repeat([]byte{byte(n)}, size[1])
			if string(e.Key) != key(n) || !bytes.Equal(e.Value, want) ||
				!bytes.Equal(whole[e.Off:e.Off+int64(len(want))], want) {
				return fmt.Errorf("element %d is %.20q: %.20q at %d", n, e.Key, e.Value, e.Off)
			}
			n++
			return nil
		}); err != nil || n != size[0] {
			t.Errorf("%s: %d of %d values, %v", name, n, size[0], err)
		}
		for i := 0; i < size[0]; i += 1 + size[0]/7 {
			if e, ok, err := b.Find(key(i)); !ok || err != nil || !bytes.Equal(
				e.Value, bytes.Repeat([]byte{byte(i)}, size[1]),
			) {
				t.Errorf("%s: %s is %.20q, %v, %v", name, key(i), e.Value, ok, err)
			}
		}
		if _, ok, err := b.Find("key"); ok || err != nil {
			t.Errorf("%s: a key that is not there: %v, %v", name, ok, err)
		}
		if err := b.VerifyRightmost([]byte(key(size[0]))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := f.Bucket("none"); b != nil || err != nil {
		t.Errorf("a bucket that is not there: %v, %v", b, err)
	}
	if size, err := f.Allocated(); err != nil || size < int64(len(bytes.TrimRight(whole, "\x00"))) || size%512 != 0 {
		t.Errorf("%d bytes of disk, %v", size, err)
	}
}

// An error of the caller ends a walk at once, and is returned as it is; a value is no bucket.
func TestFile_Ends(t *testing.T) {
	f := open(t, write(t, t.TempDir(), map[string][2]int{"b": {1000, 100}}))
	b, err := f.Bucket("b")
	if err != nil {
		t.Fatal(err)
	}
	enough, n := errors.New("enough"), 0
	if err := b.Each(func(boltfile.Element) error {
		if n++; n == 10 {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) || n != 10 {
		t.Errorf("%v after %d", err, n)
	}
	torn := 0
	if err := b.EachWhole(
		func(boltfile.Element) error { return enough }, func(error) { torn++ },
	); !errors.Is(err, enough) ||
		torn > 0 {
		t.Errorf("%v, and %d pages are damaged", err, torn)
	}
	e, _, err := b.Find(key(5))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Tree(e); !errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("a value as a bucket: %v", err)
	}
	if err := b.VerifyRightmost([]byte(key(500))); !errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("a key that others follow: %v", err)
	}
}

// What is no file of bbolt's is told, with its path.
func TestOpen_Failure(t *testing.T) {
	whole, err := os.ReadFile(write(t, t.TempDir(), map[string][2]int{"b": {100, 100}}))
	if err != nil {
		t.Fatal(err)
	}
	meta := func(page int) int { return page*boltfile.PageSize + boltfile.PageHead }
	changed := func(change func(b []byte)) string {
		b := bytes.Clone(whole)
		change(b)
		return string(b)
	}
	for _, tc := range []struct{ name, content, want string }{
		{"nothing", "", "meta page 0 makes no sense"},
		{"text", strings.Repeat("hello\n", 5000), "meta page 0 makes no sense"},
		{"one page", string(whole[:boltfile.PageSize]), "meta page 1 makes no sense"},
		{"the meta pages alone", string(whole[:2*boltfile.PageSize]), "file has 8192 of"},
		{"zeros", string(make([]byte, len(whole))), "meta page 0 makes no sense"},
		{"another sum", changed(func(b []byte) { b[meta(1)+60] ^= 1 }), "meta page 1 makes no sense"},
		{"another program's", changed(func(b []byte) {
			b[meta(0)] ^= 1
			boltfiletest.FixMeta(b)
		}), "meta page 0 makes no sense"},
		{"transactions far apart", changed(func(b []byte) {
			binary.LittleEndian.PutUint64(b[meta(0)+48:], 1000)
			boltfiletest.FixMeta(b)
		}), "meta pages of transactions 1000 and"},
		{"more pages than can be", changed(func(b []byte) {
			for page := range 2 {
				binary.LittleEndian.PutUint64(b[meta(page)+40:], 1<<62)
			}
			boltfiletest.FixMeta(b)
		}), "file has"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := boltfile.Open(path)
			if f != nil || !errors.Is(err, boltfile.ErrDamaged) || !strings.Contains(err.Error(), tc.want) ||
				!strings.Contains(err.Error(), path) {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
	if _, err := boltfile.Open(filepath.Join(t.TempDir(), "none.db")); !errors.Is(err, os.ErrNotExist) ||
		errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := boltfile.Open(t.TempDir()); err == nil || errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("a directory: %v", err)
	}
}

// Whatever is damaged, reading ends, with an error or without one; where Verify finds nothing, bbolt can read the file.
func TestVerify_Damage(t *testing.T) {
	path := write(t, boltfiletest.MemoryDir(t), map[string][2]int{
		"within its parent": {3, 10}, "a branch": {300, 30}, "long values": {2, 9000},
	})
	found, missed := 0, 0
	boltfiletest.EachRot(t, path, func(t *testing.T, _ boltfiletest.Rot) {
		t.Helper()
		f, err := boltfile.Open(path)
		if err == nil {
			err = f.Verify()
			looked(t, f, err)
			f.Close()
		}
		if err != nil {
			found++
			return
		}
		missed++
		if err := boltfile.RecoverPanics(func() error { return readAll(path) }); err != nil {
			t.Errorf("it is whole, and yet bbolt says %v", err)
		}
	})
	if found == 0 || missed == 0 {
		t.Errorf("%d kinds of damage were found, and %d not", found, missed)
	}
}

// looked walks past all that is damaged: that is told of if and only if Verify found it.
func looked(t *testing.T, f *boltfile.File, damage error) {
	t.Helper()
	torn := 0
	tell := func(err error) {
		if torn++; !errors.Is(err, boltfile.ErrDamaged) {
			t.Errorf("told of %v", err)
		}
	}
	var inner error
	err := f.Top().EachWhole(func(e boltfile.Element) error {
		b, err := f.Tree(e)
		if err == nil {
			err = b.EachWhole(func(boltfile.Element) error { return nil }, tell)
		}
		inner = errors.Join(inner, err)
		return nil
	}, tell)
	if err = errors.Join(err, inner); damage == nil && (err != nil || torn > 0) {
		t.Errorf("nothing is damaged, and yet %v and %d pages", err, torn)
	} else if damage != nil && err == nil && torn == 0 {
		t.Errorf("%v, and yet all could be read", damage)
	}
}

func readAll(path string) (err error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
			if b == nil {
				return nil
			}
			return b.ForEach(func(_, v []byte) error {
				// Each byte is looked at.
				_ = boltfile.Checksum(v)
				return nil
			})
		})
	})
}
