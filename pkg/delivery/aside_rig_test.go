package delivery_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// indices is a destination with an index for each remainder of the events' numbers.
type indices struct {
	n      int
	mu     sync.Mutex
	closed map[int]bool
	got    map[int]int // by number
	order  map[int][]int
	tags   map[int]string
	ids    map[int]string
	sends  int
	events int
}

func newIndices(n int) *indices {
	return &indices{
		n: n, closed: map[int]bool{}, got: map[int]int{}, order: map[int][]int{}, tags: map[int]string{},
		ids: map[int]string{},
	}
}

func (o *indices) Close() error { return nil }

func (o *indices) AppendTarget(dst []byte, ev *event.Event) []byte {
	return strconv.AppendInt(append(dst, 'i'), int64(outputtest.Number(ev)%o.n), 10)
}

func (o *indices) set(index int, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed[index] = closed
}

func (o *indices) Send(_ context.Context, b *outputs.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sends++
	se := &outputs.SendError{Reason: outputs.ReasonTarget, Err: errTest}
	for i := range b.Events {
		o.events++
		n := outputtest.Number(&b.Events[i])
		target := string(o.AppendTarget(nil, &b.Events[i]))
		b.CountSent(target, &b.Events[i])
		if o.closed[n%o.n] {
			se.Failed = append(se.Failed, outputs.Failure{
				Index: i, Reason: outputs.ReasonTarget, Status: 400, Kind: "index_closed_exception", Target: target,
			})
			continue
		}
		o.got[n]++
		o.order[n%o.n] = append(o.order[n%o.n], n)
		o.tags[n], o.ids[n] = b.Events[i].DeliveredTag(), string(b.Events[i].AppendID(nil))
	}
	if len(se.Failed) > 0 {
		return se
	}
	return nil
}

// room is where events of a backlog wait.
type room struct{ *outputtest.Backlog }

func (r room) Waiting(target string) delivery.Source { return r.Backlog.Waiting(target) }

// asideRig is a loop whose events may wait aside.
type asideRig struct {
	*delivery.Loop
	source *outputtest.Backlog
	output *indices
	dead   *letterStore
	stop   func()
}

func (r *asideRig) start(t *testing.T, set outputs.Common, rules *rules.Rules) {
	t.Helper()
	if set.Batch.MaxWait == 0 {
		set.Batch.MaxWait = 100 * time.Millisecond
	}
	r.Loop = delivery.New(delivery.Options{
		Name: "test", Source: r.source, Aside: room{r.source}, Output: r.output, DeadLetters: r.dead, Rules: rules,
		Common: set, Log: zerolog.Nop(), Previous: r.Loop,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := r.source.Out(); n > 0 {
			t.Errorf("the loop ended with %d chunks in hand", n)
		}
	}
}

func newAside(t *testing.T, indices int, set outputs.Common) *asideRig {
	t.Helper()
	r := &asideRig{source: outputtest.NewBacklog(), output: newIndices(indices), dead: &letterStore{}}
	r.start(t, set, nil)
	return r
}

// check compares what arrived, is dead and waits with the number of events.
func (r *asideRig) check(t *testing.T, events, waiting int) {
	t.Helper()
	r.output.mu.Lock()
	defer r.output.mu.Unlock()
	for n, times := range r.output.got {
		if times != 1 {
			t.Errorf("event %d was delivered %d times", n, times)
		}
	}
	if n := r.source.Events(); n != waiting {
		t.Errorf("%d events wait, want %d", n, waiting)
	}
	dead := 0
	for _, n := range r.dead.dead {
		dead += n
	}
	if n := len(r.output.got); n+dead+waiting != events {
		t.Errorf("%d of %d events arrived, %d are dead, %d wait", n, events, dead, waiting)
	}
	counted := uint64(0)
	for _, c := range r.Stats().Clusters {
		counted += c.Delivered
		for _, n := range c.Dead {
			counted += n
		}
	}
	if int(counted)+waiting != events {
		t.Errorf("%d events are counted, and %d wait, of %d", counted, waiting, events)
	}
}
