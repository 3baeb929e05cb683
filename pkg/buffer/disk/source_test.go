package disk

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// One cluster floods; the other's chunks have their turn all the same.
func TestTurns(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	for i := range 40 {
		put(t, s, message1{cluster: "flood", text: text(256<<10, uint64(i))})
	}
	for i := range 8 {
		put(t, s, message1{cluster: "calm", text: text(256<<10, uint64(100+i))})
	}
	var order []string
	for c := take(t, s, "o"); c != nil; c = take(t, s, "o") {
		order = append(order, c.Cluster)
		s.Source("o").Done(c)
	}
	last := 0
	for i, cluster := range order {
		if cluster == "calm" {
			last = i
		}
	}
	if last > 20 {
		t.Errorf("the calm cluster's last chunk of 8 was number %d: %v", last, order)
	}
}

// Who is given a chunk is told where its events may have been sent before.
func TestAgain(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	put(t, s, message1{text: "a"})
	put(t, s, message1{text: "b"})
	expect := func(text string, want bool) *event.Chunk {
		t.Helper()
		c := take(t, s, "o")
		if c == nil || c.Again != want {
			t.Fatalf("chunk %s: %+v, want Again %t", text, c, want)
		}
		return c
	}
	first := expect("a", false)
	s.Source("o").Return(first)
	expect("a, given back", true)
	expect("b, new", false)
	mustClose(t, s)
	s = mustOpen(t, cfg, buffer.Options{})
	put(t, s, message1{text: "c"})
	expect("a, after a restart", true)
	expect("b, after a restart", true)
	expect("c, new", false)
}

func TestReturnKeepsOrder(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	for i := range 5 {
		put(t, s, message1{text: strconv.Itoa(i)})
	}
	var held []*event.Chunk
	for range 4 {
		held = append(held, take(t, s, "o"))
	}
	src := s.Source("o")
	for _, i := range []int{2, 0, 3} {
		src.Return(held[i])
	}
	src.Done(held[1])
	src.Return(held[1]) // it is no longer the caller's
	if got, want := drain(t, s, "o"), []string{"0", "2", "3", "4"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error)
		next := func(ctx context.Context) { _, err := s.Source("o").Next(ctx); results <- err }
		go next(ctx)
		synctest.Wait()
		cancel()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		go next(t.Context())
		synctest.Wait()
		put(t, s, message1{text: "x"})
		if err := <-results; err != nil {
			t.Errorf("a chunk came: %v", err)
		}
		go next(t.Context())
		synctest.Wait()
		mustClose(t, s)
		if err := <-results; !errors.Is(err, buffer.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// Segments go when their last output is done; a backlog's index doesn't stay in memory; lag is told.
func TestBacklog(t *testing.T) {
	clock := newClock()
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{Now: clock.now})
	start := clock.now()
	for i := range 60 {
		put(t, s, message1{text: text(600<<10, uint64(i)), outputs: []string{"a", "b"}})
		clock.move(time.Second)
	}
	if n := len(segmentFiles(t, cfg.Path)); n < 50 {
		t.Fatalf("only %d segments", n)
	}
	sealed(s)
	drain(t, s, "a")
	loaded := 0
	s.mu.Lock()
	for _, seg := range s.segs {
		if seg.loaded {
			loaded++
		}
	}
	s.mu.Unlock()
	if loaded > maxLoadedSegments+1 {
		t.Errorf("%d indexes are in memory", loaded)
	}
	for _, w := range s.Stats().Waits {
		if w.Output == "b" && !w.Oldest.Equal(start) {
			t.Errorf("oldest is of %v, want %v", w.Oldest, start)
		}
		if w.Output == "a" && (w.Pending.Chunks != 0 || !w.Oldest.IsZero()) {
			t.Errorf("%+v, want nothing pending", w)
		}
	}
	mustClose(t, s)
	s = mustOpen(t, cfg, buffer.Options{Now: clock.now})
	if w := s.Stats().Waits; len(w) != 1 || w[0].Output != "b" || w[0].Found.Events != 60 ||
		w[0].Pending.Bytes < 60*600<<10 {
		t.Errorf("found %+v", w)
	}
	for range 30 {
		s.Source("b").Done(take(t, s, "b"))
	}
	saved(t, s)
	if n := len(segmentFiles(t, cfg.Path)); n > 31 {
		t.Errorf("%d segments are left for 30 chunks", n)
	}
	before := s.Stats().Waits[0]
	if n := s.Purge("b"); n.Chunks != 30 || n != before.Pending {
		t.Errorf("purged %+v, want 30 chunks", n)
	}
	if w := s.Stats().Waits[0]; w.Purged != before.Pending || w.Dropped.Events != 0 ||
		w.Found.Events+w.Appended.Events != w.Done.Events+w.Purged.Events {
		t.Errorf("after the purge: %+v", w)
	}
	saved(t, s)
	if names := segmentFiles(t, cfg.Path); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}

// A segment of which little is wanted is made small, while one of its chunks is handed out.
func TestCompaction(t *testing.T) {
	clock := newClock()
	cfg := testConfig(t.TempDir())
	cfg.SegmentSize = 8 << 20
	s := mustOpen(t, cfg, buffer.Options{Now: clock.now})
	b := s.NewBatch(1)
	for i := range 30 {
		outputs := []string{"quick"}
		if i%10 == 3 {
			outputs = []string{"quick", "slow"}
		}
		b.Begin(buffer.Message{Cluster: "c", Tag: "t", Outputs: outputs, Chunk: strconv.Itoa(i)})
		b.Add([]byte(text(100<<10, uint64(i))), 1, true)
		b.Begin(buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"quick"}})
		b.Add([]byte(text(100<<10, uint64(i+1000))), 1, true)
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, s, message1{text: text(8<<20, 1), outputs: []string{"quick"}}) // the next segment
	drain(t, s, "quick")
	sealed(s)
	held := take(t, s, "slow")
	before := s.Stats().Bytes
	s.tidy()
	if s.Stats().Bytes < before/2 {
		t.Error("made smaller at once, though the output may be about to finish it")
	}
	clock.move(compactAfter)
	s.tidy()
	if after := s.Stats().Bytes; after > 9<<20 {
		t.Errorf("takes %d bytes of the disk after, %d before", after, before)
	}
	s.Source("slow").Return(held)
	want := []string{text(100<<10, 3), text(100<<10, 13), text(100<<10, 23)}
	s.Source("slow").Done(take(t, s, "slow"))
	mustClose(t, s)
	s = mustOpen(t, cfg, buffer.Options{Now: clock.now})
	if got := drain(t, s, "slow"); !slices.Equal(got, want[1:]) {
		t.Errorf("got %d chunks, want the last two", len(got))
	}
	saved(t, s)
	if names, _ := filepath.Glob(filepath.Join(cfg.Path, "*.tmp")); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
}

