// Package buffertest is the suite that every engine of the queue passes.
package buffertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Open opens an engine's queue.
type Open func(cfg buffer.Config, o buffer.Options) (buffer.Queue, error)

// Run runs the suite. Beside it, an engine that is durable calls RunChild in its TestMain: see there.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, tc := range []struct {
		name string
		test func(*suite)
	}{
		{"a chunk is handed out once, in order, until it is done", (*suite).once},
		{"clusters take turns by bytes", (*suite).turns},
		{"a full queue blocks, rejects or drops the oldest", (*suite).full},
		{"what was refused is stored again once, however often that is tried", (*suite).requeue},
		{"what is held is held until it is given back", (*suite).leases},
		{"a chunk is settled in part", (*suite).settlePart},
		{"who sent a chunk is kept with it", (*suite).sources},
		{"what is left of a chunk keeps ids, tag and time", (*suite).restKeeps},
		{"events wait for a target", (*suite).waiting},
		{"what waits for targets is bounded", (*suite).waitingIsBounded},
		{"new chunks have a share while a backlog drains", (*suite).freshShare},
		{"what waits for an output is purged", (*suite).purge},
		{"a held cluster is passed over", (*suite).hold},
		{"a closed queue says so", (*suite).closed},
		{"any order of calls, against a slice", (*suite).model},
		{"killed at any moment", (*suite).kill},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := buffer.Config{
				Path: t.TempDir(), SegmentSize: 1 << 20, MaxSize: 1 << 30, WhenFull: "block", Sync: true,
				Compression: "s2", DedupeWindow: time.Minute,
			}
			s := &suite{T: t, open: open, cfg: cfg}
			if tc.name == "killed at any moment" {
				// Another process has its own time.
				s.start()
				tc.test(s)
				return
			}
			synctest.Test(t, func(t *testing.T) { // so that waiting for what does not come takes no time
				s.T = t
				s.start()
				tc.test(s)
				s.close()
			})
		})
	}
}

// suite is one test with its queue.
type suite struct {
	*testing.T
	open Open
	cfg  buffer.Config
	o    buffer.Options
	q    buffer.Queue
}

func (s *suite) start() {
	s.Helper()
	q, err := s.open(s.cfg, s.o)
	if err != nil {
		s.Fatal(err)
	}
	s.q = q
}

func (s *suite) close() {
	s.Helper()
	if err := s.q.Close(); err != nil {
		s.Error(err)
	}
}

// store stores texts of a cluster, a message each, for the outputs.
func (s *suite) store(cluster string, outputs []string, texts ...string) error {
	b := s.q.NewBatch(1)
	for _, text := range texts {
		b.Begin(buffer.Message{Cluster: cluster, Tag: "t." + text[:1], Outputs: outputs})
		b.Add([]byte(text), 1, true)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return b.Commit(ctx)
}

func (s *suite) mustStore(cluster string, outputs []string, texts ...string) {
	s.Helper()
	if err := s.store(cluster, outputs, texts...); err != nil {
		s.Fatal(err)
	}
}

// next returns the next chunk, nil where none comes.
func (s *suite) next(src buffer.Source) *event.Chunk {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c, err := src.Next(ctx)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.Fatal(err)
	}
	return c
}

// take is next, of what must be there.
func (s *suite) take(src buffer.Source, want string) *event.Chunk {
	s.Helper()
	c := s.next(src)
	if c == nil || string(c.Entries) != want {
		s.Fatalf("got %v, want %q", c, want)
	}
	return c
}

func (s *suite) none(src buffer.Source) {
	s.Helper()
	if c := s.next(src); c != nil {
		s.Errorf("%q is handed out", c.Entries)
	}
}

// drain delivers all that waits and returns its entries.
func (s *suite) drain(src buffer.Source) (texts []string) {
	s.Helper()
	for c := s.next(src); c != nil; c = s.next(src) {
		texts = append(texts, string(c.Entries))
		src.Done(c)
	}
	return texts
}

// balance holds that every chunk is accounted for.
func (s *suite) balance() {
	s.Helper()
	for _, w := range s.q.Stats().Waits {
		got := w.Done.Events + w.Dropped.Events + w.Purged.Events + w.Lost.Events + w.Given.Events + w.Pending.Events
		if want := w.Found.Events + w.Appended.Events; got != want {
			s.Errorf("%+v adds up to %d events, want %d", w, got, want)
		}
	}
}

