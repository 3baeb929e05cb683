package disk

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/journal"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// TestFormats opens a directory of each format there has been: testdata/formats has what the programs of their time
// left when they were killed. In each, 50 events of app.web wait for the output "waits" and are finished for "done", in
// a sealed segment and one that is not, and five events that no route wanted are dead letters.
func TestFormats(t *testing.T) {
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprintf("w-%d-%d", i/10, i%10))
	}
	directories, err := os.ReadDir("testdata/formats")
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, d := range directories {
		last = d.Name()
		t.Run(d.Name(), func(t *testing.T) {
			cfg := testConfig(unpacked(t, filepath.Join("testdata/formats", d.Name())))
			waits := want
			for _, start := range []string{"first", "second"} {
				s := mustOpen(t, cfg, buffer.Options{})
				if again := drain(t, s, "done"); len(again) > 0 {
					t.Errorf("%s start: what was finished comes again: %q", start, again)
				}
				var got []string
				for _, entries := range drain(t, s, "waits") {
					got = append(got, regexp.MustCompile(`w-\d-\d`).FindAllString(entries, -1)...)
				}
				slices.Sort(got)
				if !slices.Equal(got, waits) {
					t.Errorf("%s start: %d events wait: %q", start, len(got), got)
				}
				letters, _, err := s.DeadLetters().Page(t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 10})
				events := 0
				for i := range letters {
					events += letters[i].Events
				}
				if err != nil || events != 5 || letters[0].Tag != "nobody.wants" || letters[0].Reason != "unrouted" {
					t.Errorf("%s start: dead letters %+v, %v", start, letters, err)
				}
				if n := s.Stats().Disk.SetAside + s.DeadLetters().Stats().SetAside; n != 0 {
					t.Errorf("%s start: %d files were taken for damaged", start, n)
				}
				mustClose(t, s)
				waits = nil // what is delivered now must not come again either
			}
		})
	}
	if now := statefile.Format().Number; last != strconv.Itoa(now) {
		t.Errorf("the newest directory in testdata/formats is %s: keep one of format %d", last, now)
	}
}

// unpacked returns a copy of the directory, of which all files are compressed.
func unpacked(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, name), 0o750))
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return err
		}
		if b, err = io.ReadAll(z); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, strings.TrimSuffix(name, ".gz")), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// TestOtherFormat opens directories of which one file is of another format. One that this program may not read is
// refused with what to do, and every file is left as it was, so that the right program goes on from there.
func TestOtherFormat(t *testing.T) {
	numbers := func(number, oldest byte) []byte { return []byte{0, 0, 0, number, 0, 0, 0, oldest} }
	for _, tc := range []struct {
		name    string
		change  func(t *testing.T, dir string)
		refused string // the file that the error names; "": none
	}{
		{"older state.db", put1(statefile.Name, "meta", "format", boltfile.WithSum(numbers(0, 0)[:4])), statefile.Name},
		{"newer state.db", put1(statefile.Name, "meta", "format", boltfile.WithSum(numbers(4, 0)[:4])), statefile.Name},
		{"newer state.db, with the oldest program", func(t *testing.T, dir string) {
			t.Helper()
			put1(statefile.Name, "meta", "format", boltfile.WithSum(numbers(9, 0)[:4]))(t, dir)
			put1(statefile.Name, "queue", "oldest", boltfile.WithSum(numbers(9, 4), []byte("oldest")...))(t, dir)
		}, statefile.Name},
		{"newer state.db that this program may read", func(t *testing.T, dir string) {
			t.Helper()
			put1(statefile.Name, "meta", "format", boltfile.WithSum(numbers(9, 0)[:4]))(t, dir)
			put1(statefile.Name, "queue", "oldest", boltfile.WithSum(numbers(9, 3), []byte("oldest")...))(t, dir)
		}, ""},
		{"newer index", changeIndex(9, 4), "seg-"},
		{"newer index that this program may read", changeIndex(9, 3), ""},
		{"newer chunk", changeChunk(9, 4), "seg-"},
		{"newer chunk, with one number", changeChunk(4, 0), "seg-"},
		{"newer chunk that this program may read", changeChunk(9, 3), ""},
		{"newer chunk in the journal", changeJournal(false, 9, 4), "journal"},
		{"newer chunk in the journal that this program may read", changeJournal(false, 9, 3), ""},
		{"newer journal", changeJournal(true, 9, 2), "journal"},
		{"newer journal that this program may read", changeJournal(true, 9, 1), ""},
		{"newer dead letters", changeSummary(9, 2), "dead-"},
		{"newer dead letters that this program may read", changeSummary(9, 1), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			s := mustOpen(t, cfg, buffer.Options{})
			b := message1{text: "sealed"}.begin(s)
			b.Reject([]byte{0xc0}, 1, "invalid")
			if err := b.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustClose(t, s)
			s = mustOpen(t, cfg, buffer.Options{})
			open := text(journaledBytes+1, 1)
			put(t, s, message1{text: open})
			put(t, s, message1{text: "journaled"})
			dir := t.TempDir() // as a kill leaves it
			if err := os.CopyFS(dir, os.DirFS(cfg.Path)); err != nil {
				t.Fatal(err)
			}
			mustClose(t, s)
			cfg.Path = dir
			tc.change(t, dir)
			before := filesOf(t, dir)
			s, err := Open(cfg, buffer.Options{Log: zerolog.New(io.Discard)})
			if tc.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := drain(t, s, "o"); !slices.Equal(got, []string{"sealed", open, "journaled"}) {
					t.Errorf("found %.20q", got)
				}
				if n := s.Stats().Disk.SetAside + s.DeadLetters().Stats().SetAside; n != 0 {
					t.Errorf("%d files were taken for damaged", n)
				}
				mustClose(t, s)
				return
			}
			if !errors.Is(err, format.ErrUnknown) || !strings.Contains(err.Error(), "use the program that wrote it") ||
				!strings.Contains(err.Error(), "/"+tc.refused) {
				t.Fatalf("error %v, want which file it is and what to do", err)
			}
			if after := filesOf(t, dir); !maps.Equal(before, after) {
				t.Errorf("the refused directory is not as it was: %d files, then %d", len(before), len(after))
			}
		})
	}
}

