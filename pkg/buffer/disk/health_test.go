package disk

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// TestHangingDisk has one disk call after the other hang: the queue says which, for how long, and when nothing can be
// stored because of it; all that it is asked for meanwhile answers at once.
func TestHangingDisk(t *testing.T) {
	for _, tc := range []struct {
		op, loop, what string
		ready          bool // something can be stored meanwhile
	}{
		{"commit", "committer", "a commit to ", false},
		{"create", "committer", "a commit to ", false},
		{"save", "cleaner", "the saving of what outputs have finished, to ", true},
	} {
		t.Run(tc.op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				hang := make(chan struct{})
				var armed atomic.Bool
				s := mustOpen(t, testConfig(dir), buffer.Options{Fault: func(op string) error {
					if op == tc.op && armed.Load() {
						<-hang
					}
					return nil
				}})
				if err := s.Ready(); err != nil {
					t.Errorf("at first: %v", err)
				}
				armed.Store(true)
				stored := make(chan error, 1)
				go func() {
					stored <- message1{text: "x"}.begin(s).Commit(context.Background())
					src := s.Source("o")
					if c, err := src.Next(t.Context()); err == nil {
						src.Done(c)
					}
				}()
				time.Sleep(12 * time.Second)
				synctest.Wait()
				var beat heartbeat.Beat
				for _, b := range s.Beats() {
					if b.Loop == tc.loop {
						beat = b
					}
				}
				if beat.Doing != heartbeat.InDiskCall || !strings.HasPrefix(beat.What, tc.what+dir) ||
					time.Since(beat.Since) < 11*time.Second {
					t.Errorf("%s is at %+v", tc.loop, beat)
				}
				if err := s.Ready(); (err == nil) != tc.ready ||
					err != nil && err.Error() != "a commit to "+dir+" has waited for 12 s" {
					t.Errorf("ready: %v", err)
				}
				close(hang)
				if err := <-stored; err != nil {
					t.Errorf("in the end: %v", err)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if err := s.Ready(); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				mustClose(t, s)
			})
		})
	}
}

// TestHangingSeal has the disk hang while a segment is ended: commits go on in the next one, what the queue is asked
// for answers at once, and what waits for room may give up.
func TestHangingSeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang, hanging := make(chan struct{}), make(chan struct{}, 10)
		goOn := sync.OnceFunc(func() { close(hang) })
		cfg := testConfig(t.TempDir())
		cfg.Compression = "none"
		s := mustOpen(t, cfg, buffer.Options{Fault: func(op string) error {
			if op == "seal" {
				hanging <- struct{}{}
				<-hang
			}
			return nil
		}})
		t.Cleanup(goOn) // before the queue is closed
		store := func(ctx context.Context, size int) error {
			return message1{text: text(size, 1)}.begin(s).Commit(ctx)
		}
		atOnce := func(what string, full bool) {
			t.Helper()
			start := time.Now()
			if err := s.Ready(); (err != nil) != full {
				t.Errorf("%s: ready: %v", what, err)
			}
			if st := s.Stats(); (st.Full != "") != full || st.Waits[0].Pending.Chunks == 0 {
				t.Errorf("%s: %+v", what, st)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if err := store(ctx, 1000); (err != nil) != full {
				t.Errorf("%s: a commit: %v", what, err)
			}
			if passed := time.Since(start); passed > time.Millisecond {
				t.Errorf("%s: it took %v", what, passed)
			}
		}
		for range 2 { // the second doesn't fit the segment of 1 MiB
			stored := make(chan error, 1)
			go func() { stored <- store(context.Background(), 900<<10) }()
			time.Sleep(time.Second)
			select {
			case err := <-stored:
				if err != nil {
					t.Fatal(err)
				}
			default:
				t.Fatal("a commit waits for the end of a segment that it doesn't go to")
			}
		}
		<-hanging
		atOnce("a full segment", false)
		hang <- struct{}{}
		synctest.Wait()

		s.SetLimits(buffer.Limits{MaxSize: 1, WhenFull: "drop_oldest"}) // which ends the segment to give its disk back
		stored := make(chan error, 1)
		go func() { stored <- store(context.Background(), 1000) }()
		<-hanging
		atOnce("a full queue", true)
		goOn()
		if err := <-stored; err != nil {
			t.Errorf("in the end: %v", err)
		}
		mustClose(t, s)
	})
}

// TestReplacedDirectory stores nothing more in a directory that is not the one that was opened.
func TestReplacedDirectory(t *testing.T) {
	for _, tc := range []struct {
		name    string
		replace func(dir string) error
	}{
		{"moved", func(dir string) error { return os.Rename(dir, dir+".old") }},
		{"another in its place", func(dir string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			return os.Mkdir(dir, 0o700)
		}},
		{"its lock removed", func(dir string) error { return os.Remove(filepath.Join(dir, "lock")) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				s := mustOpen(t, testConfig(dir), buffer.Options{})
				put(t, s, message1{text: "before"})
				if err := tc.replace(dir); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * tidyEvery)
				if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "put it back") {
					t.Errorf("ready: %v", err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := (message1{text: "after"}).begin(s).Commit(ctx); err == nil {
					t.Error("it was stored")
				}
				_ = s.Close() // it may not find its files
			})
		})
	}
}
