package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/complaint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
)

// filled returns a directory with three sealed segments of two chunks each, and the chunks' entries.
func filled(t *testing.T) (dir string, texts []string) {
	t.Helper()
	dir = t.TempDir()
	s := mustOpen(t, testConfig(dir), buffer.Options{})
	for i := range 6 {
		texts = append(texts, text(400<<10, uint64(i)))
		put(t, s, message1{text: texts[i], conn: uint64(i), chunk: fmt.Sprint("id", i)})
	}
	mustClose(t, s)
	if n := len(segmentFiles(t, dir)); n != 3 {
		t.Fatalf("%d segments, want 3", n)
	}
	return dir, texts
}

func segmentFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "seg-*.db"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func corruptFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.corrupt*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Whatever happens to files, the queue starts, hands out what is whole, nothing else, and says so.
func TestDamage(t *testing.T) {
	tests := []struct {
		name     string
		damage   func(t *testing.T, dir string)
		lost     int // chunks at most
		setAside bool
	}{
		{"nothing", func(*testing.T, string) {}, 0, false},
		{"state.db deleted", func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, statefile.Name)); err != nil {
				t.Fatal(err)
			}
		}, 0, false},
		{"state.db of garbage", func(t *testing.T, dir string) {
			t.Helper()
			boltfiletest.Change(t, filepath.Join(dir, statefile.Name), func(
				b []byte,
			) []byte {
				return []byte(text(len(b), 9))
			})
		}, 0, true},
		{"state.db empty", func(t *testing.T, dir string) {
			t.Helper()
			boltfiletest.Change(t, filepath.Join(dir, statefile.Name), func([]byte) []byte { return nil })
		}, 0, true},
		{"segment empty", func(t *testing.T, dir string) {
			t.Helper()
			boltfiletest.Change(t, segmentFiles(t, dir)[1], func([]byte) []byte { return nil })
		}, 2, true},
		{"segment of zeros", func(t *testing.T, dir string) {
			t.Helper()
			boltfiletest.Change(t, segmentFiles(t, dir)[1], func(b []byte) []byte { return make([]byte, len(b)) })
		}, 2, true},
		{"segment cut", func(t *testing.T, dir string) {
			t.Helper()
			boltfiletest.Change(t, segmentFiles(t, dir)[1], func(b []byte) []byte { return b[:600<<10] })
		}, 1, true},
		{"meta pages gone", func(t *testing.T, dir string) {
			t.Helper()
			boltfiletest.Change(t, segmentFiles(t, dir)[1], func(
				b []byte,
			) []byte {
				clear(b[:2*boltfile.PageSize])
				return b
			})
		}, 0, true},
		{"byte of a chunk flipped", func(t *testing.T, dir string) {
			t.Helper()
			boltfiletest.Change(t, segmentFiles(t, dir)[1], func(b []byte) []byte { b[300<<10] ^= 1; return b })
		}, 1, true},
		{"dead letters of garbage", func(t *testing.T, dir string) {
			t.Helper()
			if err := os.WriteFile(
				filepath.Join(dir, "dead", "dead-0000000000000001.db"), []byte(text(9000, 9)), 0o600,
			); err != nil {
				t.Fatal(err)
			}
		}, 0, false},
		{"interrupted rewrite", func(t *testing.T, dir string) {
			t.Helper()
			if err := os.WriteFile(segmentFiles(t, dir)[0]+".tmp", []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 0, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir, texts := filled(t)
			tc.damage(t, dir)
			s := mustOpen(t, testConfig(dir), buffer.Options{})
			got := drain(t, s, "o")
			checkSubsequence(t, got, texts, tc.lost)
			if st := s.Stats(); (st.Disk.SetAside > 0) != tc.setAside {
				t.Errorf("%d set aside, want some: %t", st.Disk.SetAside, tc.setAside)
			}
			if tc.setAside && len(corruptFiles(t, dir)) == 0 {
				t.Error("nothing is left to look at")
			}
			put(t, s, message1{text: "new"})
			if got := drain(t, s, "o"); !slices.Equal(got, []string{"new"}) {
				t.Errorf("after the damage got %.20q", got)
			}
			mustClose(t, s)
			s = mustOpen(t, testConfig(dir), buffer.Options{})
			if got := drain(t, s, "o"); len(got) > 0 {
				t.Errorf("%d chunks come again after all was done", len(got))
			}
		})
	}
}

// checkSubsequence fails unless got is want with at most lost left out.
func checkSubsequence(t *testing.T, got, want []string, lost int) {
	t.Helper()
	i := 0
	for _, w := range want {
		if i < len(got) && got[i] == w {
			i++
		}
	}
	if i < len(got) {
		t.Errorf("got chunks that were never stored, or in another order")
	}
	if n := len(want) - i; n > lost {
		t.Errorf("lost %d chunks of %d, at most %d could be", n, len(want), lost)
	}
}

