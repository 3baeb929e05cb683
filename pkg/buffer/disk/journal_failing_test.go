package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
)

// A journal that can't be written costs time, and nothing else: commits go to their segments, and it is tried again.
func TestJournalFails(t *testing.T) {
	for _, op := range []string{"journal", "append"} {
		t.Run(op, func(t *testing.T) {
			cfg, clock := testConfig(t.TempDir()), newClock()
			var log bytes.Buffer
			failing, want := false, []string(nil)
			s, err := Open(cfg, buffer.Options{Now: clock.now, Log: zerolog.New(&log), Fault: func(o string) error {
				if o == op && failing {
					return errFault
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			store := func(journaled int) {
				t.Helper()
				want = append(want, fmt.Sprint("text ", len(want)))
				put(t, s, message1{text: want[len(want)-1]})
				if n := journaledTexts(t, killed(t, s)); n != journaled {
					t.Errorf("%d chunks are in the journal alone, want %d", n, journaled)
				}
			}
			if op == "append" {
				store(1)
				store(2)
			}
			failing = true
			store(0)
			store(0)
			clock.move(journalAgain)
			store(0)
			if n := strings.Count(log.String(), "can't write the journal"); n != 1 {
				t.Errorf("it is said %d times:\n%s", n, log.String())
			}
			failing = false
			clock.move(journalAgain)
			store(1)
			if !strings.Contains(log.String(), "the journal can be written again") {
				t.Errorf("it is not said that it works again:\n%s", log.String())
			}
			cfg.Path = killed(t, s)
			s = mustOpen(t, cfg, buffer.Options{})
			if got := drain(t, s, "o"); !slices.Equal(got, want) {
				t.Errorf("got %.20q", got)
			}
		})
	}
}

// fillDisk has every write to the current segment's file fail from now on.
func fillDisk(t *testing.T, s *Queue) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	if err := unix.Dup2(int(full.Fd()), int(s.commit.current.w.File.Fd())); err != nil {
		t.Fatal(err)
	}
}

// Where a segment's file can't be written, what the journal holds of it stays there: it is handed out from memory,
// found by the next start, and put into a file once that works.
func TestStuckSegment(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(t *testing.T, s *Queue, clock *clock)
		// stuck is how many chunks are in the journal alone at the end, waiting what waits then.
		stuck   int
		waiting []string
	}{
		{"a start finds it", func(*testing.T, *Queue, *clock) {}, 2, []string{"a", "b", "large", "c"}},
		{"it is put into a file", func(t *testing.T, s *Queue, clock *clock) {
			t.Helper()
			clock.move(journalAgain)
			put(t, s, message1{text: "d"})
			put(t, s, message1{text: "e"})
		}, 2, []string{"a", "b", "large", "c", "d", "e"}},
		{"it is delivered", func(t *testing.T, s *Queue, clock *clock) {
			t.Helper()
			if got := shortened(drain(t, s, "o")); !slices.Equal(got, []string{"a", "b", "large", "c"}) {
				t.Errorf("got %q", got)
			}
			clock.move(journalAgain)
			put(t, s, message1{text: "d"})
			saved(t, s)
			if n := len(segmentFiles(t, s.dir)); n != 1 {
				t.Errorf("%d segments are left", n)
			}
		}, 1, []string{"d"}},
		{"it is dropped", func(t *testing.T, s *Queue, _ *clock) {
			t.Helper()
			s.SetLimits(buffer.Limits{MaxSize: s.Stats().Bytes, WhenFull: "drop_oldest"})
			put(t, s, message1{text: "d"})
		}, 1, []string{"large", "c", "d"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, clock := testConfig(t.TempDir()), newClock()
			cfg.WhenFull = "reject"
			failing := false
			s := mustOpen(t, cfg, buffer.Options{Now: clock.now, Fault: func(op string) error {
				if op == "replace" && failing {
					failing = false
					return errFault
				}
				return nil
			}})
			put(t, s, message1{text: "a"})
			put(t, s, message1{text: "b"})
			fillDisk(t, s)
			failing = true
			large := message1{text: text(journaledBytes+1, 1)}
			if err := large.begin(s).Commit(t.Context()); !errors.Is(err, buffer.ErrFull) {
				t.Fatalf("got %v, want ErrFull", err)
			}
			clock.move(limits.PollFull)
			put(t, s, large)
			put(t, s, message1{text: "c"})
			checkUse(t, s)
			tc.end(t, s, clock)
			dir := killed(t, s)
			if n := journaledTexts(t, dir); n != tc.stuck {
				t.Errorf("%d chunks are in the journal alone, want %d", n, tc.stuck)
			}
			mustClose(t, s)
			if n := journaledTexts(t, cfg.Path); n != 0 {
				t.Errorf("%d chunks are in the journal alone after the end", n)
			}
			for name, path := range map[string]string{"closed": cfg.Path, "killed": dir} {
				cfg.Path = path
				s = mustOpen(t, cfg, buffer.Options{})
				if got := shortened(drain(t, s, "o")); !slices.Equal(got, tc.waiting) {
					t.Errorf("%s: got %q", name, got)
				}
				if st := s.Stats(); st.Disk.SetAside > 0 {
					t.Errorf("%s: %d files were taken for damaged", name, st.Disk.SetAside)
				}
				mustClose(t, s)
			}
		})
	}
}

// shortened puts a word in the place of long texts.
func shortened(texts []string) []string {
	for i := range texts {
		if len(texts[i]) > 1000 {
			texts[i] = "large"
		}
	}
	return texts
}

// A queue that ends with a segment that can't be written leaves in the journal what it holds, and tells older programs.
func TestStuckAtTheEnd(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	put(t, s, message1{text: "a"})
	fillDisk(t, s)
	mustClose(t, s)
	if n := journaledTexts(t, cfg.Path); n != 1 || oldestProgram(t, cfg.Path) != 3 {
		t.Errorf("%d chunks are in the journal, and format %d may be used on it", n, oldestProgram(t, cfg.Path))
	}
	s = mustOpen(t, cfg, buffer.Options{})
	if got := drain(t, s, "o"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %q", got)
	}
}

// A journal whose segment can't be read waits with it for the next start, and is not used until then.
func TestJournalOfBrokenSegment(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	put(t, s, message1{text: text(journaledBytes+1, 1)})
	put(t, s, message1{text: "journaled"})
	cfg.Path = killed(t, s)
	path := segmentFiles(t, cfg.Path)[0]
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // can be opened, and not read
		t.Fatal(err)
	}
	s = mustOpen(t, cfg, buffer.Options{})
	put(t, s, message1{text: "meanwhile"})
	if got := drain(t, s, "o"); !slices.Equal(got, []string{"meanwhile"}) {
		t.Errorf("got %q", got)
	}
	mustClose(t, s)
	if oldestProgram(t, cfg.Path) != 3 {
		t.Error("older programs may use the directory")
	}
	if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, cfg, buffer.Options{})
	if got := shortened(drain(t, s, "o")); !slices.Equal(got, []string{"large", "journaled"}) {
		t.Errorf("got %q", got)
	}
}
