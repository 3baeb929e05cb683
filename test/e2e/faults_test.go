package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// numbered returns entries whose field n counts from first, each with padding bytes of text.
func numbered(first, count, padding int) []byte {
	now := time.Now()
	text := make([]byte, padding)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[rand.IntN(36)]
	}
	var entries []byte
	for n := first; n < first+count; n++ {
		record := []byte{
			0x82, 0xa1, 'n', 0xce, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 0xa1, 't', 0xda,
			byte(padding >> 8), byte(padding),
		}
		entries = event.AppendEntry(entries,
			event.AppendTime(nil, event.Time{Sec: now.Unix(), Nsec: uint32(n%999) + 1}), nil, append(record, text...))
	}
	return entries
}

// agent sends numbered events in chunks with acks, as Fluent Bit does: one chunk in flight, sent again under the same
// id over a new connection until it is acknowledged.
type agent struct {
	tag   string
	next  int          // the number of the first event that is not acknowledged
	acked atomic.Int64 // the same, for others to look at
	chunk string
	sent  []byte
}

const perChunk = 20

// run sends chunks to address until ctx ends or there are total events acknowledged (0: no end).
func (a *agent) run(ctx context.Context, address string, total int) {
	for ctx.Err() == nil && (total == 0 || a.next < total) {
		agent, err := client.Dial(ctx, client.Config{Address: address, Timeout: patience})
		if err != nil {
			return // the server is down; whoever starts it runs us again
		}
		for ctx.Err() == nil && (total == 0 || a.next < total) {
			if a.sent == nil {
				a.sent, a.chunk = numbered(a.next, perChunk, 600), client.NewChunk()
			}
			m := client.Message{Tag: a.tag, Entries: a.sent, Events: perChunk, Chunk: a.chunk}
			if agent.Send(ctx, &m) != nil {
				break
			}
			a.sent = nil
			a.next += perChunk
			a.acked.Store(int64(a.next))
		}
		_ = agent.Close()
	}
}

// wantAcked fails unless every acknowledged event of the agents was delivered under one id.
func wantAcked(t *testing.T, s *server, agents []*agent) {
	t.Helper()
	for _, a := range agents {
		ids := map[int]string{}
		complete := func() bool {
			clear(ids)
			for _, e := range s.events(a.tag) {
				n, err := strconv.Atoi(string(e["n"].(json.Number)))
				if err != nil {
					t.Fatal(err)
				}
				id := e["_id"].(string)
				if old, ok := ids[n]; ok && old != id {
					t.Fatalf("%s: event %d was stored twice, as %s and %s", a.tag, n, old, id)
				}
				ids[n] = id
			}
			for n := range a.next {
				if ids[n] == "" {
					return false
				}
			}
			return true
		}
		s.eventually(fmt.Sprintf("all %d acknowledged events of %s", a.next, a.tag), complete)
	}
}

// TestKill kills the server under load again and again: every acknowledged event is delivered, and a chunk that was
// sent again because its ack got lost is the same chunk.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	agents := make([]*agent, 4)
	for i := range agents {
		agents[i] = &agent{tag: fmt.Sprintf("kill.%d", i)}
	}
	for range 20 {
		s := start(t, dir, defaultConfig)
		var wg sync.WaitGroup
		chunks, want := 5+random.IntN(40), len(s.events(agents[0].tag))+random.IntN(perChunk)
		for _, a := range agents {
			wg.Go(func() { a.run(t.Context(), s.Forward, a.next+chunks*perChunk) })
		}
		if random.IntN(4) == 0 {
			wg.Wait() // nothing under way, but maybe not delivered
		} else {
			s.eventually("a random number of deliveries", func() bool { return len(s.events(agents[0].tag)) >= want })
		}
		s.kill()
		wg.Wait()
	}
	s := start(t, dir, defaultConfig)
	var wg sync.WaitGroup
	for _, a := range agents {
		wg.Go(func() { a.run(t.Context(), s.Forward, a.next+perChunk) }) // what hangs is sent again
	}
	wg.Wait()
	if agents[0].next == 0 {
		t.Fatal("nothing was acknowledged, so nothing was tested")
	}
	wantAcked(t, s, agents)
	s.stop()
}

// TestResentLetters sends a chunk with entries that are no events again, after a kill that may have taken its ack: it
// is a duplicate, its dead letters are there once, and the ledger adds up.
func TestResentLetters(t *testing.T) {
	dir := t.TempDir()
	const bad = 3
	m := client.Message{
		Tag: "letters", Entries: append(numbered(0, perChunk, 10), make([]byte, bad)...), Events: perChunk + bad,
		Chunk: "letters-1",
	}
	for life, want := range []status.IngestFigures{
		{Received: perChunk + bad, Stored: perChunk, Dead: bad},
		{Received: perChunk + bad, Duplicates: perChunk + bad},
	} {
		s := start(t, dir, defaultConfig)
		agent, err := client.Dial(t.Context(), client.Config{Address: s.Forward, Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		err = agent.Send(t.Context(), &m)
		if err := errors.Join(err, agent.Close()); err != nil {
			t.Fatal(err)
		}
		ledger := s.Balanced()
		if got := ledger.Ingest[0].IngestFigures; got != want {
			t.Errorf("life %d: %+v, want %+v", life+1, got, want)
		}
		if n := s.deadLetters(); n != bad {
			t.Errorf("life %d: %d dead letters, want %d", life+1, n, bad)
		}
		s.kill()
	}
}

// TestDiskFull fills a small file system: acks stop, the process lives, and goes on when there is room.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "data")
	if err := os.Mkdir(full, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", full).CombinedOutput(); err != nil {
		need(t, fmt.Sprintf("the right to mount a tmpfs: %v: %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", full).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	ballast := filepath.Join(full, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 40<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	// The destination can't be written, so that the queue keeps everything: its directory is a file.
	if err := os.WriteFile(filepath.Join(dir, "out"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, strings.Replace(defaultConfig, "min_free_disk: 1MiB", "max_size: 1GiB", 1))
	a := &agent{tag: "full"}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			a.run(ctx, s.Forward, 0)
		}
	}()
	queueFull := func() bool {
		queue, _ := s.get("/status")["queue"].(map[string]any)
		isFull, _ := queue["full"].(bool)
		return isFull
	}
	s.eventually("the queue to be full", queueFull)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	acked := a.acked.Load()
	s.eventually("acks to go on", func() bool { return a.acked.Load() > acked })
	cancel()
	<-done
	if err := os.Remove(filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	a.run(t.Context(), s.Forward, a.next+perChunk)
	wantAcked(t, s, []*agent{a})
	s.stop()
}