// What is lost is named, with its file, chunk, events, cluster and tag, and counted.
func TestLossIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(path string, chunk segment.Entry) []int // returns where bytes are flipped
		want   []string
	}{
		{
			"a chunk: told when it is handed out",
			func(_ string, e segment.Entry) []int { return []int{int(e.Off) + 90_000} },
			[]string{`"cluster":"tokyo"`, `"chunk":2`, `"events":3`, "PATH-2.corrupt"},
		},
		{"index and chunk: told at the start", func(path string, e segment.Entry) []int {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return []int{int(e.Off) + 90_000, bytes.LastIndex(b, []byte(segment.IndexName)) + 8}
		}, []string{"chunk 2: 3 events of cluster \\\"tokyo\\\", tag \\\"kube.app\\\"", "PATH.corrupt"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			s := mustOpen(t, cfg, buffer.Options{})
			put(t, s, message1{text: text(100_000, 1)})
			put(t, s, message1{
				text: text(100_000, 2), cluster: "tokyo", tag: "kube.app", events: 3, outputs: []string{"o", "p"},
			})
			mustClose(t, s)
			path := segmentFiles(t, cfg.Path)[0]
			c, _, err := segment.Read(path, 1)
			if err != nil {
				t.Fatal(err)
			}
			boltfiletest.Change(t, path, func(b []byte) []byte {
				for _, at := range tc.change(path, c.Entries[1]) {
					b[at] ^= 1
				}
				return b
			})
			var log bytes.Buffer
			if s, err = Open(cfg, buffer.Options{Log: zerolog.New(&log)}); err != nil {
				t.Fatal(err)
			}
			got := append(drain(t, s, "o"), drain(t, s, "p")...)
			checkSubsequence(t, got, []string{text(100_000, 1)}, 0)
			st := s.Stats()
			mustClose(t, s)
			if st.LostEvents != 3 || st.Disk.SetAside != 1 {
				t.Errorf("%d events are counted as lost, %d files or chunks as set aside", st.LostEvents,
					st.Disk.SetAside)
			}
			for _, want := range tc.want {
				if want = strings.ReplaceAll(want, "PATH", path); !strings.Contains(log.String(), want) {
					t.Errorf("%s is not in %s", want, log.String())
				}
			}
		})
	}
}

// A flipped byte costs at most the chunk that it is in, wherever it is.
func TestFlippedBytes(t *testing.T) {
	seed := boltfiletest.Seeds(t, 1)[0]
	t.Logf("AGG_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		dir, texts := filled(t)
		n := 1 + r.IntN(3)
		for range n {
			boltfiletest.Change(t, segmentFiles(t, dir)[r.IntN(3)], func(b []byte) []byte {
				i := r.IntN(len(b))
				if r.IntN(2) == 0 { // where bbolt's own pages are
					i = r.IntN(len(b)/boltfile.PageSize)*boltfile.PageSize + r.IntN(48)
				}
				b[i] ^= byte(1 + r.IntN(255))
				return b
			})
		}
		s := mustOpen(t, testConfig(dir), buffer.Options{})
		checkSubsequence(t, drain(t, s, "o"), texts, n)
		mustClose(t, s)
	}
}

// What an agent sent can't pass for a chunk of another cluster when the chunk around it is broken, nor for one of a
// format that would keep the program from starting.
func TestForgedChunk(t *testing.T) {
	for _, tc := range []struct {
		name   string
		number byte
	}{
		{"another cluster's", byte(chunk.Format().Number)},
		{"of a newer format", byte(chunk.Format().Number) + 1},
		{"of an older format", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			forged := chunk.Header{
				Seq: 2, Salt: 12345, Raw: 6, Events: 1, Cluster: "victim", Tag: "t", Outputs: []string{"o"},
				Parts: []chunk.Part{{Events: 1}},
			}
			value := append(chunk.AppendHeader(nil, &forged), "forged"...)
			value[8], value[10] = tc.number, tc.number
			chunk.Seal(value)
			cfg := testConfig(t.TempDir())
			cfg.Compression = "none"
			s := mustOpen(t, cfg, buffer.Options{})
			put(t, s, message1{text: text(40<<10, 1) + string(value) + text(1<<10, 2)})
			put(t, s, message1{text: text(40<<10, 3)})
			mustClose(t, s)
			boltfiletest.Change(t, segmentFiles(t, cfg.Path)[0], func(b []byte) []byte {
				at := bytes.Index(b, value)
				b[at-100] ^= 1
				clear(b[:2*boltfile.PageSize])
				return b
			})
			s = mustOpen(t, cfg, buffer.Options{})
			for c := take(t, s, "o"); c != nil; c = take(t, s, "o") {
				if string(c.Entries) != text(40<<10, 3) {
					t.Errorf("delivered %.20q of cluster %s", c.Entries, c.Cluster)
				}
				s.Source("o").Done(c)
			}
			if w := s.Stats().Waits; len(w) != 1 || w[0].Done.Events != 1 {
				t.Errorf("%+v", w)
			}
		})
	}
}

