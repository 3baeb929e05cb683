package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// letterStore is dead letters in memory.
type letterStore struct {
	fail func() error // decides what Add returns; nil: it works

	mu      sync.Mutex
	letters []delivery.DeadLetter
	dead    map[int]int // how often each event was added
}

func (g *letterStore) Add(_ context.Context, letters []delivery.DeadLetter) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail != nil {
		if err := g.fail(); err != nil {
			return err
		}
	}
	if g.dead == nil {
		g.dead = map[int]int{}
	}
	for _, l := range letters {
		if l.Event != nil {
			g.dead[outputtest.Number(l.Event)]++
		}
		// For what is read when it is done.
		l.Chunk = &event.Chunk{Seq: l.Chunk.Seq, Cluster: l.Chunk.Cluster, Tag: l.Chunk.Tag}
		g.letters = append(g.letters, l)
	}
	return nil
}

// rig is a loop with fakes all around.
type rig struct {
	*delivery.Loop
	source      *outputtest.Backlog
	output      *outputtest.Output
	letterStore *letterStore
	log         bytes.Buffer // to be read after stop
	stop        func()       // ends the loop and waits for it
}

func start(t *testing.T, set outputs.Common, onSend func(context.Context, []int) error, chunks ...*event.Chunk) *rig {
	t.Helper()
	r := &rig{
		source: outputtest.NewBacklog(chunks...), output: &outputtest.Output{OnSend: onSend},
		letterStore: &letterStore{},
	}
	return r.start(t, set)
}

func (r *rig) start(t *testing.T, set outputs.Common) *rig {
	t.Helper()
	return r.startWith(t, r.output, set)
}

func (r *rig) startWith(t *testing.T, output outputs.Output, set outputs.Common) *rig {
	t.Helper()
	r.Loop = delivery.New(delivery.Options{
		Name: "test", Source: r.source, Output: output, DeadLetters: r.letterStore, Common: set,
		Log: zerolog.New(&r.log),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := r.source.Out(); n != 0 {
			t.Errorf("the loop ended with %d chunks in hand", n)
		}
	}
	return r
}

// numbers returns from, from+1, …, to-1.
func numbers(from, to int) (ns []int) {
	for ; from < to; from++ {
		ns = append(ns, from)
	}
	return ns
}

// checkLedger compares what was put in with what Stats says became of it.
func (r *rig) checkLedger(t *testing.T, queued int) {
	t.Helper()
	sum := r.source.Events()
	for _, c := range r.Stats().Clusters {
		if c.Cluster == "" {
			t.Errorf("counted for no cluster, such as after the chunk was done: %+v", c)
		}
		sum += int(c.Delivered)
		for _, n := range c.Dropped {
			sum += int(n)
		}
		for _, n := range c.Dead {
			sum += int(n)
		}
	}
	if sum != queued {
		t.Errorf("delivered, dropped, dead and pending are %d events, put in were %d; %+v", sum, queued,
			r.Stats().Clusters)
	}
}

func TestBatchesAreCutExactly(t *testing.T) {
	const size = 300 + 15 + 11 // pad, the record's rest, the entry's
	for _, tc := range []struct {
		name string
		set  outputs.BatchConfig
		want [][]int
	}{
		{
			"by events, in the middle of chunks",
			outputs.BatchConfig{MaxEvents: 4, MaxWait: time.Second},
			[][]int{numbers(0, 4), numbers(4, 8), numbers(8, 10)},
		},
		{
			"by bytes",
			outputs.BatchConfig{MaxBytes: 3*size + size/2, MaxWait: time.Second},
			[][]int{numbers(0, 3), numbers(3, 6), numbers(6, 9), numbers(9, 10)},
		},
		{
			"full to the last byte",
			outputs.BatchConfig{MaxBytes: 5 * size, MaxWait: time.Second},
			[][]int{numbers(0, 5), numbers(5, 10)},
		},
		{
			"an event above the limit goes alone", outputs.BatchConfig{
				MaxBytes: 1, MaxEvents: 50, MaxWait: time.Second,
			}, [][]int{{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}},
		},
		{"all together", outputs.BatchConfig{MaxWait: time.Second}, [][]int{numbers(0, 10)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, outputs.Common{Workers: 1, Batch: tc.set}, nil,
					outputtest.Chunk(1, "a", "t", 3, 0, 300), outputtest.Chunk(2, "b", "t", 7, 3, 300))
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if got := r.output.Sends(); !reflect.DeepEqual(got, tc.want) {
					t.Errorf("sent %v, want %v", got, tc.want)
				}
				if got := r.source.Finished(); !reflect.DeepEqual(got, []uint64{1, 2}) {
					t.Errorf("chunks done: %v", got)
				}
				r.stop()
				r.checkLedger(t, 10)
			})
		})
	}
}