// Event ids: stable over deliveries and restarts, those of a message with nanoseconds also over resends.
func TestParts(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	b := s.NewBatch(1)
	msg := buffer.Message{Cluster: "c", Tag: "t", Chunk: "id", Outputs: []string{"o"}}
	b.Begin(msg)
	b.Add([]byte("ab"), 2, false)
	b.Reject([]byte("?"), 1, "invalid_entry")
	b.Add([]byte("d"), 1, true)
	msg.Chunk = ""
	b.Begin(msg)
	b.Add([]byte("e"), 1, true)
	b.Begin(msg)
	b.Add([]byte("f"), 1, true)
	msg.Chunk = "id2"
	b.Begin(msg)
	b.Add([]byte("g"), 1, false)
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := take(t, s, "o")
	key := event.PartKeyOfChunk("c", "t", "id")
	want := []event.Part{
		{Key: key, Chunk: key, First: 0, Events: 2},
		{Key: key, Chunk: key, First: 3, Events: 1},
		{Key: event.PartKeyOfSeq(s.queueID, c.Seq, 2), Events: 2},
		{Key: event.PartKeyOfSeq(s.queueID, c.Seq, 3), Chunk: event.PartKeyOfChunk("c", "t", "id2"), Events: 1},
	}
	if string(c.Entries) != "abdefg" || !slices.Equal(c.Parts, want) {
		t.Errorf("got %q in %+v,\nwant %+v", c.Entries, c.Parts, want)
	}
	if st := s.Stats().Dead; st.Letters != 1 ||
		st.Events[deadletter.Key{Output: "", Cluster: "c", Reason: "invalid_entry"}] != 1 {
		t.Errorf("dead letters: %+v", st)
	}
}