// Every disk operation fails once, or from then on until there is "room" again: nothing that was
// acknowledged is lost, and the queue goes on by itself.
func TestCountedFaults(t *testing.T) {
	for _, whenFull := range []string{"block", "reject"} {
		for i, more := int64(1), true; more; i++ {
			synctest.Test(t, func(t *testing.T) { more = countedFault(t, whenFull, i) })
			if !more {
				t.Logf("%s: %d operations", whenFull, i-1)
			}
		}
	}
}

// countedFault lets operation i fail and returns whether it came to that.
func countedFault(t *testing.T, whenFull string, i int64) (failed bool) {
	t.Helper()
	var n atomic.Int64
	cfg := testConfig(t.TempDir())
	cfg.WhenFull, cfg.Compression = whenFull, "none"
	s := mustOpen(t, cfg, buffer.Options{Fault: func(op string) error {
		if n.Add(1) == i {
			return fmt.Errorf("%s: %w", op, unix.EIO)
		}
		return nil
	}})
	var acked []string
	for j := range 5 {
		m := message1{text: text(400<<10, uint64(j)), conn: uint64(j), chunk: strconv.Itoa(j)}
		err := m.begin(s).Commit(context.Background())
		for errors.Is(err, buffer.ErrFull) && whenFull == "reject" {
			time.Sleep(limits.PollFull)
			err = m.begin(s).Commit(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		acked = append(acked, m.text)
	}
	_ = s.clean.save(false) // may be the one that fails
	_ = s.Close()           // so may this one
	s = mustOpen(t, cfg, buffer.Options{})
	checkSubsequence(t, drain(t, s, "o"), acked, 0)
	mustClose(t, s)
	return n.Load() >= i
}

// The disk fills under bbolt's hands: no ack, the queue lives, and goes on when there is room.
func TestNoSpaceLeft(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.WhenFull = "reject"
	clock := newClock()
	s := mustOpen(t, cfg, buffer.Options{Now: clock.now})
	put(t, s, message1{text: "before"})
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	if err := unix.Dup2(int(full.Fd()), int(s.commit.current.w.File.Fd())); err != nil {
		t.Fatal(err)
	}
	if err := (message1{text: text(journaledBytes+1, 1)}).begin(s).Commit(context.Background()); !errors.Is(
		err, buffer.ErrFull,
	) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	if st := s.Stats(); st.Full == "" {
		t.Error("the queue does not say that it is full")
	}
	clock.move(limits.PollFull)
	put(t, s, message1{text: "after"})
	if got := drain(t, s, "o"); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("got %q", got)
	}
}

// TestFailedSync has a commit fail after all of it is written, as with a sync that fails. What it holds is stored again
// in another segment, and must not come from the first one as well when that one is read again.
func TestFailedSync(t *testing.T) {
	var s *Queue
	fail := false
	s = mustOpen(t, testConfig(t.TempDir()), buffer.Options{Fault: func(op string) error {
		if op != "commit" || !fail {
			return nil
		}
		fail = false
		h := chunk.Header{
			Seq: s.commit.builder.Next, Cluster: "c", Tag: "t", Outputs: []string{"o"}, Events: 1, Raw: 5,
			Parts: []chunk.Part{{Events: 1}},
		}
		value := append(chunk.AppendHeader(nil, &h), "after"...)
		chunk.Seal(value)
		err := s.commit.current.w.Append([]segment.Item{{Seq: h.Seq, Value: value}}, make([]uint32, 1))
		return errors.Join(err, errors.New("the sync failed"))
	}})
	put(t, s, message1{text: "before"})
	put(t, s, message1{text: "of another", cluster: "d"})
	fail = true
	put(t, s, message1{text: "after"})
	s.mu.Lock()
	for _, seg := range s.segs {
		if seg.sealed {
			seg.unload(s)
		}
	}
	last := s.segs[len(s.segs)-1].first
	s.mu.Unlock()
	for range 3 {
		c := take(t, s, "o")
		if again := string(c.Entries) == "after"; again != (c.Seq >= last) {
			t.Errorf("%q comes as chunk %d: the last segment begins with %d", c.Entries, c.Seq, last)
		}
	}
}

func TestLockedDirectory(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, testConfig(dir), buffer.Options{})
	_, err := Open(testConfig(dir), buffer.Options{})
	if want := fmt.Sprintf("queue directory %s is in use by process %d", dir, os.Getpid()); err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// A full disk fails each attempt at a segment of its own: that is one failure, said once.
func TestComplaintOnce(t *testing.T) {
	var out bytes.Buffer
	log, c := zerolog.New(&out), complaint.Complaint{}
	for seq := range uint64(3) {
		c.Failed(log, fmt.Errorf("write segment /d/%s: no space left on device", segment.Name(seq)), "full")
	}
	c.Failed(log, errors.New("write segment /d/"+segment.Prefix), "other")
	c.Recovered(log, "again")
	c.Failed(log, errors.New("write segment /d/"+segment.Name(9)+": no space left on device"), "full")
	want := `"error":"write segment /d/seg-0000000000000000.db: no space left on device"`
	if got := out.String(); strings.Count(got, "\n") != 4 || !strings.Contains(got, want) {
		t.Errorf("it logged\n%swant four lines, with %s", got, want)
	}
}