// wholeOutput wants chunks whole.
type wholeOutput struct{ *outputtest.Output }

func (wholeOutput) WholeChunks() bool { return true }

// Chunks that fit in a batch are not cut for an output that wants them whole; others begin one.
func TestWholeChunks(t *testing.T) {
	for _, tc := range []struct {
		set  outputs.BatchConfig
		want [][]int
	}{
		{outputs.BatchConfig{MaxWait: time.Second}, [][]int{numbers(0, 10)}},
		{outputs.BatchConfig{MaxEvents: 9, MaxWait: time.Second}, [][]int{numbers(0, 3), numbers(3, 10)}},
		{
			outputs.BatchConfig{MaxEvents: 5, MaxWait: time.Second},
			[][]int{numbers(0, 3), numbers(3, 8), numbers(8, 10)},
		},
		{outputs.BatchConfig{MaxBytes: 3000, MaxWait: time.Second}, [][]int{numbers(0, 3), numbers(3, 10)}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &rig{
				source: outputtest.NewBacklog(
					outputtest.Chunk(1, "a", "t", 3, 0, 300), outputtest.Chunk(2, "b", "t", 7, 3, 300),
				), output: &outputtest.Output{}, letterStore: &letterStore{},
			}
			r.startWith(t, wholeOutput{r.output}, outputs.Common{Workers: 1, Batch: tc.set})
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := r.output.Sends(); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%+v: sent %v, want %v", tc.set, got, tc.want)
			}
			r.stop()
			r.checkLedger(t, 10)
		})
	}
}

func TestMaxWaitCountsFromTheFirstEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		r := start(t, outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxWait: time.Second}}, func(
			context.Context, []int,
		) error {
			at = append(at, time.Since(begin))
			return nil
		})
		time.Sleep(10 * time.Second)
		for i := range 4 { // at 10.0, 10.4, 10.8 and 11.2 s
			r.source.Put(outputtest.Chunk(uint64(i), "a", "t", 1, i, 10))
			time.Sleep(400 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		r.stop()
		if want := []time.Duration{11 * time.Second, 12200 * time.Millisecond}; !reflect.DeepEqual(at, want) {
			t.Errorf("sent at %v, want %v", at, want)
		}
	})
}

// A destination that fails now and then is told of once in a while, and so is that it delivers again.
func TestTheLogSaysAsOftenThatItDeliversAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		r := start(t, outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxWait: time.Millisecond}}, func(
			context.Context, []int,
		) error {
			if tries++; tries%2 == 1 {
				return &outputs.SendError{Reason: outputs.ReasonThrottled, Err: errTest}
			}
			return nil
		})
		for i := range 20 {
			r.source.Put(outputtest.Chunk(uint64(i), "a", "t", 1, i, 10))
			time.Sleep(2 * time.Second)
		}
		r.stop()
		log := r.log.String()
		if failed, again := strings.Count(log, "does not take events"),
			strings.Count(log, "delivers again"); failed != 1 || again != 1 {
			t.Errorf("told %d times that it fails, and %d times that it delivers again:\n%s", failed, again, log)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		var chunks []*event.Chunk
		for i := range 20 {
			chunks = append(chunks, outputtest.Chunk(uint64(i), "a", "t", 5, 5*i, 10))
		}
		r := start(t, outputs.Common{Workers: 3, Batch: outputs.BatchConfig{MaxEvents: 5}},
			func(context.Context, []int) error {
				<-block
				return nil
			}, chunks...)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		// Three batches in flight, one that is full, and the chunk that waits for a fifth.
		if n := r.source.Out(); n > 5 {
			t.Errorf("%d chunks of one batch each are out with 3 workers", n)
		}
		if n := r.Stats().InFlight; n != 3 {
			t.Errorf("%d sends in flight, want 3", n)
		}
		close(block)
		synctest.Wait()
		r.stop()
		r.checkLedger(t, 100)
		if n := len(r.output.Got()); n != 100 {
			t.Errorf("%d events arrived, want 100", n)
		}
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, outputs.Common{Batch: outputs.BatchConfig{MaxWait: time.Millisecond}}, nil)
		synctest.Wait()
		r.Pause()
		r.source.Put(outputtest.Chunk(1, "a", "t", 3, 0, 10))
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(r.output.Sends()); n != 0 || r.Stats().PausedSince.IsZero() {
			t.Errorf("%d sends while paused", n)
		}
		r.Resume()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(r.output.Got()); n != 3 {
			t.Errorf("%d events after Resume, want 3", n)
		}
		r.Pause()
		r.source.Put(outputtest.Chunk(2, "a", "t", 3, 3, 10))
		begin := time.Now()
		r.stop()
		if d := time.Since(begin); d != 0 {
			t.Errorf("a paused loop took %v to end", d)
		}
		r.checkLedger(t, 6)
	})
}

