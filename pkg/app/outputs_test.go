package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/memory"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// stuck is an output whose sends never end, whatever is asked of it.
type stuck struct {
	told
	sending chan struct{} // closed with the first send
	release chan struct{} // ends it after all
}

func (s *stuck) Send(context.Context, *outputs.Batch) error {
	close(s.sending)
	<-s.release
	return nil
}

func memoryQueue(t *testing.T) *memory.Queue {
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

// store puts an event of each text into the queue, for outputs.
func store(t *testing.T, queue buffer.Queue, outputs []string, texts ...string) {
	t.Helper()
	b := queue.NewBatch(1)
	for _, text := range texts {
		b.Begin(buffer.Message{Cluster: "default", Tag: "kube.a", Outputs: outputs})
		b.Add(entryOf(text), 1, true)
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func newSet(t *testing.T, queue buffer.Queue) (s *outputSet, abandon context.CancelFunc) {
	t.Helper()
	s = &outputSet{
		queue: queue, log: zerolog.Nop(), force: t.Context(), current: map[string]*output{},
		retired: map[string]retiredOutput{},
	}
	s.abandon, abandon = context.WithCancel(t.Context())
	return s, abandon
}

func fakeOutput(name string, o outputs.Output) *output {
	common := outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxBytes: 1 << 20, MaxEvents: 100}}
	return &output{name: name, cfg: &config.Config{}, sender: &sender{Output: o, common: common}}
}

// TestOutputSetControl does what is asked of outputs, and says why where that can't be.
func TestOutputSetControl(t *testing.T) {
	queue := memoryQueue(t)
	store(t, queue, []string{"gone"}, "one", "two")
	s, _ := newSet(t, queue)
	s.launch(fakeOutput("es", told{}))
	cfg := &config.Config{Outputs: map[string]config.Output{"es": {}, "s3": {}}}
	for _, tc := range []struct{ name, what, done, err string }{
		{"es", "pause", "output es is paused, until it is resumed or the program starts again", ""},
		{"es", "resume", "output es goes on", ""},
		{"es", "retry", "output es waits no more before its next try", ""},
		{"es", "purge", "", "output es is configured: take it out of outputs and routes"},
		{"es", "dance", "", `pause, resume, retry or purge, not "dance"`},
		{"se", "pause", "", `no output is named "se", there are es, s3`},
		{"gone", "purge", "purged 2 events that waited for output gone", ""},
		{"gone", "purge", "", `nothing waits for an output named "gone"`},
	} {
		done, err := s.control(cfg, tc.name, tc.what)
		if done != tc.done || (tc.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s %s: %q, %v", tc.what, tc.name, done, err)
		}
		if out := s.get("es"); tc.name == "es" && (tc.what == "pause") == out.loop.Stats().PausedSince.IsZero() {
			t.Errorf("after %s it is paused: %t", tc.what, !out.loop.Stats().PausedSince.IsZero())
		}
	}
	if err := errors.Join(s.retire(s.all()...), queue.Close()); err != nil {
		t.Error(err)
	}
}

// TestOutputSetKeepsWhatWas knows the outputs that run, in order, and of those that are gone what they have done.
func TestOutputSetKeepsWhatWas(t *testing.T) {
	queue := memoryQueue(t)
	s, _ := newSet(t, queue)
	names := func() (all, launched, retired []string) {
		for _, out := range s.all() {
			all = append(all, out.name)
		}
		loops, was := s.loops()
		for _, out := range loops {
			launched = append(launched, out.name)
		}
		for name := range was {
			retired = append(retired, name)
		}
		return all, launched, retired
	}
	s.add(fakeOutput("b", told{}))
	s.add(fakeOutput("a", told{report: outputs.Report{Truncated: 7}}))
	if all, launched, _ := names(); !slices.Equal(all, []string{"a", "b"}) || launched != nil {
		t.Errorf("before the start there are %q, of which %q run", all, launched)
	}
	for _, out := range s.all() {
		s.launch(out)
	}
	if err := s.retire(s.get("a")); err != nil {
		t.Fatal(err)
	}
	if all, launched, retired := names(); !slices.Equal(all, []string{"b"}) || !slices.Equal(launched, all) ||
		!slices.Equal(retired, []string{"a"}) {
		t.Errorf("there are %q, of which %q run; %q are gone", all, launched, retired)
	}
	if _, was := s.loops(); was["a"].report.Truncated != 7 {
		t.Errorf("of the one that is gone is known %+v", was["a"].report)
	}
	if err := errors.Join(s.retire(s.all()...), queue.Close()); err != nil {
		t.Error(err)
	}
}

// TestOutputSetAbandons says of an output that hangs that it does, once a stop may not wait for it any longer.
func TestOutputSetAbandons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := memoryQueue(t)
		s, abandon := newSet(t, queue)
		out := &stuck{sending: make(chan struct{}), release: make(chan struct{})}
		s.launch(fakeOutput("es", out))
		store(t, queue, []string{"es"}, "one")
		<-out.sending
		hung := make(chan error, 1)
		go func() { hung <- s.retire(s.all()...) }()
		synctest.Wait()
		select {
		case err := <-hung:
			t.Fatalf("it is not waited for: %v", err)
		default:
		}
		abandon()
		if err := <-hung; err == nil || !strings.Contains(err.Error(), "output es hangs") {
			t.Errorf("got %v", err)
		}
		if s.get("es") != nil {
			t.Error("it is among the outputs still")
		}
		close(out.release)
		synctest.Wait()
		if err := queue.Close(); err != nil {
			t.Error(err)
		}
	})
}
