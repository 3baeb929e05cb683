package buffertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func (s *suite) settlePart() {
	src := s.q.Source("o")
	b := s.q.NewBatch(1)
	b.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: "id", Outputs: []string{"o", "p"}})
	b.Add([]byte("abc"), 3, true)
	if err := b.Commit(context.Background()); err != nil {
		s.Fatal(err)
	}
	c := s.take(src, "abc")
	key := c.Parts[0].Key
	rests := []buffer.Rest{
		{Entries: []byte("ac"), Parts: []event.Part{{Key: key, First: 0, Events: 1}, {Key: key, First: 2, Events: 1}}},
	}
	if err := src.SettlePart(context.Background(), c, rests); err != nil {
		s.Fatal(err)
	}
	if err := src.SettlePart(context.Background(), c, rests); err != nil {
		// It is settled.
		s.Fatal(err)
	}
	if s.q.Capabilities().Durable {
		s.close()
		s.start()
		src = s.q.Source("o")
	}
	c = s.take(src, "ac")
	if c.Events != 2 || len(c.Parts) != 2 || c.Parts[1].Key != key || c.Parts[1].First != 2 || c.Filtered {
		s.Errorf("%+v", c)
	}
	if err := src.SettlePart(context.Background(), c, nil); err != nil {
		s.Fatal(err)
	}
	s.none(src)
	s.take(s.q.Source("p"), "abc")
	s.balance()
}

func (s *suite) sources() {
	b := s.q.NewBatch(1)
	for _, source := range []string{`{"address":"10.0.0.1"}`, `{"address":"10.0.0.2"}`, ""} {
		b.Begin(buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"o"}, Source: source})
		b.Add([]byte("abc"), 3, true)
	}
	if err := b.Commit(context.Background()); err != nil {
		s.Fatal(err)
	}
	if s.q.Capabilities().Durable {
		s.close()
		s.start()
	}
	src := s.q.Source("o")
	for _, want := range []string{`{"address":"10.0.0.1"}`, `{"address":"10.0.0.2"}`, ""} {
		c := s.take(src, "abc")
		if c.Source != want {
			s.Errorf("it came from %q, want %q", c.Source, want)
		}
		rests := []buffer.Rest{{Entries: []byte("b"), Parts: []event.Part{{Key: c.Parts[0].Key, First: 1, Events: 1}}}}
		if err := src.SettlePart(context.Background(), c, rests); err != nil {
			s.Fatal(err)
		}
	}
	for _, want := range []string{`{"address":"10.0.0.1"}`, `{"address":"10.0.0.2"}`, ""} {
		c := s.take(src, "b")
		if c.Source != want {
			s.Errorf("the rest came from %q, want %q", c.Source, want)
		}
		src.Done(c)
	}
	s.none(src)
}

func (s *suite) waiting() {
	src := s.q.Source("o")
	s.mustStore("c", []string{"o"}, "abc")
	s.mustStore("c", []string{"o"}, "other")
	c := s.take(src, "abc")
	rest := buffer.Rest{Target: "index-7", Entries: []byte("filtered"), Filtered: true, Parts: slices.Clone(c.Parts)}
	if err := src.SettlePart(context.Background(), c, []buffer.Rest{rest}); err != nil {
		s.Fatal(err)
	}
	src.Done(s.take(src, "other"))
	s.none(src)
	if s.q.Capabilities().Durable {
		s.close()
		s.start()
		src = s.q.Source("o")
	}
	targets := map[string]int64{}
	for _, w := range s.q.Stats().Waits {
		if w.Output == "o" && w.Pending.Events > 0 {
			targets[w.Target] = w.Pending.Events
		}
	}
	if len(targets) != 1 || targets["index-7"] != 1 {
		s.Errorf("by target: %v", targets)
	}
	if n := s.q.Purge("o"); n.Chunks != 0 {
		s.Errorf("purging the output took %+v of its targets", n)
	}
	aside := s.q.Waiting("o", "index-7")
	c = s.take(aside, "filtered")
	if !c.Filtered {
		s.Error("it is not said that the filters are not to be asked again")
	}
	// It goes back to the output, and from there aside again, where it is purged.
	if err := aside.SettlePart(context.Background(), c, []buffer.Rest{
		{Entries: []byte("back"), Filtered: true, Parts: c.Parts},
	}); err != nil {
		s.Fatal(err)
	}
	c = s.take(src, "back")
	if err := src.SettlePart(context.Background(), c, []buffer.Rest{rest}); err != nil {
		s.Fatal(err)
	}
	if n := s.q.PurgeWaiting("o", "index-7"); n.Events != 1 {
		s.Errorf("purged %+v", n)
	}
	s.none(aside)
	s.balance()
}

