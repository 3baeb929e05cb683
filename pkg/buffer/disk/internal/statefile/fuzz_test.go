package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"

	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// FuzzState lets any bytes pass for state.db, with this of chunk ids and that of what is finished: what is read of it
// is the same when it is written and read again.
func FuzzState(f *testing.F) {
	dir := f.TempDir()
	state := &Snapshot{
		Queue: [16]byte{1, 2}, Next: 9, HasIDs: true,
		IDs:  []resend.Saved{{Key: resend.Key{Chunk: [16]byte{3}, Events: 4}, Until: time.Unix(5, 6)}},
		Done: map[Key][]byte{{1, "es"}: {0xff, 1}, {1, "s3"}: nil, {8, ""}: {}},
	}
	db := DB{Dir: dir}
	if err := errors.Join(db.Renew(state), db.Close()); err != nil {
		f.Fatal(err)
	}
	boltfiletest.Seed(f, filepath.Join(dir, Name))
	f.Fuzz(func(t *testing.T, b []byte) {
		boltfiletest.FixMeta(b)
		if err := os.WriteFile(filepath.Join(dir, Name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		first, err := Load(dir)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			return
		}
		first.HasIDs = true
		db := DB{Dir: dir}
		if err := errors.Join(db.Renew(first), db.Close()); err != nil {
			t.Fatalf("%+v can't be written: %v", first, err)
		}
		again, err := Load(dir)
		if err != nil {
			t.Fatalf("%+v can't be read: %v", first, err)
		}
		again.HasIDs = true
		for k, bits := range again.Done {
			again.Done[k] = append([]byte{}, bits...) // empty and nil are one on disk
		}
		for k, bits := range first.Done {
			first.Done[k] = append([]byte{}, bits...)
		}
		if !reflect.DeepEqual(again, first) {
			t.Fatalf("got  %+v\nwant %+v", again, first)
		}
	})
}

// FuzzIDs reads the chunk ids of state.db.
func FuzzIDs(f *testing.F) {
	f.Add(
		encodeIDs([]resend.Saved{
			{Key: resend.Key{Chunk: [16]byte{3}, Events: 4}, Until: time.Unix(5, 6)}, {Until: time.Unix(0, -1)},
		}),
	)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		ids, err := decodeIDs(b)
		if err != nil {
			return
		}
		if len(ids) > len(b) {
			t.Fatalf("%d ids out of %d bytes", len(ids), len(b))
		}
		if again, err := decodeIDs(encodeIDs(ids)); err != nil || !reflect.DeepEqual(again, ids) {
			t.Fatalf("got  %+v, %v\nwant %+v", again, err, ids)
		}
	})
}
