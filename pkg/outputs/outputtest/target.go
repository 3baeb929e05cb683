package outputtest

import (
	"slices"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Targets checks what becomes of the events of a target in trouble, and of others, for outputs whose Contract has one
// target only. setup returns a new, empty destination.
func Targets(t *testing.T, setup func(t *testing.T) *Destination) {
	t.Helper()
	d := setup(t)
	checkTrouble(t, d)
	if err := d.Output.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// checkOneTarget checks that the events of several clusters and tags go to one target.
func checkOneTarget(t *testing.T, d *Destination) {
	t.Helper()
	b := Batch(Chunk(1, "a", "t", 1, 0, 10), Chunk(2, "b", "u", 1, 1, 10))
	send(t, d, b)
	for _, s := range b.Sent {
		if s.Target != b.Sent[0].Target {
			t.Errorf("there are several targets, and none is tried in trouble: %v", b.Sent)
		}
	}
}

// checkTrouble checks that a target in trouble keeps nobody else's events, that its own are named with what to do, and
// that they are delivered once it works again.
func checkTrouble(t *testing.T, d *Destination) {
	t.Helper()
	d.Trouble(true)
	b := Batch(Chunk(1, "a", "t", 3, 0, 10), Chunk(2, "b", "u", 3, 3, 10), Chunk(3, "a", "t", 3, 6, 10))
	for range 2 {
		se := outputs.AsSendError(d.Output.Send(t.Context(), b))
		if len(se.Failed) != 3 {
			t.Fatalf("%d events are named, want 3: %v", len(se.Failed), se)
		}
		again := &outputs.Batch{Again: true}
		for i := range se.Failed {
			f := &se.Failed[i]
			ev := &b.Events[f.Index]
			if f.Reason != outputs.ReasonTarget || f.Target == "" || f.Kind == "" || f.Remedy == "" ||
				ev.Chunk.Cluster != "b" {
				t.Errorf("the event of cluster %s failed so: %+v", ev.Chunk.Cluster, *f)
			}
			again.Events = append(again.Events, *ev)
		}
		// Alone they are named as well: their target's trouble is not the output's.
		b = again
	}
	d.Trouble(false)
	send(t, d, b)
	got := d.Numbers(t)
	if slices.Sort(got); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("the destination has %v", got)
	}
}
