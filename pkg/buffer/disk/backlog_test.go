package disk

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// TestLargeBacklog starts with a backlog and delivers it; with AGG_BACKLOG=10240, of 10 GiB, its log is a measurement.
func TestLargeBacklog(t *testing.T) {
	mib := 150 // more than two segments
	if n, err := strconv.Atoi(os.Getenv("AGG_BACKLOG")); err == nil {
		mib = n
	}
	cfg := testConfig(t.TempDir())
	cfg.Compression, cfg.SegmentSize, cfg.MaxSize, cfg.Sync = "none", 64<<20, 0, false
	s := mustOpen(t, cfg, buffer.Options{})
	b := s.NewBatch(1)
	entries := []byte(text(25<<10, 1))
	begin := time.Now()
	for range mib * 1024 / 25 {
		b.Begin(buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"o"}})
		b.Add(entries, 100, true)
		if b.Size() > 4<<20 {
			if err := b.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("stored in %v", time.Since(begin))
	mustClose(t, s)
	begin = time.Now()
	s = mustOpen(t, cfg, buffer.Options{})
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("opened in %v with %d chunks, heap %d KiB", time.Since(begin), s.pending, m.HeapAlloc>>10)
	begin = time.Now()
	src := s.Source("o")
	for range mib * 1024 / 25 {
		c, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		src.Done(c)
	}
	status, _ := os.ReadFile("/proc/self/status")
	t.Logf("delivered in %v; %s", time.Since(begin), status[bytes.Index(status, []byte("VmHWM")):][:40])
}
