package deadletters

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/memory"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// now is long after the letters were refused.
var now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// newStore returns the dead letters of a queue in memory, under a configuration.
func newStore(t *testing.T, letters ...deadletter.Letter) (Store, buffer.Queue) {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte(`
clusters: [{name: seoul, shared_key: k, tags: ["kube.**"]}, {name: osaka, shared_key: l}]
routes: [{match: "kube.**", outputs: [pods]}]
outputs: {pods: {type: stdout}, other: {type: stdout}}
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	routes, clusters, err := routing.Arrival(cfg)
	if err != nil {
		t.Fatal(err)
	}
	queue, err := memory.Open(buffer.Config{
		Path: t.TempDir(), SegmentSize: 1 << 20, MaxSize: 1 << 30, WhenFull: "block", Compression: "s2",
		DeadLetters: deadletter.Config{MaxSize: 1 << 30},
	}, buffer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := queue.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := queue.DeadLetters().Add(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
	return Store{
		Queue: queue, Config: func() *config.Config { return cfg }, Now: func() time.Time { return now },
		Log:   zerolog.Nop(),
		Rules: func() Rules { return Rules{Routes: routes, Clusters: clusters} },
	}, queue
}

func letter(output, cluster, tag, reason, text string) deadletter.Letter {
	return deadletter.Letter{
		Output: output, Cluster: cluster, Tag: tag, Reason: reason, Detail: text, Attempts: 1, Events: 1,
		Entry: entryOf(text),
	}
}

// some is letters of every kind: refused by an output, by one that is not configured any more, and before any.
func some() []deadletter.Letter {
	raw := letter("", "osaka", "kube.a", "invalid_entry", "raw")
	raw.Entry = []byte{0xc1, 1}
	return []deadletter.Letter{
		letter("pods", "seoul", "kube.a", "rejected", "one"), letter("pods", "seoul", "kube.b", "rejected", "two"),
		letter("gone", "osaka", "kube.a", "rejected", "three"),
		letter("", "osaka", "host.a", "unrouted", "four"), letter("", "seoul", "host.a", "tag_not_allowed", "five"),
		raw,
	}
}

// TestList chooses letters by all that they can be chosen by, in parts, and shows what a retry would offer.
func TestList(t *testing.T) {
	d, _ := newStore(t, some()...)
	for _, tc := range []struct {
		name   string
		filter client.DeadFilter
		want   string // details
		err    string
	}{
		{"all", client.DeadFilter{}, "one two three four five raw", ""},
		{"an output", client.DeadFilter{Output: "pods"}, "one two", ""},
		{"one that is not configured any more", client.DeadFilter{Output: "gone"}, "three", ""},
		{"before any output", client.DeadFilter{Output: client.NoOutput}, "four five raw", ""},
		{"a cluster", client.DeadFilter{Cluster: "seoul"}, "one two five", ""},
		{"a reason", client.DeadFilter{Reason: "unrouted"}, "four", ""},
		{"a tag", client.DeadFilter{Tag: "kube.{a,c}"}, "one three raw", ""},
		{"older than an hour", client.DeadFilter{OlderThan: time.Hour}, "one two three four five raw", ""},
		{"newer than an hour", client.DeadFilter{NewerThan: time.Hour}, "", ""},
		{"several at once", client.DeadFilter{Output: "pods", Tag: "kube.b"}, "two", ""},
		{"an output that there never was", client.DeadFilter{Output: "pod"}, "", `there is no output named "pod"`},
		{"a cluster that there never was", client.DeadFilter{Cluster: "soul"}, "", `there is no cluster named "soul"`},
		{"a pattern that is none", client.DeadFilter{Tag: "kube.{"}, "", "tag: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var details []string
			var after uint64
			for first := true; first || after > 0; first = false {
				list, err := d.List(t.Context(), tc.filter, client.DeadPage{After: after, Limit: 2, Records: true})
				if (tc.err == "") != (err == nil) ||
					err != nil && (!errors.Is(err, client.ErrDeadRequest) || !strings.Contains(err.Error(), tc.err)) {
					t.Fatalf("got %v, want %q", err, tc.err)
				}
				for _, l := range list.Letters {
					details = append(details, l.Detail)
				}
				after = list.Next
			}
			if got := strings.Join(details, " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if tc.err != "" {
				return
			}
			sum, err := d.Summary(t.Context(), tc.filter)
			if err != nil || int(sum.Letters) != len(details) || int(sum.Events) != len(details) {
				t.Errorf("in sum %+v, %v", sum, err)
			}
		})
	}
}

// TestGet shows a letter whole: its event and what a retry would offer, or its bytes.
func TestGet(t *testing.T) {
	d, queue := newStore(t, some()...)
	letters, _, err := queue.DeadLetters().Page(t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`{"log":"one"} to pods`, `{"log":"two"} to pods`,
		`{"log":"three"} not: their output is not configured any more`,
		`{"log":"four"} not: no route wants them`, `{"log":"five"} not: their cluster may not send their tag`,
		"raw c101",
	} {
		l, err := d.Get(t.Context(), letters[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("raw %x", l.Raw)
		if l.Record != nil {
			o := l.WouldOffer[0]
			got = fmt.Sprintf("%s not: %s", l.Record, o.Reason)
			if o.Target != "" {
				got = fmt.Sprintf("%s to %s", l.Record, o.Output)
			}
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", letters[i].Detail, got, want)
		}
	}
	if _, err := d.Get(t.Context(), 1); !errors.Is(err, client.ErrDeadUnknown) {
		t.Errorf("one that is not there: %v", err)
	}
	d.Unconfigured = true
	if l, err := d.Get(t.Context(), letters[0].ID); err != nil || len(l.WouldOffer) > 0 {
		t.Errorf("without the server's configuration: %+v, %v", l.WouldOffer, err)
	}
}

// TestRetry sends letters to where they belong, or to where they are told, and says which stay and why.
func TestRetry(t *testing.T) {
	for _, tc := range []struct {
		name    string
		filter  client.DeadFilter
		to      string
		letters int64
		stays   []string // reasons
		why     string
		err     string
	}{
		{"to its own output", client.DeadFilter{Output: "pods"}, "", 2, nil, "", ""},
		{"to another", client.DeadFilter{Output: "pods"}, "other", 2, nil, "", ""},
		{
			"to one that there is not",
			client.DeadFilter{Output: "pods"},
			"nowhere", 0, nil, "",
			`no output is named "nowhere", there are`,
		},
		{
			"of an output that is not configured any more",
			client.DeadFilter{Output: "gone"},
			"", 0, nil, "",
			"output gone, which refused some of these, is not configured any more",
		},
		{"of that one, to another", client.DeadFilter{Output: "gone"}, "other", 1, nil, "", ""},
		{"what no route wants", client.DeadFilter{Reason: "unrouted"}, "", 0, []string{"no route wants them"}, "", ""},
		{
			"what the cluster may not send",
			client.DeadFilter{Reason: "tag_not_allowed"},
			"", 0,
			[]string{"their cluster may not send their tag"},
			"", "",
		},
		{
			"none",
			client.DeadFilter{Reason: "nothing"},
			"", 0, nil,
			"none of the 6 dead letters fits what was asked for", "",
		},
		{"nothing chosen", client.DeadFilter{}, "", 0, nil, "", "choose them with a filter, or all"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, queue := newStore(t, some()...)
			queue.Source("pods")
			result, err := d.Retry(t.Context(), tc.filter, tc.to, func(client.DeadResult) {})
			if (tc.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("got %v, want %q", err, tc.err)
			}
			var stays []string
			for reason := range result.Skipped {
				stays = append(stays, reason)
			}
			if result.Letters != tc.letters || len(stays) != len(tc.stays) || !strings.Contains(result.Why, tc.why) {
				t.Errorf("%+v", result)
			}
			for i, want := range tc.stays {
				if !strings.Contains(stays[i], want) {
					t.Errorf("it stays since %q", stays[i])
				}
			}
			if left := queue.DeadLetters().Stats().Letters; left != 6-tc.letters {
				t.Errorf("%d letters are left", left)
			}
			waits := slices.DeleteFunc(queue.Stats().Waits, func(w buffer.Wait) bool { return w.Pending.Events == 0 })
			if tc.letters > 0 &&
				(len(waits) != 1 || waits[0].Pending.Events != tc.letters || tc.to != "" && waits[0].Output != tc.to) {
				t.Errorf("in the queue wait %+v", waits)
			}
		})
	}
}

// TestPurge deletes what is chosen, and nothing where nothing is.
func TestPurge(t *testing.T) {
	d, queue := newStore(t, some()...)
	none := func(client.DeadResult) {}
	if _, err := d.Purge(t.Context(), client.DeadFilter{}, none); !errors.Is(err, client.ErrDeadRequest) {
		t.Errorf("nothing chosen: %v", err)
	}
	if r, err := d.Purge(t.Context(), client.DeadFilter{Cluster: "seoul"}, none); err != nil || r.Letters != 3 ||
		r.Events != 3 {
		t.Errorf("a cluster's: %+v, %v", r, err)
	}
	if r, err := d.Purge(t.Context(), client.DeadFilter{All: true}, none); err != nil || r.Letters != 3 {
		t.Errorf("all: %+v, %v", r, err)
	}
	if n := queue.DeadLetters().Stats().Letters; n != 0 {
		t.Errorf("%d are left", n)
	}
}
