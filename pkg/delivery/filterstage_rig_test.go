package delivery_test

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/multiline"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// lines returns a chunk of events whose log is one of the texts each.
func lines(seq uint64, tag string, texts ...string) *event.Chunk {
	c := &event.Chunk{Seq: seq, Cluster: "a", Tag: tag, Events: len(texts)}
	for i, text := range texts {
		record := filter.AppendString(filter.AppendString(filter.AppendMapHeader(nil, 1), "log"), text)
		c.Entries = event.AppendEntry(c.Entries, event.AppendTime(nil, event.Time{Sec: outputtest.Start + int64(i)}),
			nil, record)
	}
	return c
}

func logOf(ev *event.Event) string {
	value, _ := event.Lookup(ev.Record, "log")
	return string(event.AppendText(nil, value))
}

// step is a filter.Step made of a function on the log.
type step func(e *filter.Event, log string) filter.Verdict

func (s step) Apply(e *filter.Event) (filter.Verdict, error) {
	return s(e, logOf(&event.Event{Record: e.Rendered()})), nil
}

// byWord does what the log says: "drop", "kill" and "change", which adds a "!" to it.
func byWord(e *filter.Event, log string) filter.Verdict {
	switch {
	case strings.Contains(log, "drop"):
		return filter.Drop
	case strings.Contains(log, "kill"):
		e.Detail = "the log says so"
		return filter.Dead
	case strings.Contains(log, "change"):
		e.Set(filter.AppendString(nil, log+"!"), "log")
	}
	return filter.Keep
}

// joining returns a Joiner for events that begin with "+" and go on with "-".
func joining(t *testing.T, wait time.Duration) filter.Joiner {
	t.Helper()
	j, err := multiline.New(multiline.Config{
		Field: "log", Start: `^\+`, Continue: "^-", MaxLines: 1000, MaxBytes: 10 << 20, MaxWait: wait, Separator: " ",
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// rulesOf returns rules with the stages for all tags but "plain".
func rulesOf(stages ...any) *rules.Rules {
	route := rules.Route{Match: func(_, tag string) bool { return tag != "plain" }, Outputs: []string{"test"}}
	for _, s := range stages {
		switch s := s.(type) {
		case filter.Joiner:
			route.Steps = append(route.Steps, filter.Stage{Kind: "join", Joiner: s})
		case filter.Step:
			route.Steps = append(route.Steps, filter.Stage{Kind: "step", Step: s})
		}
	}
	all := rules.Route{Match: func(string, string) bool { return true }, Outputs: []string{"test"}}
	return rules.New("test", []rules.Route{route, all}, false)
}

// filterRig is a loop with rules whose destination keeps logs.
type filterRig struct {
	*delivery.Loop
	source      *outputtest.Backlog
	letterStore *texts
	refuse      func(log string) outputs.Reason // nil: it takes all

	mu   sync.Mutex
	got  []string
	ids  []string
	tags []string
	stop func()
}

// texts is dead letters as "reason: log".
type texts struct {
	mu   sync.Mutex
	fail func() error // nil: it works
	all  []string
}

func (g *texts) Add(_ context.Context, letters []delivery.DeadLetter) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail != nil {
		if err := g.fail(); err != nil {
			return err
		}
	}
	for _, l := range letters {
		g.all = append(g.all, l.Reason+": "+logOf(l.Event))
	}
	return nil
}

func (g *texts) kept() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.all)
}

func (s *filterRig) Close() error { return nil }

func (s *filterRig) Send(_ context.Context, b *outputs.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	se := &outputs.SendError{Reason: outputs.ReasonServer, Err: errTest}
	for i := range b.Events {
		ev := &b.Events[i]
		if s.refuse != nil {
			if r := s.refuse(logOf(ev)); r != "" {
				se.Failed = append(se.Failed, outputs.Failure{Index: i, Reason: r})
				continue
			}
		}
		s.got = append(s.got, logOf(ev))
		s.ids = append(s.ids, string(ev.AppendID(nil)))
		s.tags = append(s.tags, ev.DeliveredTag())
	}
	if len(se.Failed) > 0 {
		return se
	}
	return nil
}

// taken returns what was delivered since the last call.
func (s *filterRig) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

func (s *filterRig) run(t *testing.T, r *rules.Rules, set outputs.Common) {
	t.Helper()
	if set.Batch.MaxWait == 0 {
		set.Batch.MaxWait = 100 * time.Millisecond
	}
	s.Loop = delivery.New(delivery.Options{
		Name: "test", Source: s.source, Output: s, DeadLetters: s.letterStore, Rules: r, Common: set,
		Log: zerolog.Nop(), Previous: s.Loop,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.stop = func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := s.source.Out(); n > 0 {
			t.Errorf("the loop ended with %d chunks in hand", n)
		}
	}
}

func filtered(t *testing.T, r *rules.Rules, set outputs.Common, chunks ...*event.Chunk) *filterRig {
	t.Helper()
	s := &filterRig{source: outputtest.NewBacklog(chunks...), letterStore: &texts{}}
	s.run(t, r, set)
	return s
}

// fate returns what Stats says became of events.
func (s *filterRig) fate() map[string]int {
	all := map[string]int{}
	for _, c := range s.Stats().Clusters {
		all["delivered"] += int(c.Delivered)
		for r, n := range c.Dropped {
			all["dropped: "+r] += int(n)
		}
		for r, n := range c.Dead {
			all["dead: "+r] += int(n)
		}
	}
	maps.DeleteFunc(all, func(_ string, n int) bool { return n == 0 })
	return all
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