// restKeeps holds what is left of a chunk to what its events' ids, tag and age are made of, for a message whose chunk
// id does not make their ids: it has whole seconds.
func (s *suite) restKeeps() {
	src := s.q.Source("o")
	b := s.q.NewBatch(1)
	b.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: "id", Outputs: []string{"o"}})
	b.Add([]byte("abc"), 3, false)
	if err := b.Commit(context.Background()); err != nil {
		s.Fatal(err)
	}
	c := s.take(src, "abc")
	whole, received := c.Parts[0], c.Received
	if whole.Key == whole.Chunk || whole.Chunk == [16]byte{} {
		s.Fatalf("keys of %+v", whole)
	}
	one, joined := whole, whole
	one.Events = 1
	joined.First, joined.Events, joined.Joined = 1, 1, 42
	want := []event.Part{one, joined}
	rest := buffer.Rest{Target: "i", Entries: []byte("ab"), Filtered: true, NewTag: "new", Parts: slices.Clone(want)}
	for _, from := range []buffer.Source{src, s.q.Waiting("o", "i")} { // and once more, from where it waits
		if from != src {
			c = s.take(from, "ab")
		}
		if err := from.SettlePart(context.Background(), c, []buffer.Rest{rest}); err != nil {
			s.Fatal(err)
		}
		c = nil
	}
	if s.q.Capabilities().Durable {
		s.close()
		s.start()
	}
	c = s.take(s.q.Waiting("o", "i"), "ab")
	if !slices.Equal(c.Parts, want) || c.NewTag != "new" || c.Tag != "t" || !c.Received.Equal(received) {
		s.Errorf("got %+v\nwant parts %+v, received %v", c, want, received)
	}
}

// waitingIsBounded fills what may wait aside with one target: that one is refused more, another has room, and what
// waits already may be settled in part and go to another output.
func (s *suite) waitingIsBounded() {
	limits := s.cfg.Limits(nil, nil, nil)
	limits.Waiting = 40_000
	s.q.SetLimits(limits)
	src := s.q.Source("o")
	aside := func(target string, bytes int) error {
		s.mustStore("c", []string{"o"}, "abc")
		c := s.take(src, "abc")
		rest := buffer.Rest{Target: target, Entries: random(bytes), Filtered: true, Parts: slices.Clone(c.Parts)}
		err := src.SettlePart(context.Background(), c, []buffer.Rest{rest})
		if err != nil {
			src.Done(c)
		}
		return err
	}
	if err := aside("a", 39_000); err != nil {
		s.Fatal(err)
	}
	if err := aside("a", 20_000); !errors.Is(err, buffer.ErrWaitingFull) {
		s.Errorf("above the limit: %v", err)
	}
	if err := aside("b", 10_000); err != nil {
		s.Errorf("another target has no room: %v", err)
	}
	if st := s.q.Stats(); st.MaxWaiting != 40_000 || st.WaitingBytes < 49_000 || st.WaitingBytes > 50_000 {
		s.Errorf("%d of %d bytes wait", st.WaitingBytes, st.MaxWaiting)
	}
	from := s.q.Waiting("o", "a")
	c, err := from.Next(context.Background())
	if err != nil {
		s.Fatal(err)
	}
	if n := from.Pending(); n.Chunks != 1 || n.Events != int64(c.Events) {
		s.Errorf("pending: %+v", n)
	}
	rests := []buffer.Rest{
		{Target: "a", Entries: []byte("x"), Filtered: true, Parts: slices.Clone(c.Parts)},
		{Output: "p", Entries: []byte("y"), Filtered: true, Parts: slices.Clone(c.Parts)},
	}
	if err := from.SettlePart(context.Background(), c, rests); err != nil {
		s.Fatal(err)
	}
	from.Done(s.take(from, "x"))
	s.q.Source("p").Done(s.take(s.q.Source("p"), "y"))
	for _, w := range s.q.Stats().Waits {
		if w.Output == "p" && (w.Returned != w.Appended || w.Appended.Chunks != 1 || w.Rest.Chunks != 0) {
			s.Errorf("what came from another output: %+v", w)
		}
	}
	s.balance()
}

// random returns bytes that do not compress.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}
