package outputtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Destination is an output under test and what it writes to.
type Destination struct {
	Output outputs.Output
	// Numbers returns the n of every event that the destination has, in its order.
	Numbers func(t *testing.T) []int
	// Break makes the destination fail, from the given number of accepted bytes on or as near to
	// that as it can, until Repair.
	Break  func(after int)
	Repair func()
	// Trouble has the destination refuse, or take again, what goes to the target of cluster "b" and tag "u" for
	// the target's state, and no others. nil: all events go to one target.
	Trouble func(on bool)
	// Secret is in the configuration of the output; no error may show it. "" where it has none.
	Secret string
}

// Contract checks what every output promises. setup returns a new, empty destination.
func Contract(t *testing.T, setup func(t *testing.T) *Destination) {
	t.Helper()
	run := func(name string, check func(t *testing.T, d *Destination)) {
		t.Run(name, func(t *testing.T) {
			d := setup(t)
			check(t, d)
			if err := d.Output.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	run("accepted", func(t *testing.T, d *Destination) {
		t.Helper()
		send(t, d, Batch(Chunk(1, "a", "t", 3, 0, 10), Chunk(2, "a", "t", 2, 3, 10)))
		send(t, d, Batch(Chunk(3, "a", "t", 5, 5, 10)))
		wantNumbers(t, d, 10)
	})
	run("tags that filters have changed", func(t *testing.T, d *Destination) {
		t.Helper()
		b := Batch(Chunk(1, "a", "t", 6, 0, 10))
		for i := range b.Events {
			b.Events[i].Tag = []string{"", "web.b", "web.c"}[i%3]
		}
		send(t, d, b)
		got := d.Numbers(t)
		if slices.Sort(got); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) {
			t.Errorf("the destination has %v", got)
		}
	})
	run("empty batch", func(t *testing.T, d *Destination) {
		t.Helper()
		send(t, d, &outputs.Batch{})
		wantNumbers(t, d, 0)
	})
	run("batch is left as it was", func(t *testing.T, d *Destination) {
		t.Helper()
		c := Chunk(1, "a", "t", 50, 0, 100)
		before, b := string(c.Entries), Batch(c)
		send(t, d, b)
		for i := range b.Events {
			if Number(&b.Events[i]) != i {
				t.Fatalf("event %d of the batch is now %d", i, Number(&b.Events[i]))
			}
		}
		if string(c.Entries) != before {
			t.Error("Send changed the chunk's bytes")
		}
	})
	run("nothing of a batch is kept", func(t *testing.T, d *Destination) {
		t.Helper()
		c := Chunk(1, "a", "t", 50, 0, 100)
		b := Batch(c)
		send(t, d, b)
		clear(c.Entries)
		clear(b.Events)
		send(t, d, Batch(Chunk(2, "a", "t", 50, 50, 100)))
		wantNumbers(t, d, 100)
	})
	faults(run)
}

// faults are the rows of the suite in which the destination, or the caller, does not do what it should.
func faults(run func(name string, check func(t *testing.T, d *Destination))) {
	run("cancelled before", func(t *testing.T, d *Destination) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b := Batch(Chunk(1, "a", "t", 10, 0, 10))
		again := failed(t, d, d.Output.Send(ctx, b), b)
		send(t, d, again)
		wantNumbers(t, d, 10)
	})
	run("one target refuses, then works", func(t *testing.T, d *Destination) {
		t.Helper()
		if d.Trouble == nil {
			checkOneTarget(t, d)
			return
		}
		checkTrouble(t, d)
	})
	for _, after := range []int{0, 1, 500, 300_000, 1_000_000} {
		run("fails, then works", func(t *testing.T, d *Destination) {
			t.Helper()
			send(t, d, Batch(Chunk(1, "a", "t", 10, 0, 10)))
			d.Break(after)
			b := Batch(Chunk(2, "a", "t", 2500, 10, 500))
			for range 3 {
				b.Sent = nil
				err := d.Output.Send(t.Context(), b)
				if se := outputs.AsSendError(err); err == nil || len(se.Failed) > 0 {
					checkSent(t, d, b)
				}
				if err == nil {
					t.Fatalf("a destination that breaks after %d bytes took more", after)
				}
				b = failed(t, d, err, b)
			}
			d.Repair()
			send(t, d, b)
			wantNumbers(t, d, 2510)
		})
	}
}

func send(t *testing.T, d *Destination, b *outputs.Batch) {
	t.Helper()
	b.Sent = nil
	if err := d.Output.Send(t.Context(), b); err != nil {
		t.Fatalf("Send: %v", err)
	}
	checkSent(t, d, b)
}

// checkSent checks that each event of b is said to go to its target, once.
func checkSent(t *testing.T, d *Destination, b *outputs.Batch) {
	t.Helper()
	targeter, ok := d.Output.(outputs.Targeter)
	if !ok {
		t.Fatalf("%T does not name targets", d.Output)
	}
	want, got := map[string]int{}, map[string]int{}
	for i := range b.Events {
		want[string(targeter.AppendTarget(nil, &b.Events[i]))]++
	}
	for _, s := range b.Sent {
		got[s.Target] += s.Events
	}
	if !maps.Equal(got, want) {
		t.Errorf("the events went to %v, want %v", got, want)
	}
}

// failed returns the events of b that err says are to be sent again.
func failed(t *testing.T, d *Destination, err error, b *outputs.Batch) *outputs.Batch {
	t.Helper()
	if err == nil {
		t.Fatal("Send returned nil where nothing can have been delivered")
	}
	if d.Secret != "" && strings.Contains(err.Error(), d.Secret) {
		t.Errorf("the error shows the secret: %v", err)
	}
	var se *outputs.SendError
	if !errors.As(err, &se) {
		t.Fatalf("%T is no *outputs.SendError: %v", err, err)
	}
	if len(se.Failed) == 0 {
		if se.Reason.Final() {
			t.Errorf("events are given up for the destination's failure: %v", err)
		}
		return b
	}
	again := &outputs.Batch{}
	last := -1
	targeter, _ := d.Output.(outputs.Targeter)
	for _, f := range se.Failed {
		if want := string(targeter.AppendTarget(nil, &b.Events[f.Index])); f.Target != want {
			t.Errorf("event %d failed for the target %q, want %q", f.Index, f.Target, want)
		}
		if f.Index <= last || f.Index >= len(b.Events) || f.Reason.Final() {
			t.Fatalf("failure %+v after index %d of %d events", f, last, len(b.Events))
		}
		last = f.Index
		again.Events = append(again.Events, b.Events[f.Index])
	}
	return again
}

// wantNumbers checks that the destination has the events 0 to n-1, each once and in order.
func wantNumbers(t *testing.T, d *Destination, n int) {
	t.Helper()
	got := d.Numbers(t)
	if len(got) != n {
		t.Errorf("the destination has %d events, want %d", len(got), n)
	}
	for i := range min(n, len(got)) {
		if got[i] != i {
			t.Fatalf("event %d of the destination is %d", i, got[i])
		}
	}
}

// Broken returns an event that no output can render: its record is cut short.
func Broken(c *event.Chunk) event.Event {
	return event.Event{Chunk: c, Record: []byte{0x81, 0xa1}}
}
