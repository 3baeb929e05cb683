package snapshot_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

func TestLedger(t *testing.T) {
	yes, no := new(true), new(false)
	resting := snapshot.Snapshot{
		Clusters: []snapshot.Cluster{
			{
				Name: "a", ReceivedEvents: 10, StoredEvents: 5, DuplicateEvents: 2, Dropped: snapshot.Counts{"x": 1},
				Dead: snapshot.Counts{"y": 1, "z": 1},
			},
		},
		Outputs: []snapshot.Output{
			{
				Name: "o",
				Clusters: []snapshot.OutputCluster{
					{
						Cluster: "a", Queued: 5, Recovered: 5, Delivered: 4, Dropped: snapshot.Counts{"x": 3},
						Dead: snapshot.Counts{"y": 2}, Pending: 1,
					},
				},
			},
		},
	}
	for _, tc := range []struct {
		name           string
		change         func(s *snapshot.Snapshot)
		ingest, output snapshot.Balance
	}{
		{"balanced", func(*snapshot.Snapshot) {}, snapshot.Balance{0, yes}, snapshot.Balance{0, yes}},
		{
			"lost", func(s *snapshot.Snapshot) { s.Clusters[0].StoredEvents--; s.Outputs[0].Clusters[0].Delivered-- },
			snapshot.Balance{1, no},
			snapshot.Balance{1, no},
		},
		{
			"doubled", func(s *snapshot.Snapshot) { s.Clusters[0].Dead["y"]++; s.Outputs[0].Clusters[0].Pending += 2 },
			snapshot.Balance{-1, no},
			snapshot.Balance{-2, no},
		},
	} {
		s := func() *snapshot.Snapshot {
			s := resting
			s.Clusters = []snapshot.Cluster{resting.Clusters[0]}
			s.Clusters[0].Dead = snapshot.Counts{"y": 1, "z": 1}
			s.Outputs = []snapshot.Output{
				{Name: "o", Clusters: []snapshot.OutputCluster{resting.Outputs[0].Clusters[0]}},
			}
			tc.change(&s)
			return &s
		}
		check := func(step string, s *snapshot.Snapshot, ingest, output snapshot.Balance) {
			if got := s.Ledger.Ingest[0].Balance; !reflect.DeepEqual(got, ingest) {
				t.Errorf("%s, %s: ingest %+v, want %+v", tc.name, step, got, ingest)
			}
			if got := s.Ledger.Outputs[0].Balance; !reflect.DeepEqual(got, output) {
				t.Errorf("%s, %s: output %+v, want %+v", tc.name, step, got, output)
			}
		}
		first, second, moved := s(), s(), s()
		first.Derive(nil, nil)
		check("first", first, snapshot.Balance{tc.ingest.Difference, nil}, snapshot.Balance{tc.output.Difference, nil})
		second.Derive(nil, first)
		check("at rest", second, tc.ingest, tc.output)
		moved.Clusters[0].ReceivedEvents += 7
		moved.Outputs[0].Clusters[0].Queued += 7
		moved.Derive(nil, second)
		check("moving", moved, snapshot.Balance{tc.ingest.Difference + 7, nil},
			snapshot.Balance{tc.output.Difference + 7, nil})
	}
}

func TestRates(t *testing.T) {
	at := time.Unix(1000, 0)
	before := snapshottest.Program(at, 1000)
	before.At = at
	now := snapshottest.Program(at, 3000)
	now.At = at.Add(4 * time.Second)
	now.Derive(&before, nil)
	if c := now.Clusters[0]; c.EventsPerSecond != 500 || c.BytesPerSecond != 150_000 {
		t.Errorf("cluster: %v events/s, %v bytes/s", c.EventsPerSecond, c.BytesPerSecond)
	}
	if o := now.Outputs[0]; o.EventsPerSecond != 250 {
		t.Errorf("output: %v events/s", o.EventsPerSecond)
	}
	back := snapshottest.Program(at, 0) // a counter that fell is none that was negative
	back.At = at.Add(4 * time.Second)
	back.Derive(&before, nil)
	if r := back.Clusters[0].EventsPerSecond; r != 0 {
		t.Errorf("%v events/s after a counter fell", r)
	}
}

// An output of which filters drop half catches up by what they drop, too.
func TestDropsCatchUp(t *testing.T) {
	at := time.Unix(1000, 0)
	output := func(queued, delivered, dropped, dead, pending uint64) *snapshot.Snapshot {
		o := snapshot.Output{Name: "es", Clusters: []snapshot.OutputCluster{{
			Cluster: "a", Queued: queued, Delivered: delivered, Dropped: snapshot.Counts{"filter": dropped},
			Dead: snapshot.Counts{"rejected": dead}, Pending: pending,
		}}}
		return &snapshot.Snapshot{Taken: snapshot.Taken{At: at}, Outputs: []snapshot.Output{o}}
	}
	before, now := output(1000, 0, 0, 0, 1000), output(1100, 90, 100, 10, 900)
	now.At = at.Add(time.Second)
	now.Derive(before, nil)
	if o := now.Outputs[0]; o.EventsPerSecond != 90 || o.DoneIn == nil || *o.DoneIn != 9 {
		t.Errorf("90 delivered, 100 dropped and 10 dead of 100 that came: %v events/s, done in %v", o.EventsPerSecond,
			o.DoneIn)
	}
}

// Rates come from the time that has passed, whatever the clock was set to meanwhile.
func TestRatesWhenTheClockIsSet(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"not at all": 0, "a year back": -8760 * time.Hour, "an hour back": -time.Hour, "an hour ahead": time.Hour,
		"a year ahead": 8760 * time.Hour,
		"to 1970":      -time.Duration(time.Now().UnixNano()), "to 2106": time.Until(time.Unix(1<<32, 0)),
	} {
		at := time.Now()
		before, now := snapshottest.Program(at, 100), snapshottest.Program(at, 600)
		before.At, before.Time = at, at
		now.At, now.Time = at.Add(2*time.Second), at.Add(jump).Add(2*time.Second)
		now.Derive(&before, nil)
		if r := now.Clusters[0].EventsPerSecond; r != 250 {
			t.Errorf("the clock was set %s: %v events/s", name, r)
		}
	}
}
