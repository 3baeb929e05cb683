package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/idlememory"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// Parts of shutdown_timeout, from the beginning of a stop. What is left after the last one is for the queue's files and
// the status endpoint.
const (
	// endConnections is when connections that are still busy are cut.
	endConnections = 0.5
	// endOutputs is when outputs give back what they have not delivered.
	endOutputs = 0.7
	// leaveOutputs is when they are not waited for any more.
	leaveOutputs = 0.9
	// endRequests is the end of all, for requests to the status endpoint when all else has ended.
	endRequests = 0.05
)

// running is what Run and Drain have started.
type running struct {
	*App
	// failed is the first failure of a part.
	failed chan error

	serving, showing, watching sync.WaitGroup
	// close ends the status endpoint.
	cutConnections, endWatch, close context.CancelFunc

	// step is what a stop is at.
	step atomic.Value
}

// Run serves until ctx ends or a part fails, and then stops in order; see stop. Everything that Run started has ended
// when it returns, and everything that New opened is closed, unless the error says that something hangs. It returns nil
// after a clean stop.
func (a *App) Run(ctx context.Context) error {
	r := a.begin(ctx)
	a.ready.Store(true)
	var cause error
	select {
	case <-ctx.Done():
		cause = r.waitShutdownDelay()
	case cause = <-r.failed:
	}
	a.ready.Store(false)
	return errors.Join(cause, r.stop(func() { r.tellWhy(cause) }))
}

// tellWhy logs that a stop begins, cause being the failure of a part or nil.
func (r *running) tellWhy(cause error) {
	if cause != nil {
		r.opts.Log.Error().Err(cause).Msg("a part failed: stopping")
		return
	}
	r.opts.Log.Info().
		Msg(
			"stopping: messages in hand are stored and acknowledged, outputs finish what is in flight; a second " +
				"signal ends at once",
		)
}

// begin starts all parts.
func (a *App) begin(ctx context.Context) *running {
	r := &running{App: a, failed: make(chan error, 1)}
	var serving, showing, watched context.Context
	serving, r.cutConnections = context.WithCancel(context.WithoutCancel(ctx))
	showing, r.close = context.WithCancel(context.WithoutCancel(ctx))
	watched, r.endWatch = context.WithCancel(ctx)
	for _, out := range a.outputs.all() {
		a.outputs.launch(out)
	}
	// It ends after the outputs, which it controls.
	if s := a.status.server; s != nil {
		r.start(showing, &r.showing, s.Run)
	}
	for _, s := range a.listeners.servers {
		r.start(serving, &r.serving, s.Serve)
	}
	if a.opts.Load != nil {
		r.start(watched, &r.watching, a.watch)
	}
	r.watching.Go(func() { tls.Watch(watched, tls.WatchEvery, a.certificates) })
	for _, w := range orphans(a.settings.current(), a.backlogs(nil)) {
		a.opts.Log.Warn().Msg(w)
	}
	r.watching.Go(func() { idlememory.Release(watched, a.activity) })
	// Beyond the end of the watched context, so that a disk that hangs during a stop is told too.
	r.showing.Go(func() { a.watchLoops(showing) })
	r.watching.Go(func() { a.watchRoom(watched) })
	r.watching.Go(func() { a.watchGroup(watched) })
	r.watching.Go(func() { a.showGroup(watched) })
	return r
}

func (r *running) start(ctx context.Context, group *sync.WaitGroup, run func(context.Context) error) {
	group.Go(func() {
		if err := run(ctx); err != nil {
			select {
			case r.failed <- err:
			default:
				// The first one counts.
			}
		}
	})
}

// waitShutdownDelay waits for shutdown_delay while listeners still accept but /readyz says no. It returns early with
// the error of a part that fails.
func (r *running) waitShutdownDelay() error {
	r.ready.Store(false)
	delay := r.settings.current().ShutdownDelay
	if delay <= 0 {
		return nil
	}
	// Left alone where nobody reads the log.
	go func() {
		r.opts.Log.Info().Stringer("shutdown_delay", delay).
			Msg("not ready any more: a stop follows, until then agents are still served")
	}()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-r.failed:
		return err
	}
}

