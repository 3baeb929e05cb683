package delivery

import (
	"reflect"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// pooled returns work of so many events of the cluster, which have failed.
func pooled(s *sourceLog, cluster string, events, size int) *work {
	ref := s.ref(cluster, events)
	ref.acquire(events, 0)
	ref.walked(outcome.Delivered(), 0)
	w := &work{refs: []*chunkRef{ref}}
	for i := range events {
		w.events = append(w.events, event.Event{Chunk: ref.chunk, Pos: i, Record: make([]byte, size)})
		w.last.why = append(w.last.why, fate{reason: outputs.ReasonServer})
	}
	return w
}

func testPool(source Source) *retryPool {
	batch := outputs.BatchConfig{MaxBytes: 1 << 20, MaxEvents: 1000}
	return newRetryPool(source, &outputs.Common{Workers: 2, Batch: batch})
}

// A cluster with more than half a batch in the pool is throttled until it has less.
func TestPoolThrottlesWhoHasMuch(t *testing.T) {
	s := &sourceLog{}
	p := testPool(s)
	small, large := p.take(pooled(s, "small", 1, 10)), p.take(pooled(s, "large", 10, 60<<10))
	if got := p.throttled(); !reflect.DeepEqual(got, []string{"large"}) {
		t.Fatalf("throttled: %v", got)
	}
	large[0].settle(outcome.Delivered())
	if got := p.throttled(); len(got) > 0 || len(p.shares) != 1 {
		t.Errorf("throttled after all was settled: %v; %d shares", got, len(p.shares))
	}
	small[0].settle(outcome.Delivered())
	want := []string{
		"shed small", "hold large", "shed large", "release large", "counted large", "done large",
		"counted small", "done small",
	}
	if !reflect.DeepEqual(s.said, want) || p.bytes != 0 || len(p.shares) != 0 {
		t.Errorf("%v, and %d bytes in the pool", s.said, p.bytes)
	}
}

// Without room, chunks that nothing is settled of go back to the source, and others stay with the caller.
func TestPoolIsBounded(t *testing.T) {
	s := &sourceLog{}
	p := testPool(s)
	for p.bytes < p.limit-100<<10 {
		p.take(pooled(s, "a", 1, 90<<10))
	}
	s.said = nil
	untouched := pooled(s, "a", 4, 90<<10)
	if items := p.take(untouched); len(items) != 0 || !reflect.DeepEqual(s.said, []string{"returned a"}) {
		t.Errorf("%d items, and the source heard %v", len(items), s.said)
	}
	for {
		w := pooled(s, "a", 5, 90<<10)
		w.refs[0].settle(outcome.Delivered(), 1, 0, 1) // so it would be doubled
		w.events, w.last.why = w.events[1:], w.last.why[1:]
		if p.take(w) == nil {
			if len(w.events) != 4 {
				t.Errorf("%d events are left with the caller, want 4", len(w.events))
			}
			break
		}
	}
	if p.bytes > p.most {
		t.Errorf("%d bytes in a pool for %d", p.bytes, p.most)
	}
}

// What is paced, what failed and what was not tried is sent again apart, by target where the output says so.
func TestItems(t *testing.T) {
	s := &sourceLog{}
	w := pooled(s, "a", 6, 10)
	w.last.backoff, w.last.pace, w.tries, w.fails = 7, 3, 2, 2
	w.last.before = attempts{1, 1}
	copy(w.last.why, []fate{
		{reason: outputs.ReasonServer},
		{reason: outputs.ReasonPaced},
		{reason: outputs.ReasonThrottled},
		{reason: outputs.ReasonServer, untried: true},
		{reason: outputs.ReasonServer, target: "x"},
		{reason: outputs.ReasonPaced, flight: true},
	})
	type shape struct {
		events, tries int
		wait          int
		flight        bool
	}
	var got []shape
	for _, item := range w.items() {
		got = append(got, shape{len(item.events), item.tries, int(item.last.wait), item.last.flight})
	}
	want := []shape{{2, 2, 7, false}, {1, 2, 3, false}, {1, 1, 7, false}, {1, 2, 7, false}, {1, 2, 3, true}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
