package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// clock is a time that tests move.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 21, 10, 15, 0, 0, time.UTC)} }

func open(t *testing.T, cfg Config, c *clock) *Output {
	t.Helper()
	return openWith(t, cfg, c, "")
}

// openWith opens an output with the log of batches at state.
func openWith(t *testing.T, cfg Config, c *clock, state string) *Output {
	t.Helper()
	cfg.Fields.Time, cfg.Fields.Tag, cfg.Fields.Cluster = "@timestamp", "tag", "cluster"
	o, err := New(cfg, Options{
		Name: "archive", Log: zerolog.Nop(), Now: func() time.Time { return c.now }, StateFile: state,
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func send(t *testing.T, o *Output, chunks ...*event.Chunk) {
	t.Helper()
	if err := o.Send(t.Context(), outputtest.Batch(chunks...)); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

// read returns the n of the events in the file at path, all of which must be readable.
func read(t *testing.T, path string) (got []int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var r io.Reader = bytes.NewReader(b)
	switch {
	case len(b) == 0:
	case strings.HasSuffix(path, ".gz"):
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for line := range bytes.Lines(text) {
		var record struct{ N int }
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		got = append(got, record.N)
	}
	return got
}

// tree returns the paths of the files below dir.
func tree(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// full is a disk with room for so many bytes more; below 0 it is never full.
type full struct {
	room         int
	syncFails    bool
	keepsBytes   bool // truncating fails
	syncs, opens int
}

func (d *full) install(o *Output) {
	o.files.open = func(path string) (handle, error) {
		d.opens++
		h, err := openAppend(path)
		return &fullFile{h, d}, err
	}
}

type fullFile struct {
	handle
	disk *full
}

func (f *fullFile) Write(p []byte) (int, error) {
	if d := f.disk; d.room >= 0 && len(p) > d.room {
		n, err := f.handle.Write(p[:d.room])
		d.room = 0
		return n, errors.Join(err, syscall.ENOSPC)
	} else if d.room >= 0 {
		d.room -= len(p)
	}
	return f.handle.Write(p)
}

func (f *fullFile) Sync() error {
	f.disk.syncs++
	if f.disk.syncFails {
		return syscall.EIO
	}
	return f.handle.Sync()
}

func (f *fullFile) Truncate(size int64) error {
	if f.disk.keepsBytes {
		return syscall.EIO
	}
	return f.handle.Truncate(size)
}

// Stat unwraps, so that os.SameFile knows the file.
func (f *fullFile) Stat() (fs.FileInfo, error) { return f.handle.Stat() }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestContract(t *testing.T) {
	for _, tc := range []struct {
		name, compression, ext string
		disk                   full // when it breaks
	}{
		{"plain", compressionNone, "", full{}},
		{"gzip", compressionGzip, ".gz", full{}},
		{"zstd", compressionZstd, ".zst", full{}},
		{"fsync fails", compressionNone, "", full{syncFails: true}},
		{"truncate fails too", compressionNone, "", full{keepsBytes: true}},
		{"truncate of gzip fails too", compressionGzip, ".gz", full{keepsBytes: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				path := filepath.Join(t.TempDir(), "a", "b", "{tag}.ndjson")
				o := openWith(t, Config{Path: path, Compression: tc.compression}, newClock(),
					filepath.Join(t.TempDir(), "file.log"))
				disk := full{room: -1}
				disk.install(o)
				return &outputtest.Destination{
					Output: o,
					Numbers: func(t *testing.T) []int {
						t.Helper()
						var all []int
						for _, tag := range []string{"t", "u", "web.b", "web.c"} {
							if file := strings.Replace(path, "{tag}", tag, 1) + tc.ext; tag == "t" || exists(file) {
								all = append(all, read(t, file)...)
							}
						}
						return all
					},
					Break: func(after int) {
						disk = tc.disk
						if disk.room = after; tc.compression != compressionNone {
							disk.room = after / 1000 // the events compress well
						}
					},
					Repair: func() { disk = full{room: -1} },
					Trouble: func(on bool) {
						at := strings.Replace(path, "{tag}", "u", 1) + tc.ext
						if on {
							if err := os.MkdirAll(at, 0o750); err != nil {
								t.Fatal(err)
							}
						} else if err := os.Remove(at); err != nil {
							t.Fatal(err)
						}
					},
				}
			})
		})
	}
}

func TestErrorTellsWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ndjson")
	o := open(t, Config{Path: path}, newClock())
	(&full{room: 10}).install(o)
	err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 10)))
	var se *outputs.SendError
	if !errors.As(err, &se) || se.Reason != outputs.ReasonServer || !errors.Is(err, syscall.ENOSPC) ||
		!strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "free space") {
		t.Errorf("got %v", err)
	}
}