// stop ends everything within shutdown_timeout, in this order: the listeners close, and messages in hand are stored and
// acknowledged; the outputs finish what is in flight or give it back; the queue saves its state and closes; the status
// endpoint, which shows all this, ends last. Where the disk, an output, or who reads the log does not react, the error
// says so: the process can only end then, which loses nothing that was acknowledged. tell comes first, and logs why.
func (r *running) stop(tell func()) error {
	limit := r.settings.current().ShutdownTimeout
	part := func(of float64) time.Duration { return time.Duration(of * float64(limit)) }
	for of, end := range map[float64]func(){endOutputs: r.stopping.forceNow, leaveOutputs: r.stopping.abandonNow} {
		defer time.AfterFunc(part(of), end).Stop()
	}
	r.step.Store("writing to the log")
	ended := make(chan error, 1)
	// Left alone where it hangs.
	go func() {
		tell()
		r.step.Store("configuration and connections")
		ended <- r.stopParts(part(endConnections), part(endRequests))
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return fmt.Errorf("the stop takes longer than shutdown_timeout (%v): %v still to end", limit, r.step.Load())
	}
}

// stopParts is stop without its bound; connections, and requests to the status endpoint, may take as long as said.
func (r *running) stopParts(connections, requests time.Duration) error {
	r.endWatch()
	var first sync.WaitGroup
	// A reload may be under way.
	first.Go(func() {
		r.watching.Wait()
		r.settings.freeze()
	})
	first.Go(func() {
		drain, done := context.WithTimeout(context.Background(), connections)
		defer done()
		r.shutdownListeners(drain)
		r.cutConnections()
		r.serving.Wait()
	})
	first.Wait()
	r.step.Store("outputs")
	err := r.outputs.retire(r.outputs.all()...)
	r.logBacklog()
	r.step.Store("the queue")
	r.share(true)
	err = errors.Join(err, r.queue.Close())
	r.step.Store("the status endpoint")
	r.endStatus(requests)
	r.stopping.end()
	return err
}

// shutdownListeners ends all connections, between two messages as long as ctx lasts.
func (a *App) shutdownListeners(ctx context.Context) {
	if err := a.listeners.shutdown(ctx); err != nil {
		// Their agents send again what was not acknowledged.
		a.opts.Log.Warn().Err(err).Msg("not every connection could be ended in good order")
	}
}

// logBacklog logs what the next start finds.
func (a *App) logBacklog() {
	for _, b := range a.backlogs(nil) {
		a.opts.Log.Info().Str("output", b.Output).Int64("events", b.Events).Stringer("lag", b.Lag.Round(time.Second)).
			Msg("not delivered yet: the next start goes on with it")
	}
}

// endStatus ends the status endpoint. Who does not read its replies is cut off.
func (r *running) endStatus(grace time.Duration) {
	if err := r.status.shutdown(grace); err != nil {
		r.opts.Log.Warn().Err(err).Msg("a request to the status endpoint was cut off")
	}
	r.close()
	r.showing.Wait()
}

// stopSignals tell outputs how far a stop has come.
type stopSignals struct {
	// With force's end they give back what they hold; with abandon's they are not waited for any more.
	force, abandon       context.Context
	forceNow, abandonNow context.CancelFunc
}

func newStopSignals() stopSignals {
	var s stopSignals
	s.force, s.forceNow = context.WithCancel(context.Background())
	s.abandon, s.abandonNow = context.WithCancel(context.Background())
	return s
}

// end ends both, after a stop.
func (s *stopSignals) end() {
	s.forceNow()
	s.abandonNow()
}

// activity is a number that grows as long as anything happens.
func (a *App) activity() uint64 { return a.listeners.activity() + a.outputs.sends() }
