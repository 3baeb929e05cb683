package kafka

import (
	"context"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// refusedTogether returns the group of a batch of n events, and err for each of its records.
func refusedTogether(t *testing.T, o *Output, n int, err error) (*group, map[*kgo.Record]error) {
	t.Helper()
	groups, refused, failure := o.render(outputtest.Batch(outputtest.Chunk(1, "a", "t", n, 0, 10)))
	if failure != nil || len(refused) > 0 || len(groups) != 1 {
		t.Fatal(failure, refused, len(groups))
	}
	errs := map[*kgo.Record]error{}
	for i := range groups[0].records {
		errs[&groups[0].records[i]] = err
	}
	return groups[0], errs
}

// TestNotSearchedToTheEnd: where a Send ends before it is known which of several records is meant, none is given up.
func TestNotSearchedToTheEnd(t *testing.T) {
	for _, refusal := range []*kerr.Error{kerr.InvalidRecord, kerr.MessageTooLarge} {
		t.Run(refusal.Message, func(t *testing.T) {
			c := newCluster(t, "logs")
			o := newOutput(t, c, nil)
			defer o.Close()
			g, errs := refusedTogether(t, o, 5, refusal)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			o.settle(ctx, g, 0, 5, errs)
			if len(g.failed) != 5 || !g.reached {
				t.Fatalf("%d failed, reached %v", len(g.failed), g.reached)
			}
			for _, f := range g.failed {
				if f.Reason != outputs.ReasonServer || f.Kind != refusal.Message {
					t.Errorf("%+v", f)
				}
			}
			if n := len(c.values("logs")); n != 0 {
				t.Errorf("%d records were sent", n)
			}
		})
	}
}

// TestSearchIsBounded: a topic that refuses one record after the other is not asked about each; but what is too large
// together is always sent in parts, which come to an end.
func TestSearchIsBounded(t *testing.T) {
	c := newCluster(t, "logs")
	o := newOutput(t, c, nil)
	defer o.Close()
	g, errs := refusedTogether(t, o, 4, kerr.InvalidRecord)
	g.tried = maxBadRequests
	o.settle(t.Context(), g, 0, 4, errs)
	if len(g.failed) != 4 || g.failed[0].Reason != outputs.ReasonTarget {
		t.Errorf("%+v", g.failed)
	}
	g, errs = refusedTogether(t, o, 4, kerr.MessageTooLarge)
	g.tried = maxBadRequests
	o.settle(t.Context(), g, 0, 4, errs)
	if len(g.failed) != 0 {
		t.Errorf("%+v", g.failed)
	}
	got := numbers(t, c.values("logs"))
	if slices.Sort(got); !slices.Equal(got, []int{0, 1, 2, 3}) {
		t.Errorf("the topic has %v", got)
	}
}

// TestLearnedLimit: what a topic refused as too large is halved, remembered, and kept to; it is never below a record.
func TestLearnedLimit(t *testing.T) {
	o := newOutput(t, newCluster(t, "logs"), nil)
	defer o.Close()
	g := &group{topic: "logs", bytes: []int{4000, 4000, 4000, 4000, 9000, 100}}
	if end := o.wave(g, 0, 6); end != 6 {
		t.Errorf("without a limit the wave ends at %d", end)
	}
	o.learn(g, 0, 4)
	for from, want := range map[int]int{0: 2, 1: 3, 3: 4, 4: 5, 5: 6} {
		if end := o.wave(g, from, 6); end != want {
			t.Errorf("from %d the wave ends at %d, want %d", from, end, want)
		}
	}
	o.learn(g, 0, 6)
	if end := o.wave(g, 0, 6); end != 2 {
		t.Errorf("a larger refusal has raised the limit: the wave ends at %d", end)
	}
	o.learn(g, 5, 6)
	if o.limits["logs"] != 1024 {
		t.Errorf("the limit is %d", o.limits["logs"])
	}
}
