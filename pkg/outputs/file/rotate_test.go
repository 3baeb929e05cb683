package file

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestRotateBySize(t *testing.T) {
	for _, tc := range []struct{ compression, ext string }{
		{compressionNone, ""}, {compressionGzip, ".gz"}, {compressionZstd, ".zst"},
	} {
		t.Run(tc.compression, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			o := open(t,
				Config{
					Path: filepath.Join(dir, "app.ndjson"), Compression: tc.compression,
					Rotate: Rotate{MaxSize: 60, Keep: 3},
				}, c)
			for i := range 5 {
				send(t, o, outputtest.Chunk(1, "a", "t", 1, i, 40))
				if i%2 == 1 {
					c.now = c.now.Add(time.Second)
				}
			}
			want := []string{
				"app.20261121T101501Z-0001.ndjson" + tc.ext, "app.20261121T101501Z-0002.ndjson" + tc.ext,
				"app.20261121T101502Z-0001.ndjson" + tc.ext,
			}
			got := tree(t, dir)
			if !slices.Equal(got, want) {
				t.Fatalf("files %v, want %v", got, want)
			}
			for i, name := range got {
				if n := read(t, filepath.Join(dir, name)); !slices.Equal(n, []int{i + 2}) {
					t.Errorf("%s has %v", name, n)
				}
			}
		})
	}
}

func TestRotateByAge(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	o := open(t, Config{Path: filepath.Join(dir, "app"), Rotate: Rotate{MaxAge: time.Hour}}, c)
	for i := range 4 { // the file is closed in between, but its begin remembered
		send(t, o, outputtest.Chunk(1, "a", "t", 1, i, 5))
		c.now = c.now.Add(30 * time.Minute)
		o.closeIdle()
	}
	if got := tree(t, dir); !slices.Equal(got, []string{"app", "app.20261121T111500Z-0001"}) {
		t.Fatalf("files %v", got)
	}
	if got := read(t, filepath.Join(dir, "app")); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("app has %v", got)
	}
}

// TestKeepTouchesNothingElse gives names that look like finished files of another path.
func TestKeepTouchesNothingElse(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	o := open(t, Config{Path: filepath.Join(dir, "{tag}.ndjson"), Rotate: Rotate{MaxAge: time.Minute, Keep: 1}}, c)
	send(t, o, outputtest.Chunk(1, "a", "app.20260101T000000Z-0001", 1, 0, 5))
	for i := range 4 {
		send(t, o, outputtest.Chunk(1, "a", "app", 1, i, 5))
		c.now = c.now.Add(time.Minute)
	}
	want := []string{"app.20260101T000000Z-0001_.ndjson", "app.20261121T101800Z-0001.ndjson", "app.ndjson"}
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
}

// TestTornEnd cuts a file at every length, or puts rubbish behind it, and goes on with a new process.
func TestTornEnd(t *testing.T) {
	for _, tc := range []struct{ compression, ext string }{
		{compressionNone, ""}, {compressionGzip, ".gz"}, {compressionZstd, ".zst"},
	} {
		t.Run(tc.compression, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			cfg := Config{Path: filepath.Join(dir, "x"), Compression: tc.compression}
			path := cfg.Path + tc.ext
			o := open(t, cfg, c)
			ends := []int{0}
			for i := range 3 {
				send(t, o, outputtest.Chunk(1, "a", "t", 1, i, 300))
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				ends = append(ends, int(info.Size()))
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			check := func(b []byte, events int) {
				t.Helper()
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				o := open(t, cfg, c)
				send(t, o, outputtest.Chunk(1, "a", "t", 1, events, 5))
				if err := o.Close(); err != nil {
					t.Fatal(err)
				}
				if got := read(t, path); len(got) != events+1 || got[events] != events {
					t.Fatalf("after %d of %d bytes: events %v, want %d and the new one", len(b), len(whole), got,
						events)
				}
			}
			for n := range len(whole) + 1 {
				events := 0
				for events < 3 && ends[events+1] <= n {
					events++
				}
				check(whole[:n], events)
			}
			check(append(slices.Clone(whole), make([]byte, 5000)...), 3)
			check(append(slices.Clone(whole), "rubbish"...), 3)
		})
	}
}

// TestZstdEndOfManyBlocks walks frames of many blocks of all kinds.
func TestZstdEndOfManyBlocks(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	cfg := Config{Path: filepath.Join(dir, "x"), Compression: compressionZstd}
	o := open(t, cfg, c)
	chunk := outputtest.Chunk(1, "a", "t", 4000, 0, 1000)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range chunk.Entries {
		if chunk.Entries[i] == 'x' {
			chunk.Entries[i] = byte('a' + rnd.IntN(26))
		}
	}
	send(t, o, chunk)
	send(t, o, outputtest.Chunk(1, "a", "t", 4000, 4000, 1000))
	info, err := os.Stat(cfg.Path + ".zst")
	if err != nil {
		t.Fatal(err)
	}
	if end, err := o.files.soundEnd(t.Context(), cfg.Path+".zst", info.Size()); err != nil || end != info.Size() {
		t.Errorf("sound up to %d of %d, %v", end, info.Size(), err)
	}
}

func TestLongGzipIsFinishedUnread(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Path: filepath.Join(dir, "x"), Compression: compressionGzip}
	if err := os.WriteFile(cfg.Path+".gz", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(cfg.Path+".gz", maxScan+1); err != nil { // sparse
		t.Fatal(err)
	}
	o := open(t, cfg, newClock())
	send(t, o, outputtest.Chunk(1, "a", "t", 1, 0, 5))
	if got := tree(t, dir); !slices.Equal(got, []string{"x.20261121T101500Z-0001.gz", "x.gz"}) {
		t.Errorf("files %v", got)
	}
	if got := read(t, cfg.Path+".gz"); !slices.Equal(got, []int{0}) {
		t.Errorf("new file has %v", got)
	}
}
