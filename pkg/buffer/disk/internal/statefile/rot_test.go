package statefile

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Whatever rots in state.db, it is read as it was or not at all: nothing counts as finished that is not.
func TestRottenState(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	db := DB{Dir: dir, Sync: true}
	all := &Snapshot{Queue: [16]byte{1, 2}, Next: 77, Done: map[Key][]byte{}, HasIDs: true}
	for i := range 30 {
		all.Done[Key{uint64(1 + 100*i), "archive"}] = bytes.Repeat([]byte{byte(i)}, 10*i)
		all.Done[Key{uint64(1 + 100*i), "es"}] = bytes.Repeat([]byte{byte(i + 1)}, 20*i)
		all.IDs = append(all.IDs, resend.Saved{
			Key: resend.Key{Chunk: [16]byte{byte(i)}, Events: i}, Until: time.Unix(5, 6),
		})
	}
	if err := db.Renew(all); err != nil {
		t.Fatal(err)
	}
	if err := db.Save(&Snapshot{Queue: all.Queue, Next: 78, Done: map[Key][]byte{{1, "es"}: nil}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	want, err := Load(dir)
	if err != nil || len(want.Done) != 59 || want.Next != 78 {
		t.Fatal(want, err)
	}
	boltfiletest.EachRot(t, filepath.Join(dir, Name), func(t *testing.T, r boltfiletest.Rot) {
		t.Helper()
		got, err := Load(dir)
		if err != nil {
			return
		}
		for k, bits := range got.Done {
			if !bytes.Equal(bits, want.Done[k]) && !bytes.Equal(bits, all.Done[k]) {
				t.Errorf("finished of %v is %x, not %x", k, bits, want.Done[k])
			}
		}
		if got.Queue != want.Queue || got.Next != want.Next && got.Next != all.Next {
			t.Errorf("queue %x, next %d", got.Queue, got.Next)
		}
	})
}
