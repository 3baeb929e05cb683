package app

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/memory"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// setAside has one chunk of three events wait aside for each of the targets of the output.
func setAside(t *testing.T, q buffer.Queue, output string, targets ...string) {
	t.Helper()
	for _, target := range targets {
		b := q.NewBatch(1)
		b.Begin(buffer.Message{Cluster: "seoul", Tag: "app", Outputs: []string{output}})
		b.Add([]byte("abc"), 3, true)
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		src := q.Source(output)
		c, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rest := buffer.Rest{
			Target: target, Entries: slices.Clone(c.Entries), Filtered: true, Parts: slices.Clone(c.Parts),
		}
		if err := src.SettlePart(t.Context(), c, []buffer.Rest{rest}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestControlTarget(t *testing.T) {
	q, err := memory.Open(buffer.Config{}, buffer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &outputSet{
		queue: q, log: zerolog.Nop(), current: map[string]*output{"es": {name: "es"}, "archive": {name: "archive"}},
	}
	setAside(t, q, "es", "logs-a", "logs-a", "logs-b", "logs-c")
	for _, tc := range []struct {
		output, what, target, to string
		want                     string
		waits                    []string // afterwards, of es
	}{
		{
			"es", "move", "none", "", `no events of output es wait for a target "none"`,
			[]string{"logs-a", "logs-b", "logs-c"},
		},
		{"es", "melt", "logs-a", "", `retry, move or purge, not "melt"`, []string{"logs-a", "logs-b", "logs-c"}},
		{"es", "move", "logs-a", "nobody", `no output is named "nobody"`, []string{"logs-a", "logs-b", "logs-c"}},
		{"gone", "retry", "logs-a", "", `no events of output gone`, []string{"logs-a", "logs-b", "logs-c"}},
		{"es", "move", "logs-a", "archive", "moved 6 events", []string{"logs-b", "logs-c"}},
		{
			"es", "move", "logs-b", "", "moved 3 events that waited for target logs-b of output es to output es",
			[]string{"logs-c"},
		},
		{"es", "purge", "logs-c", "", "purged 3 events", nil},
	} {
		done, err := s.controlTarget(t.Context(), &config.Config{}, tc.output, tc.what, tc.target, tc.to)
		if err != nil {
			done = err.Error()
		}
		if !strings.Contains(done, tc.want) {
			t.Errorf("%+v: %s", tc, done)
		}
		if got := (asideOf{queue: q, output: "es"}).Targets(); !slices.Equal(got, tc.waits) {
			t.Errorf("%+v: %q wait", tc, got)
		}
	}
	for output, want := range map[string]int64{"es": 3, "archive": 6} {
		if n := q.Source(output).Pending().Events; n != want {
			t.Errorf("%d events wait for %s, want %d", n, output, want)
		}
	}
	// The accounts of both outputs add up: what was moved has left the one, and came to the other as returned.
	for _, output := range []string{"es", "archive"} {
		var waits []buffer.Wait
		for _, w := range q.Stats().Waits {
			if w.Output == output {
				waits = append(waits, w)
			}
		}
		all, _ := outputClusters(waits, nil, time.Now())
		c := all[0]
		if left := c.Queued + c.Returned + c.Recovered - c.Purged - c.Pending - c.Dropped["moved"]; left != 0 {
			t.Errorf("%s: %d events are counted for nothing: %+v", output, left, c)
		}
	}
}

// What is shown of the targets has those with the most events first, and nothing that a name may hide.
func TestWaitingTargets(t *testing.T) {
	q, err := memory.Open(buffer.Config{}, buffer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	setAside(t, q, "es", "a", "b\x1b[31m", "b\x1b[31m")
	since := time.Now().Add(-time.Hour)
	known := []stats.WaitingTarget{
		{Target: "a", Since: since, Status: 403, Kind: "cluster_block_exception", Remedy: "lift it"},
		{Target: "c", Full: true},
	}
	all, more := waitingTargets(q.Stats().Waits, known, time.Now())
	if len(all) != 3 || more != 0 {
		t.Fatalf("%+v and %d more", all, more)
	}
	if b := all[0]; b.Target != "b [31m" || b.Events != 6 || !slices.Equal(b.Clusters, []string{"seoul"}) ||
		b.Since.IsZero() {
		t.Errorf("%+v", b)
	}
	if a := all[1]; a.Target != "a" || a.Kind != "cluster_block_exception" || a.Remedy != "lift it" ||
		!a.Since.Equal(since) {
		t.Errorf("%+v", a)
	}
	if c := all[2]; c.Events != 0 || !c.Full || c.Remedy == "" {
		t.Errorf("%+v", c)
	}
}

// A loop finds what waits for its targets, and delivers it by itself; what can't be read of it is a dead letter.
func TestWaitingIsFoundByTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := memory.Open(buffer.Config{}, buffer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		setAside(t, q, "es", "logs-a")
		aside := asideOf{queue: q, output: "es"}
		l := delivery.New(delivery.Options{
			Name: "es", Source: q.Source("es"), Aside: aside, Output: swallow{},
			DeadLetters: deadLetterSink{q.DeadLetters()},
			Log:         zerolog.Nop(),
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		if waits := aside.Targets(); len(waits) > 0 || q.Stats().Dead.Letters != 1 {
			t.Errorf("%q wait, and there are %d dead letters", waits, q.Stats().Dead.Letters)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

type swallow struct{}

func (swallow) Send(context.Context, *outputs.Batch) error { return nil }
func (swallow) Close() error                               { return nil }