func (s *suite) once() {
	a, b := s.q.Source("a"), s.q.Source("b")
	for _, text := range []string{"1", "2", "3"} {
		s.mustStore("c", []string{"a", "b"}, text)
	}
	first := s.take(a, "1")
	if first.Cluster != "c" || first.Tag != "t.1" || first.Events != 1 || len(first.Parts) != 1 ||
		first.Received.IsZero() || first.Again || first.Returned {
		s.Errorf("%+v", first)
	}
	if second := s.take(a, "2"); second.Seq <= first.Seq {
		s.Errorf("%d comes after %d", second.Seq, first.Seq)
	}
	a.Done(first)
	a.Done(first)
	s.take(a, "3")
	s.none(a)
	if got := s.drain(b); !slices.Equal(got, []string{"1", "2", "3"}) {
		s.Errorf("the other output gets %q", got)
	}
	s.balance()
}

func (s *suite) turns() {
	large := strings.Repeat("x", 300<<10)
	for range 12 {
		s.mustStore("flood", []string{"o"}, large)
	}
	s.mustStore("small", []string{"o"}, "s")
	src := s.q.Source("o")
	for n := 0; ; n++ {
		c := s.next(src)
		if c == nil || n > 8 {
			s.Fatalf("the small cluster's turn has not come after %d chunks of the other", n)
		}
		if c.Cluster == "small" {
			break
		}
	}
}

func (s *suite) full() {
	for _, tc := range []struct {
		policy string
		// whole says that the limit is the queue's, else the cluster's.
		whole bool
		err   error
	}{
		{"block", false, context.DeadlineExceeded},
		{"block", true, context.DeadlineExceeded},
		{"reject", false, buffer.ErrFull},
		{"reject", true, buffer.ErrFull},
		{"drop_oldest", false, nil},
	} {
		name := fmt.Sprintf("%s of %v", tc.policy, tc.whole)
		output, cluster := "o"+name, "c"+name
		text := func(n int) string { return strconv.Itoa(n) + strings.Repeat("x", 10<<10) }
		s.mustStore(cluster, []string{output}, text(1))
		limits := buffer.Limits{MaxSize: 1 << 30, SegmentSize: 1 << 20, WhenFull: tc.policy}
		if tc.whole {
			limits.MaxSize = 1
		} else {
			limits.Clusters = map[string]int64{cluster: 100}
		}
		s.q.SetLimits(limits)
		if err := s.store(cluster, []string{output}, text(2)); !errors.Is(err, tc.err) {
			s.Errorf("%s: %v, want %v", name, err, tc.err)
		}
		if err := s.store("other", []string{"p"}, text(3)); (err == nil) == tc.whole {
			s.Errorf("%s: another cluster: %v", name, err)
		}
		// What waits is stored when there is room.
		src, stored := s.q.Source(output), make(chan error, 1)
		if tc.policy == "block" {
			go func() { stored <- s.store(cluster, []string{output}, text(4)) }()
			synctest.Wait()
		}
		got := s.drain(src)
		if tc.policy == "block" {
			if err := <-stored; err != nil {
				s.Errorf("%s: with room: %v", name, err)
			}
			got = append(got, s.drain(src)...)
		}
		want := map[string][]string{
			"block": {text(1), text(4)}, "reject": {text(1)}, "drop_oldest": {text(2)},
		}[tc.policy]
		if !slices.Equal(got, want) {
			s.Errorf("%s: delivered %.3q, want %.3q", name, got, want)
		}
		s.q.SetLimits(buffer.Limits{MaxSize: 1 << 30, SegmentSize: 1 << 20, WhenFull: "block"})
		s.drain(s.q.Source("p"))
	}
	s.balance()
}

