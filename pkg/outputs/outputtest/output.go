package outputtest

import (
	"context"
	"sync"

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
