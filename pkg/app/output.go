package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// output is a destination and the loop that serves it.
type output struct {
	*sender
	name   string
	made   time.Time
	cfg    *config.Config // that it was made for
	rules  *Rules         // nil: all events as they were stored
	before outputs.Report // counters of earlier outputs of that name
	loop   *delivery.Loop
	stop   context.CancelFunc
	done   chan struct{} // closed when the loop has ended
}

// past is what stays of an output that is not configured any more.
type past struct {
	loop   *delivery.Loop
	report outputs.Report
	common outputs.Common
}

// newOutput makes an output that does nothing until launch.
func (a *App) newOutput(name string, cfg *config.Config) (*output, error) {
	s, err := newSender(name, cfg, surroundings{
		log: a.opts.Log, now: a.opts.Now, hostname: a.initial.Hostname, stateDir: a.initial.Buffer.OwnDir(), credentials: a.credentials,
	})
	if err != nil {
		return nil, err
	}
	out := &output{sender: s, name: name, made: a.opts.Now(), cfg: cfg}
	if asksEvents(cfg) {
		if out.rules, err = NewRules(cfg, name, a.opts.Log); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return out, nil
}

// launch puts out among the outputs and starts its loop, whose counters go on where those of an earlier output of that
// name ended.
func (a *App) launch(out *output) {
	source := a.queue.Source(out.name)
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.retired[out.name]
	out.before = was.report
	common := out.common
	if a.opts.Drain {
		common.Batch.MaxWait = min(common.Batch.MaxWait, drainWait)
	}
	options := delivery.Options{
		Name: out.name, Source: source, Output: out.Output, DeadLetters: deadLetterSink{a.queue.DeadLetters()},
		Common: common, Grace: out.cfg.ShutdownTimeout, Force: a.hurry, Log: a.opts.Log, Previous: was.loop,
	}
	if out.rules != nil {
		options.Rules = out.rules.Rules
	}
	out.loop = delivery.New(options)
	delete(a.retired, out.name)
	a.outputs[out.name] = out
	var ctx context.Context
	ctx, out.stop = context.WithCancel(context.Background())
	out.done = make(chan struct{})
	go func() {
		defer close(out.done)
		_ = out.loop.Run(ctx) // always nil
	}()
}

// retire ends outs, side by side: they finish what is in flight, and what still waits for them stays in the queue. The error
// names those that a stop could not wait for any longer; they are left as they are.
func (a *App) retire(outs ...*output) error {
	errs := make([]error, len(outs))
	var wg sync.WaitGroup
	for i, out := range outs {
		wg.Go(func() { errs[i] = a.retireOne(out) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (a *App) retireOne(out *output) error {
	out.stop()
	var hung error
	select {
	case <-out.done:
		if err := out.close(); err != nil {
			a.opts.Log.Error().Err(err).Str("output", out.name).Msg("an output did not close in good order")
		}
	case <-a.late.Done():
		hung = fmt.Errorf("output %s hangs: what it was sending is sent again after the next start", out.name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.outputs, out.name)
	a.retired[out.name] = past{out.loop, out.report(), out.common}
	return hung
}

// report returns what the destination tells of itself; its counters go on where those of an earlier output of that name
// ended.
func (out *output) report() outputs.Report {
	var r outputs.Report
	if reporter, ok := out.Output.(outputs.Reporter); ok {
		r = reporter.Report()
	}
	b := &out.before
	r.PossibleDuplicates += b.PossibleDuplicates
	r.FailureStore += b.FailureStore
	r.AlreadyThere += b.AlreadyThere
	r.AlreadyThereExample = cmp.Or(r.AlreadyThereExample, b.AlreadyThereExample)
	r.Redirected += b.Redirected
	r.Truncated += b.Truncated
	for i := range r.Paces {
		p := &r.Paces[i]
		if at, found := slices.BinarySearchFunc(b.Paces, p.Stream, func(p outputs.Pace, name string) int { return cmp.Compare(p.Stream, name) }); found {
			p.Throttled += b.Paces[at].Throttled
		}
	}
	return r
}

// close ends what out holds open.
func (out *output) close() error {
	err := out.Close()
	if out.rules != nil {
		err = errors.Join(err, out.rules.Close())
	}
	return err
}

// steer pauses or resumes an output, has it try again at once, or forgets what waits for one that is not configured.
func (a *App) steer(name, what string) (done string, err error) {
	a.reloading.Lock() // outputs neither come nor go meanwhile
	defer a.reloading.Unlock()
	out := a.output(name)
	switch {
	case what == "purge" && out != nil:
		return "", fmt.Errorf("output %s is configured: take it out of outputs and routes, and reload; then what waits for it can be purged", name)
	case what == "purge":
		gone := a.queue.Purge(name)
		if gone.Chunks == 0 {
			return "", fmt.Errorf("nothing waits for an output named %q: there is nothing to purge", name)
		}
		a.opts.Log.Warn().Str("output", name).Int64("events", gone.Events).Int64("chunks", gone.Chunks).Msg("purged what waited for an output that is not configured")
		return fmt.Sprintf("purged %d events that waited for output %s", gone.Events, name), nil
	case out == nil:
		return "", fmt.Errorf("no output is named %q, there are %s", name, strings.Join(a.config().OutputNames(), ", "))
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

// deadLetterSink stores what outputs refused in the queue's dead letters.
type deadLetterSink struct{ letters deadletter.Store }

func (g deadLetterSink) Add(ctx context.Context, refused []delivery.DeadLetter) error {
	letters := make([]deadletter.Letter, len(refused))
	for i := range refused {
		r := &refused[i]
		l := deadletter.Letter{
			Cluster: r.Chunk.Cluster, Tag: r.Chunk.Tag, Output: r.Output, Status: r.Status, Reason: r.Reason, Detail: r.Detail,
			Attempts: r.Attempts, Events: r.Events, Entry: r.Raw,
		}
		if r.Event != nil {
			l.EventID = string(r.Event.AppendID(nil))
			l.Entry = event.AppendEntry(slices.Clone(r.Event.Group), event.AppendTime(nil, r.Event.Time), r.Event.Metadata, r.Event.Record)
			l.Events = 1
		}
		letters[i] = l
	}
	return g.letters.Add(ctx, letters)
}
