package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
	"github.com/seed-afc6a195/aggregator/pkg/tap"
	"github.com/seed-afc6a195/aggregator/pkg/trace"
)

// outputSet has the outputs, and what stays of those that are not configured any more. Safe for concurrent use.
type outputSet struct {
	queue buffer.Queue
	// ledger remembers what outputs were done with last.
	ledger *trace.Ledger
	tail   *tail.Hub
	// route names the one that takes every event of a cluster and tag to an output; "": that depends on the event.
	route func(output, cluster, tag string) string
	deps  senderDeps
	log   zerolog.Logger
	// force has outputs give back what they hold during a stop, abandon has a stop not wait for them any longer.
	force, abandon context.Context
	// brief: a batch waits only drainWait for more events, since none come.
	brief bool

	mu      sync.Mutex
	current map[string]*output
	retired map[string]retiredOutput
}

// add puts out among the outputs, as one that was not launched.
func (s *outputSet) add(out *output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current[out.name] = out
}

// get returns the output of that name, nil where there is none.
func (s *outputSet) get(name string) *output {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current[name]
}

// all returns the outputs, ascending by name.
func (s *outputSet) all() (all []*output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.current)) {
		all = append(all, s.current[name])
	}
	return all
}

// loops returns the outputs that were launched, ascending by name, and what stays of those that are not configured any
// more.
func (s *outputSet) loops() (current []*output, retired map[string]retiredOutput) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.current)) {
		if out := s.current[name]; out.loop != nil {
			current = append(current, out)
		}
	}
	return current, maps.Clone(s.retired)
}

// launch puts out among the outputs and starts its loop, whose counters go on where those of an earlier output of that
// name ended.
func (s *outputSet) launch(out *output) {
	source := s.ledger.Source(out.name, s.queue.Source(out.name))
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.retired[out.name]
	out.before = was.report
	common := out.common
	if s.brief {
		common.Batch.MaxWait = min(common.Batch.MaxWait, drainWait)
	}
	options := delivery.Options{
		Name: out.name, Source: source, Output: out.Output, DeadLetters: deadLetterSink{s.queue.DeadLetters()},
		Aside:  asideOf{s.queue, out.name, s.ledger},
		Common: common, Grace: out.cfg.ShutdownTimeout, Force: s.force, Log: s.log, Previous: was.loop,
	}
	// Nil: it names no targets.
	targeter, _ := out.Output.(outputs.Targeter)
	options.Tap = tap.NewOutput(s.tail, out.name, targeter, func(cluster, tag string) string {
		return s.route(out.name, cluster, tag)
	})
	if out.rules != nil {
		options.Rules = out.rules.Rules
	}
	out.loop = delivery.New(options)
	delete(s.retired, out.name)
	s.current[out.name] = out
	var ctx context.Context
	ctx, out.stop = context.WithCancel(context.Background())
	out.done = make(chan struct{})
	go func() {
		defer close(out.done)
		// Always nil.
		_ = out.loop.Run(ctx)
	}()
}

// retire ends outs, side by side: they finish what is in flight, and what still waits for them stays in the queue. The
// error names those that a stop could not wait for any longer; they are left as they are.
func (s *outputSet) retire(outs ...*output) error {
	errs := make([]error, len(outs))
	var wg sync.WaitGroup
	for i, out := range outs {
		wg.Go(func() { errs[i] = s.retireOne(out) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *outputSet) retireOne(out *output) error {
	out.stop()
	var hung error
	select {
	case <-out.done:
		if err := out.close(); err != nil {
			s.log.Error().Err(err).Str("output", out.name).Msg("an output did not close in good order")
		}
	case <-s.abandon.Done():
		hung = fmt.Errorf("output %s hangs: what it was sending is sent again after the next start", out.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.current, out.name)
	s.retired[out.name] = retiredOutput{out.loop, out.report(), out.common}
	return hung
}

// control pauses or resumes an output, has it try again at once, or forgets what waits for one that is not among those
// of cfg. Outputs must neither come nor go meanwhile.
func (s *outputSet) control(cfg *config.Config, name, what string) (done string, err error) {
	out := s.get(name)
	switch {
	case what == "purge" && out != nil:
		return "", fmt.Errorf("output %s is configured: take it out of outputs and routes, and reload; "+
			"then what waits for it can be purged", name)
	case what == "purge":
		gone := s.queue.Purge(name)
		for _, target := range (asideOf{queue: s.queue, output: name}).Targets() {
			more := s.queue.PurgeWaiting(name, target)
			gone.Chunks, gone.Events = gone.Chunks+more.Chunks, gone.Events+more.Events
		}
		if gone.Chunks == 0 {
			return "", fmt.Errorf("nothing waits for an output named %q: there is nothing to purge", name)
		}
		s.log.Warn().Str("output", name).Int64("events", gone.Events).Int64("chunks", gone.Chunks).
			Msg("purged what waited for an output that is not configured")
		return fmt.Sprintf("purged %d events that waited for output %s", gone.Events, name), nil
	case out == nil:
		return "", fmt.Errorf("no output is named %q, there are %s", name, strings.Join(cfg.OutputNames(), ", "))
	case what == "pause":
		out.loop.Pause()
		return fmt.Sprintf("output %s is paused, until it is resumed or the program starts again", name), nil
	case what == "resume":
		out.loop.Resume()
		return fmt.Sprintf("output %s goes on", name), nil
	case what == "retry":
		out.loop.RetryNow()
		return fmt.Sprintf("output %s waits no more before its next try", name), nil
	default:
		return "", fmt.Errorf("what to do with an output is pause, resume, retry or purge, not %q", what)
	}
}

// sends is a number that grows with every request of an output.
func (s *outputSet) sends() (n uint64) {
	current, _ := s.loops()
	for _, out := range current {
		n += out.loop.Stats().Sends
	}
	return n
}

// close ends what outputs that were never launched hold open.
func (s *outputSet) close() error {
	var errs []error
	for _, out := range s.all() {
		errs = append(errs, out.close())
	}
	return errors.Join(errs...)
}
