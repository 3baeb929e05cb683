package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

func FuzzIndex(f *testing.F) {
	b := newBuilder(7)
	h := someHeader()
	b.add(&h, 4096)
	f.Add(b.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeIndex(7, boltfile.WithSum(b))
		if err != nil {
			return
		}
		for _, e := range c.entries {
			if int(e.cluster) >= len(c.clusters) || int(e.set) >= len(c.sets) {
				t.Fatalf("%+v names nobody", e)
			}
		}
	})
}

// FuzzPages lets any bytes pass for a bbolt file: reading them ends, takes memory that follows their
// length, and hands out nothing from outside them.
func FuzzPages(f *testing.F) {
	w, err := createWriter(filepath.Join(f.TempDir(), "seg"), 1<<16, false)
	if err == nil {
		err = w.append([]item{{1, []byte("one")}, {2, bytes.Repeat([]byte("two"), 3000)}}, make([]uint32, 2))
	}
	if err == nil {
		err = w.seal([]byte("index"))
	}
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(w.file.Name())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:3*boltfile.PageSize])
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, b []byte) {
		boltfiletest.FixMeta(b)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := boltfile.Open(path)
		if err != nil {
			return
		}
		defer p.Close()
		n := 0
		_ = p.Top().EachWhole(func(e boltfile.Element) error { // what is damaged is passed over
			inner, _ := p.Tree(e)
			if inner == nil {
				return nil
			}
			return inner.EachWhole(func(e boltfile.Element) error {
				if n++; n > len(b) {
					t.Fatal("there is no end")
				}
				if e.Off < 0 || e.Off+int64(len(e.Value)) > int64(len(b)) || !bytes.Equal(e.Value, b[e.Off:e.Off+int64(len(e.Value))]) {
					t.Fatalf("the value at %d is not there", e.Off)
				}
				return nil
			}, func(error) {})
		}, func(error) {})
	})
}