func TestStop(t *testing.T) {
	down := &outputs.SendError{Reason: outputs.ReasonNetwork, Err: errors.New("connection refused")}
	for _, tc := range []struct {
		name   string
		onSend func(ctx context.Context, n []int) error
		least  time.Duration // that it takes
		took   time.Duration // at most
		done   int
	}{
		{"what waits for more is sent", nil, 0, 0, 1},
		{"a batch in flight may end", func(ctx context.Context, _ []int) error {
			select {
			case <-time.After(9 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, 9 * time.Second, 9 * time.Second, 1},
		{
			"one that hangs is ended", func(ctx context.Context, _ []int) error { <-ctx.Done(); return ctx.Err() },
			10 * time.Second, 10 * time.Second, 0,
		},
		{"one that fails is given back at once", func(context.Context, []int) error { return down }, 0, 0, 0},
		{"but not where some of a chunk was taken", func(_ context.Context, n []int) error {
			se := &outputs.SendError{Reason: outputs.ReasonServer, RetryAfter: 9 * time.Second, Err: errors.New("busy")}
			if len(n) > 1 {
				se.Failed = []outputs.Failure{{Index: 1}}
			}
			return se
		}, 10 * time.Second, 10 * time.Second, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, outputs.Common{Batch: outputs.BatchConfig{MaxWait: time.Minute}}, tc.onSend,
					outputtest.Chunk(1, "a", "t", 3, 0, 10))
				synctest.Wait()
				begin := time.Now()
				r.stop()
				if d := time.Since(begin); d < tc.least || d > tc.took {
					t.Errorf("took %v, want %v to %v", d, tc.least, tc.took)
				}
				if n := len(r.source.Finished()); n != tc.done {
					t.Errorf("%d chunks done, want %d", n, tc.done)
				}
				r.checkLedger(t, 3)
			})
		})
	}
}

// What is left of the grace ends at once when the program has no more time.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hurry, now := context.WithCancel(t.Context())
		source := outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", 3, 0, 10))
		output := &outputtest.Output{
			OnSend: func(ctx context.Context, _ []int) error { <-ctx.Done(); return ctx.Err() },
		}
		l := delivery.New(delivery.Options{
			Name: "test", Source: source, Output: output, DeadLetters: &letterStore{}, Grace: time.Hour, Force: hurry,
			Common: outputs.Common{Batch: outputs.BatchConfig{MaxWait: time.Millisecond}},
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		time.Sleep(time.Second)
		stop()
		time.Sleep(time.Minute)
		select {
		case <-ended:
			t.Fatal("the grace was not given")
		default:
		}
		now()
		if err := <-ended; err != nil || source.Out() != 0 || len(source.Finished()) != 0 {
			t.Errorf("%v; %d chunks in hand, %v done", err, source.Out(), source.Finished())
		}
	})
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events, size = 100, 974 + 15 + 11
		r := start(t, outputs.Common{RateLimit: 10 * size, Batch: outputs.BatchConfig{MaxWait: time.Second}}, nil,
			outputtest.Chunk(1, "a", "t", events, 0, 974))
		begin := time.Now()
		for len(r.output.Got()) < events {
			time.Sleep(10 * time.Millisecond)
		}
		if d := time.Since(begin); d < 8900*time.Millisecond || d > 11*time.Second {
			t.Errorf("100 events at 10 a second took %v", d)
		}
		r.stop()
	})
}
