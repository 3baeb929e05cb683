package router

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/memory"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// fakeQueue answers commits as told.
type fakeQueue struct {
	buffer.Queue
	repeated buffer.Duplicates
	tooLarge int
	err      error
}

type fakeBatch struct {
	buffer.Batch
	q *fakeQueue
}

func (q *fakeQueue) NewBatch(uint64) buffer.Batch { return fakeBatch{q: q} }
func (b fakeBatch) Begin(buffer.Message)          {}
func (b fakeBatch) Add([]byte, int, bool) int     { return b.q.tooLarge }
func (b fakeBatch) Reject([]byte, int, string)    {}
func (b fakeBatch) Commit(context.Context) error  { return b.q.err }
func (b fakeBatch) Repeated() buffer.Duplicates   { return b.q.repeated }
func (q *fakeQueue) Settle(uint64, int, bool)     {}
func (b fakeBatch) Abandon()                      {}
func (b fakeBatch) Reset()                        {}

// What is counted of a cluster adds up with each commit, and no counter is lower than it was: what was sent again is in
// none of the others for a moment.
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
	in := New(q, Rules{Routes: routes, Clusters: registry, keepUnrouted: true}, time.Now, zerolog.Nop())
	b := in.NewBatch(1)
	var before Tally
	for _, tc := range []struct {
		name     string
		repeated buffer.Duplicates
		tooLarge int
		err      error
		want     Tally // in sum
	}{
		{"new", buffer.Duplicates{}, 0, nil, Tally{Events: 13, Routed: 10}},
		{
			"all sent again", buffer.Duplicates{
				Messages: 1, Events: 13, Rejected: map[string]int64{"invalid_entry": 3},
			}, 0, nil, Tally{Events: 26, Routed: 10, Repeated: 13},
		},
		{
			"a part sent again", buffer.Duplicates{
				Messages: 1, Events: 4, Rejected: map[string]int64{"invalid_entry": 1},
			}, 0, nil, Tally{Events: 39, Routed: 17, Repeated: 17},
		},
		{"not stored", buffer.Duplicates{}, 0, errors.New("full"), Tally{Events: 39, Routed: 17, Repeated: 17}},
		{"new again", buffer.Duplicates{}, 0, nil, Tally{Events: 52, Routed: 27, Repeated: 17}},
		{"two are too large", buffer.Duplicates{}, 2, nil, Tally{Events: 65, Routed: 35, Repeated: 17}},
	} {
		q.repeated, q.tooLarge, q.err = tc.repeated, tc.tooLarge, tc.err
		b.Begin(cluster.Default, "kube.x", "c")
		b.Add(nil, 10, false)
		b.Reject(nil, 3, "invalid_entry")
		if err := b.Commit(t.Context()); !errors.Is(err, tc.err) {
			t.Fatal(err)
		}
		got := in.Snapshot()[cluster.Default]
		if got.Events != tc.want.Events || got.Routed != tc.want.Routed || got.Repeated != tc.want.Repeated ||
			got.Events != got.Routed+got.Repeated+got.Dead["invalid_entry"]+got.Dead["too_large"] {
			t.Errorf("%s: %+v", tc.name, got)
		}
		if got.Routed < before.Routed || got.Repeated < before.Repeated ||
			got.Dead["invalid_entry"] < before.Dead["invalid_entry"] {
			t.Errorf("%s: a counter fell: %+v, before %+v", tc.name, got, before)
		}
		before = *got
	}
}

// newMemoryQueue returns a queue that ends with the process.
func newMemoryQueue(t *testing.T) buffer.Queue {
	t.Helper()
	cfg := buffer.Config{
		Path: t.TempDir(), SegmentSize: 1 << 20, MaxSize: 1 << 30, WhenFull: "block", Compression: "s2",
	}
	queue, err := memory.Open(cfg, buffer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

// eventOf is an event of a text.
func eventOf(text string) []byte {
	record := append([]byte{0x81, 0xa3, 'l', 'o', 'g', 0xa0 | byte(len(text))}, text...)
	return event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: 5}), nil, record)
}