func (s *suite) requeue() {
	letters, src := s.q.DeadLetters(), s.q.Source("o")
	part := event.Part{Key: [16]byte{7}, First: 3, Events: 1}
	item := buffer.RequeueItem{
		ID: 1, Message: buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"o"}}, Entries: []byte("x"),
		Part: part,
	}
	for range 2 {
		if err := s.q.Requeue(context.Background(), []buffer.RequeueItem{item}); err != nil {
			s.Fatal(err)
		}
	}
	c := s.take(src, "x")
	if !c.Returned || len(c.Parts) != 1 || c.Parts[0].Key != part.Key || c.Parts[0].First != 3 {
		s.Errorf("%+v", c)
	}
	src.Done(c)
	s.none(src)
	if err := s.q.ForgetRequeued([]uint64{1}); err != nil {
		s.Error(err)
	}
	// With the letters: each goes back once, and none stays.
	entry := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1}), nil, []byte{0x80})
	for i := range 3 {
		letter := deadletter.Letter{
			Cluster: fmt.Sprint("c", i%2), Tag: "t", Output: "o", Reason: "rejected", Events: 1, Entry: entry,
		}
		if err := letters.Add(context.Background(), []deadletter.Letter{letter}); err != nil {
			s.Fatal(err)
		}
	}
	to := func(l *deadletter.Letter) buffer.RequeueTarget {
		return buffer.RequeueTarget{Outputs: []string{l.Output}}
	}
	for _, want := range []int64{3, 0} {
		done, err := buffer.Requeue(context.Background(), s.q, letters, deadletter.Filter{}, to, func(
			buffer.RequeueProgress,
		) {
		})
		if err != nil || done.Letters != want || letters.Stats().Letters != 0 {
			s.Errorf("%+v, %d left: %v", done, letters.Stats().Letters, err)
		}
	}
	events := 0
	for c := s.next(src); c != nil; c = s.next(src) {
		events += c.Events
		src.Done(c)
	}
	if events != 3 {
		s.Errorf("%d events are in the queue, want 3", events)
	}
	s.balance()
}

func (s *suite) leases() {
	src := s.q.Source("o")
	for _, text := range []string{"1", "2", "3"} {
		s.mustStore("c", []string{"o"}, text)
	}
	first, second := s.take(src, "1"), s.take(src, "2")
	src.KeepAlive(first)
	src.Return(second)
	src.Return(second)
	src.Return(first)
	got := s.drain(src)
	if !s.q.Capabilities().ReturnsInOrder {
		slices.Sort(got)
	}
	if !slices.Equal(got, []string{"1", "2", "3"}) {
		s.Errorf("after they were given back: %q", got)
	}
	s.mustStore("c", []string{"o"}, "4")
	c := s.take(src, "4")
	src.Return(c)
	if c = s.take(src, "4"); !c.Again {
		s.Error("it is not said that it was handed out before")
	}
	src.ReleaseEntries(c)
	if c.Entries != nil {
		s.Error("its memory was not taken back")
	}
	if !s.q.Capabilities().Durable {
		return
	}
	s.close()
	s.start()
	s.take(s.q.Source("o"), "4")
}

func (s *suite) purge() {
	src := s.q.Source("o")
	for _, text := range []string{"1", "2", "3"} {
		s.mustStore("c", []string{"o", "p"}, text)
	}
	held := s.take(src, "1")
	if n := s.q.Purge("o"); n.Chunks != 2 || n.Events != 2 {
		s.Errorf("purged %+v", n)
	}
	src.Done(held)
	s.none(src)
	if got := s.drain(s.q.Source("p")); len(got) != 3 {
		s.Errorf("the other output has %q", got)
	}
	s.balance()
}

func (s *suite) hold() {
	src := s.q.Source("o")
	s.mustStore("a", []string{"o"}, "1")
	s.mustStore("b", []string{"o"}, "2")
	src.Hold("a")
	src.Hold("a")
	src.Done(s.take(src, "2"))
	s.none(src)
	got := make(chan *event.Chunk, 1)
	go func() { got <- s.next(src) }()
	synctest.Wait()
	src.Release("a")
	if c := <-got; c == nil || string(c.Entries) != "1" {
		s.Errorf("released: %v", c)
	}
}

func (s *suite) closed() {
	s.mustStore("c", []string{"o"}, "1")
	src := s.q.Source("o")
	c := s.take(src, "1")
	waiting := make(chan error, 1)
	go func() {
		_, err := src.Next(context.Background())
		waiting <- err
	}()
	synctest.Wait()
	s.close()
	if err := <-waiting; !errors.Is(err, buffer.ErrClosed) {
		s.Errorf("Next: %v", err)
	}
	if err := s.store("c", []string{"o"}, "2"); !errors.Is(err, buffer.ErrClosed) {
		s.Errorf("Commit: %v", err)
	}
	if err := src.SettlePart(context.Background(), c, []buffer.Rest{
		{Entries: []byte("x"), Parts: c.Parts},
	}); !errors.Is(err, buffer.ErrClosed) {
		s.Errorf("SettlePart: %v", err)
	}
}