// put1 returns a change of one value in a file.
func put1(file, bucket, key string, value []byte) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		db, err := bbolt.Open(filepath.Join(dir, file), 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), value) })
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// changeIndex gives the index of the sealed segment other numbers.
func changeIndex(number, oldest byte) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, segment.Name(1))
		b := bytes.Clone(valueIn(t, path, "index", "index"))
		b[0], b[1] = number, oldest
		b = binary.LittleEndian.AppendUint32(b[:len(b)-4], boltfile.Checksum(b[:len(b)-4]))
		put1(segment.Name(1), "index", "index", b)(t, dir)
	}
}

// changeSummary gives the summary of the dead letters other numbers.
func changeSummary(number, oldest byte) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		paths, err := filepath.Glob(filepath.Join(dir, "dead", "dead-*.db"))
		if err != nil || len(paths) != 1 {
			t.Fatalf("files of dead letters: %v, %v", paths, err)
		}
		b := bytes.Clone(valueIn(t, paths[0], "summary", "summary"))
		b = slices.Concat([]byte{number, oldest}, b[1:])
		put1("dead/"+filepath.Base(paths[0]), "summary", "summary", boltfile.WithSum(b[:len(b)-4]))(t, dir)
	}
}

// changeChunk gives the chunk in the segment that is not sealed other numbers.
func changeChunk(number, oldest byte) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		segments := segmentFiles(t, dir)
		path := filepath.Join(dir, filepath.Base(segments[len(segments)-1]))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, []byte(chunk.Magic))
		size, _, err := chunk.Length(b[at:])
		if err != nil {
			t.Fatal(err)
		}
		b[at+8], b[at+10] = number, oldest
		chunk.Seal(b[at : at+size])
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// changeJournal gives the journal, or the first chunk in it, other numbers.
func changeJournal(begin bool, number, oldest byte) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, journal.Name)
		boltfiletest.Change(t, path, func(b []byte) []byte {
			if begin {
				for at := 0; at < 2*boltfile.PageSize; at += boltfile.PageSize {
					if b[at] != 0 {
						b[at+8], b[at+9] = number, oldest
						binary.LittleEndian.PutUint32(b[at+48:], boltfile.Checksum(b[at:at+48]))
					}
				}
				return b
			}
			at := bytes.Index(b, []byte(chunk.Magic))
			size, _, err := chunk.Length(b[at:])
			if err != nil {
				t.Fatal(err)
			}
			b[at+8], b[at+10] = number, oldest
			chunk.Seal(b[at : at+size])
			head := at / boltfile.PageSize * boltfile.PageSize
			end := at + size
			binary.LittleEndian.PutUint32(b[head+8:], boltfile.Checksum(b[head+12:end]))
			return b
		})
	}
}

// valueIn returns what lies under the key in a bucket of a file.
func valueIn(t *testing.T, path, bucket, key string) []byte {
	t.Helper()
	p, err := boltfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	b, err := p.Bucket(bucket)
	if err != nil || b == nil {
		t.Fatalf("bucket %s of %s: %v", bucket, path, err)
	}
	e, _, err := b.Find(key)
	if err != nil {
		t.Fatal(err)
	}
	return e.Value
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

// TestOldestOfIndex: a sealed segment whose chunks the program before can't read says so in its index, which that
// program reads at its start. Others don't.
func TestOldestOfIndex(t *testing.T) {
	for _, tc := range []struct {
		name string
		rest buffer.Rest
		want byte
	}{
		{"what is left as it was stored", buffer.Rest{}, 2},
		{"what is left with another tag", buffer.Rest{Filtered: true, NewTag: "new"}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			s := mustOpen(t, cfg, buffer.Options{})
			put(t, s, message1{text: "a"})
			src := s.Source("o")
			c, err := src.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tc.rest.Entries, tc.rest.Parts = bytes.Clone(c.Entries), slices.Clone(c.Parts)
			if err := src.SettlePart(t.Context(), c, []buffer.Rest{tc.rest}); err != nil {
				t.Fatal(err)
			}
			mustClose(t, s)
			if b := valueIn(t, filepath.Join(cfg.Path, segment.Name(1)), "index", "index"); b[1] != tc.want {
				t.Errorf("readable from format %d on, want %d", b[1], tc.want)
			}
			s = mustOpen(t, cfg, buffer.Options{}) // what is not sealed is written anew
			mustClose(t, s)
			if b := valueIn(t, filepath.Join(cfg.Path, segment.Name(1)), "index", "index"); b[1] != tc.want {
				t.Errorf("readable from format %d on after another start, want %d", b[1], tc.want)
			}
		})
	}
}
