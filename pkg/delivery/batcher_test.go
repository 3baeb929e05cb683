package delivery

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

func TestBatchGivesMemoryBack(t *testing.T) {
	b := &batch{events: make([]event.Event, 20*keepEvents)}
	if b.reset(); cap(b.events) < 20*keepEvents {
		t.Error("given back after a batch that needed it")
	}
	b.events = b.events[:100]
	if b.reset(); cap(b.events) != 0 {
		t.Errorf("room for %d events is kept after a batch of 100", cap(b.events))
	}
}

// testBatcher returns a batcher with batches of at most two events, and what it hands on.
func testBatcher(t *testing.T, batches int) (*batcher, chan *batch) {
	t.Helper()
	force, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	c := pacing.NewControl(time.Second)
	c.Drain, c.Force = force, force
	set := outputs.Common{Batch: outputs.BatchConfig{MaxEvents: 2, MaxBytes: 1 << 20, MaxWait: time.Minute}}
	ready := make(chan *batch, batches)
	b := &batcher{set: &set, control: c, clock: new(pauseClock), free: make(chan *batch, batches), ready: ready}
	for range batches {
		b.free <- new(batch)
	}
	return b, ready
}

// Each event of a batch has a reference to its chunk by the time that the batch is handed on, and the batch's list has
// the chunks in the events' order.
func TestBatcherSharesReferences(t *testing.T) {
	b, ready := testBatcher(t, 4)
	source := &sourceLog{}
	one, two := source.ref("one", 3), source.ref("two", 1)
	for range 3 {
		b.put(one, &event.Event{Chunk: one.chunk})
	}
	b.share()
	two.acquire(1, 1)
	if _, memory := b.slot(5); memory == nil {
		t.Fatal("no memory for an event")
	}
	b.add(two, true, 5)
	for i, want := range [][]*chunkRef{{one}, {one, two}} {
		got := <-ready
		if !reflect.DeepEqual(got.refs, want) || len(got.events) != 2 {
			t.Errorf("batch %d has %d events of %v", i, len(got.events), got.refs)
		}
	}
	if one.refs != 4 || two.refs != 2 {
		t.Errorf("%d and %d references, want 4 and 2 with the feeder's own", one.refs, two.refs)
	}
}

func TestBatcherFits(t *testing.T) {
	b, _ := testBatcher(t, 2)
	ref := (&sourceLog{}).ref("c", 1)
	if !b.fits(&event.Chunk{Events: 3}) {
		t.Error("an empty batch is flushed for what no batch can hold")
	}
	b.put(ref, &event.Event{Chunk: ref.chunk})
	if !b.fits(&event.Chunk{Events: 1}) || b.fits(&event.Chunk{Events: 2}) ||
		b.fits(&event.Chunk{Events: 1, Entries: make([]byte, 1<<20)}) {
		t.Error("what a batch of two events and a MiB has room for")
	}
}

// At the end nothing comes in any more, though all batches are in use.
func TestBatcherEnds(t *testing.T) {
	b, ready := testBatcher(t, 1)
	ref := (&sourceLog{}).ref("c", 3)
	force, cancel := context.WithCancel(t.Context())
	b.control.Force = force
	for range 2 {
		b.put(ref, &event.Event{Chunk: ref.chunk})
	}
	<-ready
	cancel()
	if b.put(ref, &event.Event{Chunk: ref.chunk}) {
		t.Error("put into a batch that there is not")
	}
}
