package disk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
)

// A queue of 8 MiB gets 20 MiB while nobody reads.
func TestWhenFull(t *testing.T) {
	const n = 50
	chunk := func(i int) message1 { return message1{text: text(400<<10, uint64(i)), conn: uint64(i)} }
	open := func(t *testing.T, whenFull string) *Queue {
		t.Helper()
		cfg := testConfig(t.TempDir())
		cfg.MaxSize, cfg.WhenFull = 8<<20, whenFull
		return mustOpen(t, cfg, buffer.Options{})
	}
	bounded := func(t *testing.T, s *Queue) {
		t.Helper()
		if st := s.Stats(); st.Bytes > 8<<20+1<<19 {
			t.Errorf("%d bytes are used, max_size is 8 MiB", st.Bytes)
		}
	}
	t.Run("reject", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, "reject")
			var stored []string
			for i := range n {
				switch err := chunk(i).begin(s).Commit(t.Context()); {
				case err == nil:
					stored = append(stored, chunk(i).text)
				case !errors.Is(err, buffer.ErrFull):
					t.Fatal(err)
				}
			}
			bounded(t, s)
			if len(stored) < 15 || len(stored) == n {
				t.Errorf("%d of %d were stored", len(stored), n)
			}
			checkSubsequence(t, drain(t, s, "o"), stored, 0)
			time.Sleep(2 * saveEvery)
			if err := chunk(n).begin(s).Commit(t.Context()); err != nil {
				t.Errorf("all is delivered, but: %v", err)
			}
		})
	})
	t.Run("block", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, "block")
			var want, got []string
			done := make(chan error, 1)
			go func() {
				for i := range n {
					if err := chunk(i).begin(s).Commit(t.Context()); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			for i := range n {
				want = append(want, chunk(i).text)
			}
			time.Sleep(time.Minute)
			bounded(t, s)
			if st := s.Stats(); st.Waiting != 1 || !strings.Contains(st.Full, "max_size") {
				t.Errorf("%d wait, full is %q", st.Waiting, st.Full)
			}
			for len(got) < n {
				got = append(got, drain(t, s, "o")...)
				time.Sleep(saveEvery)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			checkSubsequence(t, got, want, 0)
		})
	})
	t.Run("block, context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, "block")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var err error
			stored := 0
			for i := 0; err == nil; i++ {
				if err = chunk(i).begin(s).Commit(ctx); err == nil {
					stored++
				}
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			if got := len(drain(t, s, "o")); got != stored {
				t.Errorf("%d chunks, %d were stored", got, stored)
			}
		})
	})
	t.Run("block, close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, "block")
			done := make(chan error, 1)
			go func() {
				var err error
				for i := 0; err == nil; i++ {
					err = chunk(i).begin(s).Commit(t.Context())
				}
				done <- err
			}()
			time.Sleep(time.Minute)
			mustClose(t, s)
			if err := <-done; !errors.Is(err, buffer.ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		})
	})
	t.Run("drop_oldest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, "drop_oldest")
			var want []string
			for i := range n {
				put(t, s, chunk(i))
				want = append(want, chunk(i).text)
			}
			bounded(t, s)
			w := s.Stats().Waits[0]
			if w.Dropped.Events == 0 || w.Dropped.Events+w.Pending.Events != n {
				t.Errorf("%+v does not add up to %d", w, n)
			}
			got := drain(t, s, "o")
			if !slices.Equal(got, want[len(want)-len(got):]) {
				t.Error("it is not the oldest that were dropped")
			}
		})
	})
}

// An output over its limit: the others' messages go on.
func TestOutputLimit(t *testing.T) {
	for _, whenFull := range []string{"block", "reject", "drop_oldest"} {
		t.Run(whenFull, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(t.TempDir())
				cfg.WhenFull = whenFull
				s := mustOpen(t, cfg, buffer.Options{OutputLimits: map[string]int64{"slow": 100 << 10}})
				fill := func(i int) error {
					m := message1{
						text: text(30<<10, uint64(i)), conn: 1, cluster: fmt.Sprint("c", i%2),
						outputs: []string{"slow"},
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					return m.begin(s).Commit(ctx)
				}
				var err error
				i := 0
				for ; i < 20 && err == nil; i++ {
					err = fill(i)
				}
				put(t, s, message1{text: "free", outputs: []string{"fast"}})
				var pending, dropped int64
				for _, w := range s.Stats().Waits {
					pending += w.Pending.Bytes
					dropped += w.Dropped.Events
				}
				if pending > 105<<10 {
					t.Errorf("%d bytes wait for the output, the limit is 100 KiB", pending)
				}
				switch whenFull {
				case "block":
					if !errors.Is(err, context.DeadlineExceeded) || i != 4 {
						t.Errorf("commit %d: %v", i, err)
					}
				case "reject":
					if !errors.Is(err, buffer.ErrFull) || i != 4 {
						t.Errorf("commit %d: %v", i, err)
					}
				default:
					if err != nil || dropped != 17 {
						t.Errorf("%d were dropped: %v", dropped, err)
					}
				}
			})
		})
	}
}

// A real file system of 16 MiB: acks stop, the process lives, it goes on when there is room.
func TestSmallDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	for _, maxSize := range []int64{0, 1 << 30} { // by the limit, and by the reserve
		cfg := testConfig(fmt.Sprintf("%s/%d", dir, maxSize))
		cfg.WhenFull, cfg.MinFreeDisk, cfg.SegmentSize = "reject", 1<<30, 64<<20
		clock := newClock()
		s := mustOpen(t, cfg, buffer.Options{Now: clock.now})
		var stored []string
		for i := range 100 {
			m := message1{text: text(200<<10, uint64(i))}
			if err := m.begin(s).Commit(t.Context()); err == nil {
				stored = append(stored, m.text)
			} else if !errors.Is(err, buffer.ErrFull) {
				t.Fatal(err)
			}
		}
		if len(stored) < 30 || len(stored) > 80 {
			t.Errorf("%d chunks of 200 KiB are in 16 MiB", len(stored))
		}
		checkSubsequence(t, drain(t, s, "o"), stored, 0)
		for s.Stats().Disk.Segments > 0 { // what could not be put into its segment is let go by the committer
			saved(t, s)
		}
		clock.move(limits.PollFull)
		put(t, s, message1{text: "goes on"})
		mustClose(t, s)
	}
}
