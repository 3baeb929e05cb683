package outputtest

import (
	"context"
	"slices"
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Output is a destination that does as it is told. Safe for concurrent use.
type Output struct {
	// OnSend decides what becomes of a batch: it returns Send's error. nil: everything is accepted.
	OnSend func(ctx context.Context, numbers []int) error

	mu    sync.Mutex
	sends [][]int
	got   map[int]int
}

// Send records the numbers of the events (see Chunk), and which of them were accepted.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	numbers := make([]int, len(b.Events))
	for i := range b.Events {
		numbers[i] = Number(&b.Events[i])
	}
	var err error
	if o.OnSend != nil {
		err = o.OnSend(ctx, numbers)
	}
	accepted := map[int]bool{}
	if err == nil {
		for i := range numbers {
			accepted[i] = true
		}
	} else if se := outputs.AsSendError(err); len(se.Failed) > 0 {
		for i := range numbers {
			accepted[i] = true
		}
		for _, f := range se.Failed {
			delete(accepted, f.Index)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sends = append(o.sends, numbers)
	if o.got == nil {
		o.got = map[int]int{}
	}
	for i := range accepted {
		o.got[numbers[i]]++
	}
	return err
}

// Close does nothing.
func (o *Output) Close() error { return nil }

// Sends returns the numbers of the events of each Send so far.
func (o *Output) Sends() [][]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([][]int(nil), o.sends...)
}

// Got returns how often each event was accepted.
func (o *Output) Got() map[int]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	got := make(map[int]int, len(o.got))
	for n, times := range o.got {
		got[n] = times
	}
	return got
}

// Source hands out the chunks that are Put, in order. It destroys the bytes of a chunk that is Done
// or returned, as the real one may. Safe for concurrent use.
type Source struct {
	mu      sync.Mutex
	waiting []stored
	out     map[*event.Chunk]stored
	held    map[string]bool
	done    []uint64
	news    chan struct{}
}

type stored struct {
	chunk   *event.Chunk
	entries []byte
}

// NewSource returns a Source with chunks waiting.
func NewSource(chunks ...*event.Chunk) *Source {
	s := &Source{out: map[*event.Chunk]stored{}, held: map[string]bool{}, news: make(chan struct{}, 1)}
	for _, c := range chunks {
		s.Put(c)
	}
	return s
}

// Put adds a chunk.
func (s *Source) Put(c *event.Chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, stored{c, append([]byte(nil), c.Entries...)})
	s.wake()
}

func (s *Source) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Next returns the first chunk that waits and whose cluster is not held. One goroutine may wait in it.
func (s *Source) Next(ctx context.Context) (*event.Chunk, error) {
	for {
		s.mu.Lock()
		if i := slices.IndexFunc(s.waiting, func(w stored) bool { return !s.held[w.chunk.Cluster] }); i >= 0 {
			w := s.waiting[i]
			s.waiting = slices.Delete(s.waiting, i, i+1)
			w.chunk.Entries = append([]byte(nil), w.entries...)
			s.out[w.chunk] = w
			s.mu.Unlock()
			return w.chunk, nil
		}
		s.mu.Unlock()
		select {
		case <-s.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Done forgets c. It panics where c is not out: the caller settled it twice.
func (s *Source) Done(c *event.Chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back(c)
	s.done = append(s.done, c.Seq)
}

// Return puts c back in front.
func (s *Source) Return(c *event.Chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append([]stored{s.back(c)}, s.waiting...)
	s.wake()
}

func (s *Source) back(c *event.Chunk) stored {
	w, ok := s.out[c]
	if !ok {
		panic("a chunk came back that was not out")
	}
	delete(s.out, c)
	clear(c.Entries)
	return w
}

// Hold makes Next pass over the chunks of cluster until Release.
func (s *Source) Hold(cluster string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[cluster] = true
}

// Release ends a Hold.
func (s *Source) Release(cluster string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, cluster)
	s.wake()
}

// Shed destroys the bytes of c. It panics where c is not out.
func (s *Source) Shed(c *event.Chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.out[c]; !ok {
		panic("a chunk was shed that was not out")
	}
	clear(c.Entries)
	c.Entries = nil
}

// Held returns how many clusters are held.
func (s *Source) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

// Finished returns the sequence numbers of the chunks that are Done, in that order.
func (s *Source) Finished() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]uint64(nil), s.done...)
}

// Out returns how many chunks were handed out and did not come back.
func (s *Source) Out() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.out)
}

// Pending returns how many events are in chunks that are not Done.
func (s *Source) Pending() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.waiting {
		n += w.chunk.Events
	}
	for c := range s.out {
		n += c.Events
	}
	return n
}
