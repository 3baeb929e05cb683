package app

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/memory"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// refusing is a destination that takes cluster a's events only when it is told to.
type refusing struct {
	takes atomic.Bool
	outputtest.Output
}

func (r *refusing) Send(ctx context.Context, b *outputs.Batch) error {
	se := &outputs.SendError{Reason: outputs.ReasonThrottled, Err: errors.New("index is read-only")}
	taken := &outputs.Batch{}
	for i := range b.Events {
		if ev := &b.Events[i]; ev.Chunk.Cluster == "a" && !r.takes.Load() {
			se.Failed = append(se.Failed, outputs.Failure{Index: i, Reason: outputs.ReasonThrottled})
		} else {
			taken.Events = append(taken.Events, *ev)
		}
	}
	if err := r.Output.Send(ctx, taken); err != nil || len(se.Failed) == 0 {
		return err
	}
	return se
}

// TestHeldCluster puts a loop on a real queue: what the destination refuses of one cluster leaves the other alone,
// survives the end of the loop, and arrives once when it is taken.
func TestHeldCluster(t *testing.T) { synctest.Test(t, testHeldCluster) }

func testHeldCluster(t *testing.T) {
	queue, err := memory.Open(
		buffer.Config{Path: t.TempDir(), SegmentSize: 1 << 20, MaxSize: 1 << 30, WhenFull: "block", Compression: "s2"},
		buffer.Options{},
	)
	if err != nil {
		t.Fatal(err)
	}
	const chunks, events = 100, 50
	batch := queue.NewBatch(1)
	for i := range 2 * chunks {
		name := "a"
		if i >= chunks {
			name = "b"
		}
		c := outputtest.Chunk(0, name, "t", events, i*events, 500)
		batch.Begin(buffer.Message{Cluster: name, Tag: "t", Outputs: []string{"es"}})
		batch.Add(c.Entries, events, true)
	}
	if err := batch.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := &refusing{}
	run := func(until func(s stats.Stats) bool) {
		t.Helper()
		l := delivery.New(delivery.Options{
			Name: "es", Source: queue.Source("es"), Output: out, DeadLetters: deadLetterSink{queue.DeadLetters()},
			Log:   zerolog.Nop(),
			Grace: time.Millisecond, Common: outputs.Common{
				Batch: outputs.BatchConfig{MaxBytes: 256 << 10, MaxWait: 10 * time.Millisecond},
				Retry: outputs.RetryConfig{Initial: 20 * time.Millisecond, Max: 20 * time.Millisecond},
			},
		})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		for ctx.Err() == nil && !until(l.Stats()) {
			time.Sleep(10 * time.Millisecond) // of the bubble's time: all others have come to rest
		}
		if ctx.Err() != nil {
			t.Errorf("waited in vain: %+v", l.Stats())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	pending := func() (all int64) {
		for _, w := range queue.Stats().Waits {
			all += w.Pending.Events
		}
		return all
	}
	run(func(s stats.Stats) bool {
		return len(out.Got()) == chunks*events && slices.Equal(s.Held, []string{"a"})
	})
	if n := pending(); n < chunks*events {
		t.Errorf("%d events are pending, want all of the refused ones: %d", n, chunks*events)
	}
	out.takes.Store(true)
	run(func(stats.Stats) bool { return pending() == 0 })
	got := out.Got()
	for n := range 2 * chunks * events {
		if got[n] == 0 || got[n] > 1 && n < chunks*events {
			t.Fatalf("event %d arrived %d times", n, got[n])
		}
	}
	if err := queue.Close(); err != nil {
		t.Fatal(err)
	}
}
