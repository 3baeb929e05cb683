package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestFailingSyncOfOutput lets every fsync of an output's file fail: nothing counts as delivered then,
// and once it works again each event is there once.
func TestFailingSyncOfOutput(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		need(t, "strace")
	}
	dir := t.TempDir()
	s := start(t, dir, withBuffer("min_free_disk: 1MiB"))
	a := &agent{tag: "sync"}
	a.run(t.Context(), s.Forward, 5*perChunk)
	s.await("sync", 5*perChunk)
	delivered := func() uint64 {
		for _, o := range s.Snapshot().Outputs {
			for _, c := range o.Clusters {
				return c.Delivered
			}
		}
		return 0
	}
	s.eventually("the first deliveries to be counted", func() bool { return delivered() == 5*perChunk })

	trace := filepath.Join(dir, "trace")
	tracer := exec.Command(strace, "-f", "-p", strconv.Itoa(s.PID()), "-o", trace, "-P",
		filepath.Join(dir, "out", "sync.ndjson"),
		"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")
	attached, err := tracer.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(attached).ReadString('\n'); err != nil || !strings.Contains(line, "attached") {
		_ = tracer.Process.Kill() // it has failed
		need(t, "the right to trace: "+line)
	}
	go func() { _, _ = io.Copy(io.Discard, attached) }() // until it ends
	a.run(t.Context(), s.Forward, 10*perChunk)
	s.eventually("failing syncs", func() bool {
		b, err := os.ReadFile(trace)
		return err == nil && strings.Count(string(b), "INJECTED") > 2
	})
	if n := delivered(); n != 5*perChunk {
		t.Errorf("%d events count as delivered, of which %d were synced", n, 5*perChunk)
	}
	if err := tracer.Process.Signal(os.Interrupt); err != nil { // it detaches
		t.Fatal(err)
	}
	_ = tracer.Wait() // it was interrupted
	s.eventually("the rest to be counted", func() bool { return delivered() == 10*perChunk })
	wantAcked(t, s, []*agent{a})
	if n := len(s.events("sync")); n != 10*perChunk {
		t.Errorf("%d events are in the file, not %d", n, 10*perChunk)
	}
	if !strings.Contains(s.Log.String(), `"kind":"EIO"`) {
		t.Error("the log does not say why")
	}
	s.stop()
}

// TestRottenFiles flips bits in segments and makes garbage of state.db while the program is down: it
// starts, delivers the rest, and counts and names what is lost.
func TestRottenFiles(t *testing.T) {
	dir := t.TempDir()
	config := withBuffer("segment_size: 1MiB, compression: none, min_free_disk: 0")
	s := start(t, dir, config)
	if _, err := s.Request(t.Context(), "POST", "/outputs/archive/pause"); err != nil {
		t.Fatal(err)
	}
	a := &agent{tag: "rot"}
	const total = 200 * perChunk
	a.run(t.Context(), s.Forward, total)
	s.kill()
	segments, err := filepath.Glob(filepath.Join(dir, "data", "seg-*.db"))
	if err != nil || len(segments) < 3 {
		t.Fatal(segments, err)
	}
	segments = segments[:2] // those that are full
	rot := func(path string, change func(b []byte)) {
		b, err := os.ReadFile(path)
		if err == nil {
			change(b)
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, path := range segments {
		rot(path, func(b []byte) {
			if i == 0 { // the pages, not the chunks
				clear(b[:2*4096])
			}
			b[300_000+1000*i] ^= 4
			b[600_000+1000*i] ^= 4
		})
	}
	rot(filepath.Join(dir, "data", "state.db"), func(b []byte) { clear(b) })
	s = start(t, dir, config)
	s.Drained()
	there := map[string]bool{}
	for _, e := range s.events("rot") {
		there[string(e["n"].(json.Number))] = true
	}
	missing := total - len(there)
	if most := 2 * len(segments) * 2 * perChunk; missing == 0 || missing > most { // a flip may hit a merged chunk
		t.Errorf("%d events are missing of %d, at most %d could be", missing, total, most)
	}
	q := s.Snapshot().Queue
	if q.DamagedEvents != uint64(missing) || q.SetAsideSegments == 0 {
		t.Errorf("%d events are missing, %d count as damaged, %d files and chunks as set aside", missing,
			q.DamagedEvents, q.SetAsideSegments)
	}
	for _, want := range []string{
		"state.db is damaged", "segment is damaged", segments[0] + ".corrupt", "chunk is damaged", `tag \"rot\"`,
	} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("%q is not in the log", want)
		}
	}
	s.stop()
}