func TestOneBadFileStopsOnlyItself(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "b.ndjson"), 0o750); err != nil {
		t.Fatal(err)
	}
	o := open(t, Config{Path: filepath.Join(dir, "{tag}.ndjson")}, newClock())
	b := outputtest.Batch(outputtest.Chunk(1, "c", "a", 2, 0, 5), outputtest.Chunk(2, "c", "b", 2, 2, 5),
		outputtest.Chunk(3, "c", "a", 1, 4, 5))
	b.Events = append(b.Events, outputtest.Broken(b.Events[0].Chunk))
	err := o.Send(t.Context(), b)
	var se *outputs.SendError
	if !errors.As(err, &se) {
		t.Fatal(err)
	}
	var got []outputs.Failure
	for _, f := range se.Failed {
		got = append(got, outputs.Failure{Index: f.Index, Reason: f.Reason})
	}
	want := []outputs.Failure{
		{Index: 2, Reason: outputs.ReasonTarget},
		{Index: 3, Reason: outputs.ReasonTarget},
		{Index: 5, Reason: outputs.ReasonRejected},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("failed %v, want %v", got, want)
	}
	if got := read(t, filepath.Join(dir, "a.ndjson")); !slices.Equal(got, []int{0, 1, 4}) {
		t.Errorf("a.ndjson has %v", got)
	}
}

func TestPathFollowsTimeAndRecord(t *testing.T) {
	for _, tc := range []struct {
		path string
		want []string
	}{
		{"{cluster}/%Y-%m-%d.ndjson", []string{"a/2025-11-21.ndjson", "b/2025-11-21.ndjson"}},
		{"%M%S", []string{"1500", "1501", "1502"}},
		{"{record.n}/{record.none|x}", []string{"0/x", "1/x", "2/x", "3/x", "4/x"}},
		{"{record.none}", []string{"_"}},
	} {
		dir := t.TempDir()
		o := open(t, Config{Path: filepath.Join(dir, tc.path)}, newClock())
		send(t, o, outputtest.Chunk(1, "a", "t", 3, 0, 5), outputtest.Chunk(2, "b", "t", 2, 3, 5))
		if got := tree(t, dir); !slices.Equal(got, tc.want) {
			t.Errorf("%s: files %v, want %v", tc.path, got, tc.want)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSyncsBeforeItReturns(t *testing.T) {
	o := open(t, Config{Path: filepath.Join(t.TempDir(), "{tag}")}, newClock())
	disk := &full{room: -1}
	disk.install(o)
	for i := range 3 {
		send(t, o, outputtest.Chunk(1, "a", "x", 10, 0, 5), outputtest.Chunk(2, "a", "y", 10, 0, 5))
		if disk.syncs != 2*(i+1) {
			t.Errorf("%d fsyncs after %d batches for two files", disk.syncs, i+1)
		}
	}
	if disk.opens != 2 {
		t.Errorf("two files were opened %d times", disk.opens)
	}
}

func TestOpenFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	o := open(t, Config{Path: filepath.Join(dir, "{record.n}")}, c)
	for range 2 {
		send(t, o, outputtest.Chunk(1, "a", "t", 3*maxOpen, 0, 5))
		if n := o.files.recent.Len(); n != maxOpen || len(o.files.byPath) != n {
			t.Errorf("%d files open", n)
		}
	}
	if got := read(t, filepath.Join(dir, "7")); !slices.Equal(got, []int{7, 7}) {
		t.Errorf("file 7 has %v", got)
	}
	c.now = c.now.Add(idle)
	o.closeIdle()
	if n := o.files.recent.Len(); n != 0 {
		t.Errorf("%d files open after a minute", n)
	}
}

// Files whose path has the tag follow a tag that a filter has changed, also where a chunk has several.
func TestPathFollowsChangedTag(t *testing.T) {
	dir := t.TempDir()
	o := open(t, Config{Path: filepath.Join(dir, "{tag}.ndjson")}, newClock())
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 4, 0, 5))
	b.Events[1].Tag, b.Events[2].Tag = "web", "web"
	if err := o.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"t.ndjson": 2, "web.ndjson": 2} {
		if got := read(t, filepath.Join(dir, name)); len(got) != want {
			t.Errorf("%s has %v", name, got)
		}
	}
}

func TestFileTakenAwayIsMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	o := open(t, Config{Path: path}, newClock())
	send(t, o, outputtest.Chunk(1, "a", "t", 1, 0, 5))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	send(t, o, outputtest.Chunk(1, "a", "t", 1, 1, 5))
	if a, b := read(t, path+".1"), read(t, path); !slices.Equal(a, []int{0}) || !slices.Equal(b, []int{1}) {
		t.Errorf("moved %v, new %v", a, b)
	}
}

// What stands where a directory should be stays, also where nothing can be made or synced.
func TestMakeDirLeavesWhatItDidNotMake(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "file")
	if err := os.WriteFile(in, []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{in, filepath.Join(in, "below")} {
		if err := makeDir(path); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := os.ReadFile(in); err != nil || string(b) != "somebody's" {
		t.Errorf("the file holds %q: %v", b, err)
	}
}

// TestRawLines: each event is one line of its field's text, whatever is in it.
func TestRawLines(t *testing.T) {
	dir := t.TempDir()
	o, err := New(Config{
		Path: filepath.Join(dir, "raw"), Compression: compressionNone,
		MessageConfig: outputs.MessageConfig{Message: "log"},
	}, Options{Name: "raw", Log: zerolog.Nop(), Now: func() time.Time { return newClock().now }})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Send(t.Context(), outputtest.RawBatch()); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, text := range outputtest.RawTexts() {
		want.WriteString(text.Line + "\n")
	}
	got, err := os.ReadFile(filepath.Join(dir, "raw"))
	if err != nil || string(got) != want.String() {
		t.Errorf("the file has\n%q, %v; want\n%q", got, err, want.String())
	}
}
