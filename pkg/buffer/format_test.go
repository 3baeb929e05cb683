package buffer

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

// TestOtherFormat opens directories that an older and a newer version have written: both are refused with what to do, and
// left as they are, so that the right version goes on from there.
func TestOtherFormat(t *testing.T) {
	for _, tc := range []struct {
		name   string
		format uint32
	}{
		{"older", formatVersion - 1},
		{"newer", formatVersion + 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			s := mustOpen(t, cfg, Options{})
			put(t, s, message1{text: "waits"})
			mustClose(t, s)
			setFormat(t, cfg.Path, tc.format)
			before := filesOf(t, cfg.Path)
			_, err := Open(cfg, Options{Log: zerolog.New(io.Discard)})
			if !errors.Is(err, errFormat) || !strings.Contains(err.Error(), "use the program that wrote it") {
				t.Fatalf("error %v, want that the format is unknown and what to do", err)
			}
			if after := filesOf(t, cfg.Path); !maps.Equal(before, after) {
				t.Errorf("the refused directory is not as it was: %d files, then %d", len(before), len(after))
			}
			setFormat(t, cfg.Path, formatVersion)
			s = mustOpen(t, cfg, Options{})
			if got := drain(t, s, "o"); len(got) != 1 || got[0] != "waits" {
				t.Errorf("the right version finds %q", got)
			}
		})
	}
}

// setFormat writes another format version into state.db.
func setFormat(t *testing.T, dir string, version uint32) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, stateFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(metaBucket)).Put([]byte(formatKey), boltfile.WithSum(binary.BigEndian.AppendUint32(nil, version)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// filesOf returns what the files of a directory hold, but for the lock.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == boltfile.LockFile {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
