package outputtest

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/memory"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Backlog is what waits for an output in a queue in memory. It is the delivery loop's source, and panics where that
// settles a chunk which is not handed out: such as one that is Done or was returned before. Safe for concurrent use.
type Backlog struct {
	queue  *memory.Queue
	source buffer.Source

	mu sync.Mutex
	// out is the sequence numbers of what is handed out.
	out  map[*event.Chunk]uint64
	held map[string]bool
	done []uint64
}

// NewBacklog returns a Backlog of the chunks.
func NewBacklog(chunks ...*event.Chunk) *Backlog {
	q, err := memory.Open(buffer.Config{}, buffer.Options{})
	if err != nil {
		// A queue without limits and files always opens.
		panic(err)
	}
	b := &Backlog{queue: q, source: q.Source("test"), out: map[*event.Chunk]uint64{}, held: map[string]bool{}}
	for _, c := range chunks {
		b.Put(c)
	}
	return b
}

// Put stores the entries of c as a message of its cluster and tag, whose chunk the agent has named by c.Seq: the
// events' ids follow from that. The queue gives a sequence number, counting from 1, and a time of receipt of its own.
func (b *Backlog) Put(c *event.Chunk) {
	batch := b.queue.NewBatch(1)
	batch.Begin(buffer.Message{
		Cluster: c.Cluster, Tag: c.Tag, Chunk: strconv.FormatUint(c.Seq, 10), Outputs: []string{"test"},
	})
	batch.Add(c.Entries, c.Events, true)
	if err := batch.Commit(context.Background()); err != nil {
		// there is no limit, and nobody closes the queue.
		panic(err)
	}
}

// Next waits for the next chunk.
func (b *Backlog) Next(ctx context.Context) (*event.Chunk, error) {
	c, err := b.source.Next(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.out[c] = c.Seq
	return c, nil
}

// Done forgets c.
func (b *Backlog) Done(c *event.Chunk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = append(b.done, b.back(c))
	b.source.Done(c)
}

// Return gives c back, to be handed out again.
func (b *Backlog) Return(c *event.Chunk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.back(c)
	b.source.Return(c)
}

// back returns the sequence number of c, which is not handed out any more. b.mu is held.
func (b *Backlog) back(c *event.Chunk) uint64 {
	seq, ok := b.out[c]
	if !ok {
		panic("a chunk came back that was not out")
	}
	delete(b.out, c)
	return seq
}

// ReleaseEntries destroys the entries of c.
func (b *Backlog) ReleaseEntries(c *event.Chunk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.out[c]; !ok {
		panic("a chunk was shed that was not out")
	}
	b.source.ReleaseEntries(c)
}

// SettleParts forgets chunks but for the rests.
func (b *Backlog) SettleParts(ctx context.Context, list []buffer.Settlement) error {
	if err := b.source.SettleParts(ctx, list); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range list {
		b.done = append(b.done, b.back(list[i].Chunk))
	}
	return nil
}

// Waiting returns what waits aside for the target.
func (b *Backlog) Waiting(target string) *Backlog {
	return &Backlog{
		queue: b.queue, source: b.queue.Waiting("test", target), out: map[*event.Chunk]uint64{},
		held: map[string]bool{},
	}
}

// Targets returns the targets that something waits for.
func (b *Backlog) Targets() (targets []string) {
	for _, w := range b.queue.Stats().Waits {
		if w.Target != "" && w.Pending.Chunks > 0 && !slices.Contains(targets, w.Target) {
			targets = append(targets, w.Target)
		}
	}
	return targets
}

// SetLimits sets the queue's.
func (b *Backlog) SetLimits(to buffer.Limits) { b.queue.SetLimits(to) }

// SetFreshShare gives new chunks a share while older ones wait.
func (b *Backlog) SetFreshShare(share float64) { b.source.SetFreshShare(share) }

// Hold makes Next pass the cluster over until Release.
func (b *Backlog) Hold(cluster string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held[cluster] = true
	b.source.Hold(cluster)
}

// Release ends a Hold.
func (b *Backlog) Release(cluster string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.held, cluster)
	b.source.Release(cluster)
}

// Held returns how many clusters are held.
func (b *Backlog) Held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.held)
}

// Finished returns the sequence numbers of the chunks that are Done, in that order.
func (b *Backlog) Finished() []uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.done)
}

// Out returns how many chunks were handed out and did not come back.
func (b *Backlog) Out() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.out)
}

// Pending returns what is not Done of the source.
func (b *Backlog) Pending() buffer.Count { return b.source.Pending() }

// Events returns how many events are in chunks that are not Done, wherever they wait.
func (b *Backlog) Events() (n int) {
	for _, w := range b.queue.Stats().Waits {
		n += int(w.Pending.Events)
	}
	return n
}
