package statefile

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
)

func newNote(t *testing.T) *Note {
	t.Helper()
	return &Note{Path: filepath.Join(boltfiletest.MemoryDir(t), "retry")}
}

// A note is read as it was written, and is gone when it was removed.
func TestNote(t *testing.T) {
	n := newNote(t)
	if from, found := n.Read(); from != 0 || found || n.Exists() {
		t.Errorf("there is none: %d, found %v", from, found)
	}
	if err := n.Remove(); err != nil {
		t.Errorf("there is none to remove: %v", err)
	}
	for _, next := range []uint64{1, 0, 255, 256, math.MaxUint64} {
		if err := n.Write(next); err != nil {
			t.Fatal(err)
		}
		again := &Note{Path: n.Path}
		if from, found := again.Read(); from != next || !found || !again.Exists() {
			t.Errorf("%d is read as %d, found %v", next, from, found)
		}
	}
	if err := n.Remove(); err != nil || n.Exists() {
		t.Errorf("removed: %v, it is there: %v", err, n.Exists())
	}
	if files, err := os.ReadDir(filepath.Dir(n.Path)); err != nil || len(files) > 0 {
		t.Errorf("left: %v, %v", files, err)
	}
}

// What must stay until the next start is neither removed nor raised.
func TestNoteStays(t *testing.T) {
	n := newNote(t)
	if err := n.Write(7); err != nil {
		t.Fatal(err)
	}
	n.Stays = true
	if err := errors.Join(n.Remove(), n.Write(90)); err != nil {
		t.Fatal(err)
	}
	again := &Note{Path: n.Path}
	if from, found := again.Read(); from != 7 || !found {
		t.Errorf("noted is %d, found %v; want 7", from, found)
	}
	// The next start has the same to look through, as long as it can't.
	again.Stays = true
	if err := again.Write(100); err != nil {
		t.Fatal(err)
	}
	last := &Note{Path: n.Path}
	if from, _ := last.Read(); from != 7 {
		t.Errorf("noted is %d after another start, want 7", from)
	}
	last.Stays = false
	if err := last.Write(100); err != nil {
		t.Fatal(err)
	}
	if from, _ := last.Read(); from != 100 {
		t.Errorf("noted is %d once that was settled, want 100", from)
	}
}

// What a note says that is damaged, or of another format: all chunks are looked through where it can't be told.
func TestNoteFormats(t *testing.T) {
	eight := []byte{9, 0, 0, 0, 0, 0, 0, 0}
	for _, tc := range []struct {
		name string
		b    []byte
		want uint64
	}{
		{"of format 1: a number alone", boltfile.WithSum(eight), 9},
		{"of format 2", boltfile.WithSum(append([]byte{2, 2}, eight...)), 9},
		{"of a later one that this program may read", boltfile.WithSum(append([]byte{9, 2}, eight...)), 9},
		{"of a later one that it may not", boltfile.WithSum(append([]byte{9, 9}, eight...)), 0},
		{"empty", nil, 0},
		{"shorter than a checksum", []byte{1, 2, 3}, 0},
		{"a checksum of nothing", boltfile.WithSum(nil), 0},
		{"a wrong checksum", append(append([]byte{2, 2}, eight...), 1, 2, 3, 4), 0},
		{"a number that is cut", boltfile.WithSum(append([]byte{2, 2}, eight[:7]...)), 0},
		{"a number and more", boltfile.WithSum(append([]byte{2, 2, 0}, eight...)), 0},
	} {
		n := newNote(t)
		if err := os.WriteFile(n.Path, tc.b, 0o600); err != nil {
			t.Fatal(err)
		}
		if from, found := n.Read(); from != tc.want || !found {
			t.Errorf("%s: %d, found %v; want %d", tc.name, from, found, tc.want)
		}
	}
}

// A directory in the note's place is told of, and what could not be written leaves the earlier note.
func TestNoteFailure(t *testing.T) {
	n := newNote(t)
	if err := n.Write(7); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(n.Path+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	err := n.Write(8)
	if err == nil || !strings.HasPrefix(err.Error(), "note the retry of dead letters: open "+n.Path+".tmp: ") {
		t.Errorf("written: %v", err)
	}
	if from, found := n.Read(); from != 7 || !found {
		t.Errorf("noted is %d, found %v; want 7", from, found)
	}
	n = newNote(t)
	if err := os.MkdirAll(filepath.Join(n.Path, "file"), 0o700); err != nil {
		t.Fatal(err)
	}
	if from, found := n.Read(); from != 0 || !found {
		t.Errorf("a directory: %d, found %v", from, found)
	}
	if err := n.Remove(); err == nil || !strings.HasPrefix(err.Error(), "end the retry of dead letters: remove ") {
		t.Errorf("removed: %v", err)
	}
}
