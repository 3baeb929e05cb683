package disk

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
)

// manySegments makes a directory with n chunks of 100 KiB, of which a segment of 1 MiB holds about ten, and returns its
// sealed segments.
func manySegments(t *testing.T, cfg buffer.Config, n int) []string {
	t.Helper()
	s := mustOpen(t, cfg, buffer.Options{})
	for i := range n {
		put(t, s, message1{outputs: []string{"o"}, text: text(100<<10, uint64(i))})
	}
	mustClose(t, s)
	names, err := os.ReadDir(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	var segments []string
	for _, name := range names {
		if _, ok := segment.First(name.Name()); ok {
			segments = append(segments, cfg.Path+"/"+name.Name())
		}
	}
	return segments
}

// TestStartReadsNoChunks zeroes all chunks of a directory: a start, which must not take long with many of them, does
// not notice, since it reads what the segments' indices say.
func TestStartReadsNoChunks(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Compression = "none"
	segments := manySegments(t, cfg, 30)
	if len(segments) < 3 {
		t.Fatalf("%d segments", len(segments))
	}
	for _, path := range segments {
		first, _ := segment.First(path[len(cfg.Path)+1:])
		c, err := segment.ReadIndex(path, first)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Entries {
			if _, err := f.WriteAt(make([]byte, c.Entries[i].Size), int64(c.Entries[i].Off)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, lose := range []string{"nothing", "state.db"} {
		if lose != "nothing" {
			if err := os.Remove(cfg.Path + "/" + lose); err != nil {
				t.Fatal(err)
			}
		}
		s := mustOpen(t, cfg, buffer.Options{})
		if st := s.Stats(); st.Waits[0].Pending.Chunks != 30 || st.Disk.SetAside != 0 {
			t.Errorf("without %s: %d chunks wait, %d files were set aside", lose, st.Waits[0].Pending.Chunks,
				st.Disk.SetAside)
		}
		mustClose(t, s)
	}
}

// TestInterruptedStart ends a start after each segment; nothing stays open, and the next start finds everything.
func TestInterruptedStart(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Compression = "none"
	segments := manySegments(t, cfg, 30)
	for n := range segments {
		asked := 0
		_, err := Open(cfg, buffer.Options{Log: zerolog.Nop(), Interrupted: func() error {
			if asked++; asked > n {
				return context.Canceled
			}
			return nil
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted after %d: %v", n, err)
		}
	}
	s := mustOpen(t, cfg, buffer.Options{})
	if got := s.Stats().Waits[0].Pending.Chunks; got != 30 {
		t.Errorf("%d chunks wait", got)
	}
	mustClose(t, s)
}

// A segment that was being written when the process ended may be in memory alone, as after a sync that failed: a start
// writes it anew before it tells an agent that what it sends again is stored. Where it can't, it is stored again.
func TestSegmentBeingWrittenIsSettled(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault error // of the rewriting
		large bool  // the messages are, so that they are not in the journal
		want  int64 // chunks, after the last message has come again
	}{
		{"written anew", nil, true, 2},
		{"the disk refuses", errFault, true, 3},
		{"the journal is put into it", nil, false, 2},
		{"the journal stays", errFault, false, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			before := mustOpen(t, cfg, buffer.Options{})
			size, inFile := 1, 0
			if tc.large {
				size = journaledBytes + 1
			}
			if tc.large || tc.fault == nil {
				inFile = 2
			}
			put(t, before, message1{conn: 1, chunk: "first", text: text(size, 1)})
			put(t, before, message1{conn: 1, chunk: "last", text: text(size, 2)})
			cfg.Path = t.TempDir()
			if err := os.CopyFS(cfg.Path, os.DirFS(before.dir)); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, cfg, buffer.Options{Fault: func(op string) error {
				if op == "replace" {
					return tc.fault
				}
				return nil
			}})
			c, err := segment.ReadIndex(s.segs[0].path, s.segs[0].first)
			if err != nil || c.Sealed != (tc.fault == nil) || len(c.Entries) != inFile {
				t.Errorf("the segment is %+v, %v", c, err)
			}
			put(t, s, message1{conn: 2, chunk: "last", text: text(size, 2)})
			if got := s.Stats().Waits[0].Pending.Chunks; got != tc.want {
				t.Errorf("%d chunks wait, want %d", got, tc.want)
			}
			texts := 0
			for c := take(t, s, "o"); c != nil; c = take(t, s, "o") {
				texts++
			}
			if int64(texts) != tc.want {
				t.Errorf("%d chunks can be read", texts)
			}
			mustClose(t, s)
			s = mustOpen(t, cfg, buffer.Options{})
			if got := drain(t, s, "o"); int64(len(got)) != tc.want {
				t.Errorf("%d chunks wait after the next start, want %d", len(got), tc.want)
			}
			checkUse(t, s)
		})
	}
}
