package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// fakeQueue answers commits as told.
type fakeQueue struct {
	buffer.Queue
	repeated buffer.Duplicates
	err      error
}

type fakeBatch struct {
	buffer.Batch
	q *fakeQueue
}

func (q *fakeQueue) NewBatch(uint64) buffer.Batch { return fakeBatch{q: q} }
func (b fakeBatch) Begin(buffer.Message)          {}
func (b fakeBatch) Add([]byte, int, bool)         {}
func (b fakeBatch) Reject([]byte, int, string)    {}
func (b fakeBatch) Commit(context.Context) error  { return b.q.err }
func (b fakeBatch) Repeated() buffer.Duplicates   { return b.q.repeated }
func (q *fakeQueue) Settle(uint64, int, bool)     {}
func (b fakeBatch) Abandon()                      {}
func (b fakeBatch) Reset()                        {}

// What is counted of a cluster adds up with each commit, and no counter is lower than it was: what was sent again is in none
// of the others for a moment.
func TestIngestCountersOnlyGrow(t *testing.T) {
	cfg, err := config.Defaults(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	routes, err := route.New(cfg.Routes)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := routing.NewRegistry(cfg)
	if err != nil {
		t.Fatal(err)
	}
	q := &fakeQueue{}
	in := newRouter(q, routes, registry, true, false, time.Now, zerolog.Nop())
	b := in.NewBatch(1)
	var before tally
	for _, tc := range []struct {
		name     string
		repeated buffer.Duplicates
		err      error
		want     tally // in sum
	}{
		{"new", buffer.Duplicates{}, nil, tally{events: 13, routed: 10}},
		{"all sent again", buffer.Duplicates{Messages: 1, Events: 13, Rejected: map[string]int64{"invalid_entry": 3}}, nil, tally{events: 26, routed: 10, repeated: 13}},
		{"a part sent again", buffer.Duplicates{Messages: 1, Events: 4, Rejected: map[string]int64{"invalid_entry": 1}}, nil, tally{events: 39, routed: 17, repeated: 17}},
		{"not stored", buffer.Duplicates{}, errors.New("full"), tally{events: 39, routed: 17, repeated: 17}},
		{"new again", buffer.Duplicates{}, nil, tally{events: 52, routed: 27, repeated: 17}},
	} {
		b.Begin(cluster.Default, "kube.x", "c")
		b.Add(nil, 10, false)
		b.Reject(nil, 3, "invalid_entry")
		q.repeated, q.err = tc.repeated, tc.err
		if err := b.Commit(t.Context()); !errors.Is(err, tc.err) {
			t.Fatal(err)
		}
		got := in.snapshot()[cluster.Default]
		if got.events != tc.want.events || got.routed != tc.want.routed || got.repeated != tc.want.repeated || got.events != got.routed+got.repeated+got.dead["invalid_entry"] {
			t.Errorf("%s: %+v", tc.name, got)
		}
		if got.routed < before.routed || got.repeated < before.repeated || got.dead["invalid_entry"] < before.dead["invalid_entry"] {
			t.Errorf("%s: a counter fell: %+v, before %+v", tc.name, got, before)
		}
		before = *got
	}
}
