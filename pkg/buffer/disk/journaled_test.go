package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/journal"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
)

// killed returns a copy of the queue's directory, as a kill leaves it.
func killed(t *testing.T, s *Queue) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// journaledTexts returns what waits in the directory's journal and in none of its segments.
func journaledTexts(t *testing.T, dir string) (n int) {
	t.Helper()
	c, err := journal.Read(filepath.Join(dir, journal.Name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if c == nil {
		return 0
	}
	have := map[uint64]bool{}
	for _, path := range segmentFiles(t, dir) {
		first, _ := segment.First(filepath.Base(path))
		held, err := segment.ReadIndex(path, first)
		if err != nil {
			t.Fatal(err)
		}
		for i := range held.Entries {
			have[first+uint64(held.Entries[i].Seq)] = true
		}
	}
	for i := range c.Chunks {
		if !have[c.Chunks[i].Seq] {
			n++
		}
	}
	return n
}

// oldestProgram returns the number of the oldest program that may use the directory.
func oldestProgram(t *testing.T, dir string) byte {
	t.Helper()
	return valueIn(t, filepath.Join(dir, statefile.Name), "queue", "oldest")[7]
}

// Small commits go to the journal and are handed out from memory; with a large one, and at the end, they go to the
// segment, in order. Older programs must not use the directory in between.
func TestJournaled(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	var want []string
	for i := range 3 {
		want = append(want, fmt.Sprint("small ", i))
		put(t, s, message1{text: want[i]})
	}
	dir := killed(t, s)
	if n := journaledTexts(t, dir); n != 3 || oldestProgram(t, dir) != 3 {
		t.Errorf("%d chunks are in the journal alone, and format %d may be used on it", n, oldestProgram(t, dir))
	}
	if got := take(t, s, "o"); string(got.Entries) != want[0] {
		t.Errorf("got %q from memory", got.Entries)
	}
	want = append(want, text(journaledBytes+1, 1), "behind it")
	put(t, s, message1{text: want[3]})
	if n := journaledTexts(t, killed(t, s)); n != 0 {
		t.Errorf("%d chunks are in the journal alone after a large commit", n)
	}
	put(t, s, message1{text: want[4]})
	dir = killed(t, s)
	if n := journaledTexts(t, dir); n != 1 {
		t.Errorf("%d chunks are in the journal alone after another small one", n)
	}
	checkUse(t, s)
	mustClose(t, s)
	if n := journaledTexts(t, cfg.Path); n != 0 || oldestProgram(t, cfg.Path) != 2 {
		t.Errorf("%d chunks are in the journal after the end, and format %d may be used on it", n,
			oldestProgram(t, cfg.Path))
	}
	for name, path := range map[string]string{"closed": cfg.Path, "killed": dir} {
		cfg.Path = path
		s = mustOpen(t, cfg, buffer.Options{})
		if got := drain(t, s, "o"); !slices.Equal(got, want) {
			t.Errorf("%s: got %.20q", name, got)
		}
		if st := s.Stats(); st.Disk.SetAside > 0 {
			t.Errorf("%s: %d files were taken for damaged", name, st.Disk.SetAside)
		}
		mustClose(t, s)
	}
}

// A journal that is full goes to the segment, and is used again.
func TestFullJournal(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	var want []string
	most := 0
	for i := range 40 {
		want = append(want, text(20_000, uint64(i)))
		put(t, s, message1{text: want[i]})
		s.mu.Lock()
		for _, seg := range s.segs {
			most = max(most, len(seg.fresh))
		}
		s.mu.Unlock()
	}
	if limit := int(cfg.SegmentSize) / 4 / 20_000; most < limit/2 || most > limit {
		t.Errorf("up to %d chunks were in the journal, which has room for %d", most, limit)
	}
	cfg.Path = killed(t, s)
	s = mustOpen(t, cfg, buffer.Options{})
	if got := drain(t, s, "o"); !slices.Equal(got, want) {
		t.Errorf("%d chunks, want %d in order", len(got), len(want))
	}
}

// Whatever happens to the journal between two lives: what is whole of it is handed out, once, and the rest is told.
func TestDamagedJournal(t *testing.T) {
	const record = 8192 // where the first begins; each of these takes a page
	for _, tc := range []struct {
		name     string
		damage   func(b []byte) []byte
		lost     []int
		setAside bool
		says     string
	}{
		{"nothing", func(b []byte) []byte { return b }, nil, false, ""},
		{
			"a chunk in the midst", func(b []byte) []byte { b[record+4096+500]++; return b },
			[]int{1},
			true,
			"chunk 2: 1 events",
		},
		{"a record's head", func(b []byte) []byte { b[record]++; return b }, nil, true, "journal is damaged"},
		{
			"the last chunk", func(b []byte) []byte { b[record+3*4096+500]++; return b },
			[]int{3},
			false,
			"within a commit",
		},
		{
			"the last record's head", func(b []byte) []byte { b[record+3*4096]++; return b }, nil, false,
			"within a commit",
		},
		{"both beginnings", func(b []byte) []byte { clear(b[:record]); return b }, nil, true, "journal is damaged"},
		{
			"its end is cut off", func(b []byte) []byte { return b[:record+2*4096+100] },
			[]int{2, 3},
			true,
			"it is cut at 16484 bytes",
		},
		{"all zeros", func(b []byte) []byte { clear(b); return b }, []int{0, 1, 2, 3}, false, ""},
		{"empty", func([]byte) []byte { return nil }, []int{0, 1, 2, 3}, true, "it is cut at 0 bytes"},
		{
			"garbage", func(b []byte) []byte { return []byte(text(len(b), 1)) },
			[]int{0, 1, 2, 3},
			true,
			"it has no beginning",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			s := mustOpen(t, cfg, buffer.Options{})
			var want []string
			for i := range 4 {
				want = append(want, text(1000, uint64(i)))
				put(t, s, message1{text: want[i], chunk: strconv.Itoa(i), conn: uint64(i)})
			}
			cfg.Path = killed(t, s)
			boltfiletest.Change(t, filepath.Join(cfg.Path, journal.Name), tc.damage)
			for i := len(tc.lost) - 1; i >= 0; i-- {
				want = slices.Delete(want, tc.lost[i], tc.lost[i]+1)
			}
			var log bytes.Buffer
			s, err := Open(cfg, buffer.Options{Log: zerolog.New(&log)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			if got := drain(t, s, "o"); !slices.Equal(got, want) {
				t.Errorf("got %d chunks, want %d: %.20q", len(got), len(want), got)
			}
			st := s.Stats()
			if (st.Disk.SetAside > 0) != tc.setAside || (len(corruptFiles(t, cfg.Path)) > 0) != tc.setAside {
				t.Errorf("%d set aside: %q", st.Disk.SetAside, corruptFiles(t, cfg.Path))
			}
			if tc.setAside && int(st.LostEvents) > len(tc.lost) {
				t.Errorf("%d events are said to be lost", st.LostEvents)
			}
			if !strings.Contains(log.String(), tc.says) {
				t.Errorf("the log does not say %q:\n%s", tc.says, log.String())
			}
			put(t, s, message1{text: "after"})
			want = []string{"after"}
			mustClose(t, s)
			s = mustOpen(t, cfg, buffer.Options{})
			if got := drain(t, s, "o"); !slices.Equal(got, want) {
				t.Errorf("after another start got %.20q", got)
			}
		})
	}
}

// What an agent sends again after a crash is recognised by what the journal holds of it, also where the power cut has
// torn the commit around it.
func TestResendOfJournaled(t *testing.T) {
	for _, torn := range []bool{false, true} {
		t.Run(fmt.Sprint("torn ", torn), func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			s := mustOpen(t, cfg, buffer.Options{})
			put(t, s, message1{conn: 1, chunk: "first", text: "a"})
			put(t, s, message1{conn: 1, chunk: "last", text: "b"})
			cfg.Path = killed(t, s)
			if torn {
				boltfiletest.Change(t, filepath.Join(cfg.Path, journal.Name), func(b []byte) []byte {
					b[2*boltfile.PageSize+boltfile.PageSize+8]++ // the checksum of the last record
					return b
				})
			}
			s = mustOpen(t, cfg, buffer.Options{})
			put(t, s, message1{conn: 2, chunk: "last", text: "b"})
			if got := drain(t, s, "o"); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Without sync no commit needs the journal.
func TestNoJournalWithoutSync(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Sync = false
	s := mustOpen(t, cfg, buffer.Options{})
	put(t, s, message1{text: "a"})
	if _, err := os.Stat(filepath.Join(cfg.Path, journal.Name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is one: %v", err)
	}
	if n := oldestProgram(t, cfg.Path); n != 2 {
		t.Errorf("older programs may not use the directory: %d", n)
	}
}

// What a chunk of the journal says of itself is that of the chunk in the segment.
func TestJournaledValue(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	put(t, s, message1{text: "a"})
	seg := s.commit.current
	value := seg.fresh[0]
	if err := chunk.Verify(value); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	c, err := segment.ReadIndex(seg.path, seg.first)
	if err != nil || len(c.Entries) != 1 {
		t.Fatal(c, err)
	}
	f, err := os.Open(seg.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := segment.ReadChunk(f, &c.Entries[0], nil); err != nil || !bytes.Equal(got, value) {
		t.Errorf("the segment has %x, the journal had %x: %v", got, value, err)
	}
}

// What all outputs are done with when the journal is put into the segment is not written there, but for what a start
// has to know of its messages: sent again after a crash, they are recognised.
func TestSettledIsNotKept(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	for i, name := range []string{"first", "last", "waits"} {
		put(t, s, message1{conn: 1 + uint64(i/2), chunk: name, text: text(2000, uint64(i))})
	}
	for range 2 {
		s.Source("o").Done(take(t, s, "o"))
	}
	put(t, s, message1{conn: 3, text: text(journaledBytes+1, 1)})
	put(t, s, message1{conn: 4, text: "behind"})
	checkUse(t, s)
	saved(t, s)
	dir := killed(t, s)
	c, damage, err := segment.Read(segmentFiles(t, dir)[0], 1)
	if err != nil || damage != nil {
		t.Fatal(damage, err)
	}
	if n := len(c.Entries); n != 3 || c.Entries[0].Seq != 1 || c.Entries[0].Raw != 0 || c.Entries[1].Seq != 2 {
		t.Errorf("the segment has %d chunks: %+v", n, c.Entries)
	}
	mustClose(t, s)
	for name, path := range map[string]string{"closed": cfg.Path, "killed": dir} {
		cfg.Path = path
		s = mustOpen(t, cfg, buffer.Options{})
		put(t, s, message1{conn: 5, chunk: "last", text: text(2000, 1)})
		if name == "killed" { // it may have missed the ack; after an orderly end nobody knows of the first either
			put(t, s, message1{conn: 6, chunk: "waits", text: text(2000, 2)})
		}
		got := drain(t, s, "o")
		if len(got) != 3 || got[0] != text(2000, 2) || got[2] != "behind" {
			t.Errorf("%s: %d chunks: %.20q", name, len(got), got)
		}
		mustClose(t, s)
		s = mustOpen(t, cfg, buffer.Options{})
		if got := drain(t, s, "o"); len(got) > 0 {
			t.Errorf("%s: what was delivered comes again: %.20q", name, got)
		}
		mustClose(t, s)
	}
}

// A journal of which nothing is wanted any more costs no transaction.
func TestAllSettled(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	for i := range 40 { // more than it has room for
		put(t, s, message1{text: text(20_000, uint64(i))})
		s.Source("o").Done(take(t, s, "o"))
	}
	saved(t, s)
	dir := killed(t, s)
	c, damage, err := segment.Read(segmentFiles(t, dir)[0], 1)
	if err != nil || damage != nil || len(c.Entries) > 3 {
		t.Errorf("%d chunks are in the segment: %v, %v", len(c.Entries), damage, err)
	}
	mustClose(t, s)
	cfg.Path = dir
	s = mustOpen(t, cfg, buffer.Options{})
	if got := drain(t, s, "o"); len(got) > 0 {
		t.Errorf("%d chunks come again", len(got))
	}
	put(t, s, message1{text: "new"})
	if got := drain(t, s, "o"); !slices.Equal(got, []string{"new"}) {
		t.Errorf("got %.20q", got)
	}
}