// TestRouterCounts has each event of a message in one place: routed, dropped by a rule, or dead for a reason. What was
// abandoned is in none.
func TestRouterCounts(t *testing.T) {
	cfg, err := config.Parse("test.yaml", []byte(`
clusters:
  - {name: seoul, shared_key: k, tags: ["kube.**"]}
  - {name: osaka, shared_key: l}
routes: [{match: "kube.**", outputs: [out]}]
outputs: {out: {type: stdout}}
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	routes, registry, err := routing.Arrival(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name         string
		cluster, tag string
		keepUnrouted bool
		do           func(b ingest.Batch)
		want         Tally
		log          string
	}{
		{
			"a tag that a route takes", "seoul", "kube.a", true, func(b ingest.Batch) { b.Add(eventOf("x"), 1, true) },
			Tally{Messages: 1, Events: 1, Routed: 1, Bytes: 18},
			"",
		},
		{
			"a tag that the cluster may not send", "seoul", "host.a", true,
			func(b ingest.Batch) { b.Add(eventOf("x"), 1, true) },
			Tally{Messages: 1, Events: 1, Bytes: 18, Dead: map[string]uint64{"tag_not_allowed": 1}},
			"tag_not_allowed",
		},
		{
			"a tag that no route takes, kept", "osaka", "host.a", true,
			func(b ingest.Batch) { b.Add(eventOf("x"), 1, true) },
			Tally{Messages: 1, Events: 1, Bytes: 18, Dead: map[string]uint64{"unrouted": 1}},
			"unrouted",
		},
		{
			"a tag that no route takes, dropped", "osaka", "host.a", false,
			func(b ingest.Batch) { b.Add(eventOf("x"), 1, true) },
			Tally{Messages: 1, Events: 1, Bytes: 18, Dropped: map[string]uint64{"unrouted": 1}},
			"",
		},
		{
			"what is no event", "osaka", "kube.a", true,
			func(b ingest.Batch) { b.Reject([]byte{5}, 1, "invalid_entry") },
			Tally{Messages: 1, Events: 1, Bytes: 1, Dead: map[string]uint64{"invalid_entry": 1}},
			"invalid_entry",
		},
		{
			"metrics", "osaka", "kube.a", true, func(b ingest.Batch) { b.Drop(1, "metrics") },
			Tally{Messages: 1, Events: 1, Dropped: map[string]uint64{"metrics": 1}},
			"",
		},
		{
			"a message that was broken", "osaka", "kube.a", true, func(b ingest.Batch) {
				b.Add(eventOf("x"), 1, true)
				b.Abandon()
			}, Tally{}, "",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			queue := newMemoryQueue(t)
			var log bytes.Buffer
			r := Rules{Routes: routes, Clusters: registry, keepUnrouted: tc.keepUnrouted}
			in := New(queue, r, time.Now, zerolog.New(&log))
			in.Gone(1)
			b := in.NewBatch(1)
			b.From("192.0.2.1", "node")
			b.Begin(tc.cluster, tc.tag, "")
			tc.do(b)
			if len(b.Doubts()) > 0 {
				t.Error("it asks for others")
			}
			if err := b.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := in.Snapshot()[tc.cluster]
			if got == nil {
				got = NewTally(tc.cluster)
			}
			w := tc.want
			if got.Messages != w.Messages || got.Events != w.Events || got.Routed != w.Routed || got.Bytes != w.Bytes ||
				!maps.Equal(got.Dropped, w.Dropped) || !maps.Equal(got.Dead, w.Dead) {
				t.Errorf("got %+v, want %+v", got, w)
			}
			if (tc.log == "") != (log.Len() == 0) || !strings.Contains(log.String(), tc.log) {
				t.Errorf("the log: %s", &log)
			}
			if err := queue.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
