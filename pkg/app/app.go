// Package app makes the program out of its parts: it opens the queue, binds the listeners, runs a delivery loop for each
// output, and stops them all in an order in which nothing that was acknowledged gets lost.
package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/file"
	forwardoutput "github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/stdout"
	"github.com/seed-afc6a195/aggregator/pkg/route"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

const (
	// ingestMemory is what may lie between sockets and queue, in bytes, unless a listener's max_message_size needs more.
	ingestMemory = 64 << 20
	// drainTimeout bounds how long a stop waits for connections, and then for outputs.
	drainTimeout = 10 * time.Second
)

// Options is what the program is made of besides its configuration.
type Options struct {
	ConfigSource string // the file's name; "": the defaults
	ConfigHash   string // of the file's bytes
	Version      string
	Commit       string
	Log          zerolog.Logger
	Now          func() time.Time // nil: time.Now
}

// App is the program. Make one with New, then Run it once.
type App struct {
	cfg     *config.Config
	opts    Options
	started time.Time
	ready   atomic.Bool

	queue     *buffer.Store
	ingest    *ingest
	budget    *forward.Budget
	listeners []*forward.Server
	outputs   []*output
	status    *status.Server
}

// output is a destination and the loop that serves it.
type output struct {
	name   string
	common outputs.Common
	sender outputs.Output
	loop   *delivery.Loop
}

// New opens the queue and the outputs and binds all addresses. After an error nothing stays open.
func New(ctx context.Context, cfg *config.Config, o Options) (_ *App, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &App{cfg: cfg, opts: o, started: o.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	routes, err := route.New(cfg.Routes)
	if err != nil {
		return nil, err
	}
	limits := make(map[string]int64, len(cfg.Outputs))
	for name, out := range cfg.Outputs {
		limits[name] = int64(out.Common.MaxQueueSize)
	}
	a.queue, err = buffer.Open(cfg.Buffer, buffer.Options{Log: part(o.Log, "queue"), Now: o.Now, OutputLimits: limits})
	if err != nil {
		return nil, fmt.Errorf("open the queue in %s: %w", cfg.Buffer.Path, err)
	}
	for _, name := range cfg.OutputNames() {
		if err := a.addOutput(name, cfg.Outputs[name]); err != nil {
			return nil, fmt.Errorf("outputs.%s: %w", name, err)
		}
	}
	a.ingest = newIngest(a.queue, routes, cfg.Unrouted == "dead_letter", o.Now)
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	a.status = status.New(status.Options{
		Config: cfg.Status, Snapshot: a.snapshot, Ready: a.readiness, Healthy: func() error { return nil }, Log: part(o.Log, "status"),
	})
	return a, a.status.Listen()
}

func part(log zerolog.Logger, name string) zerolog.Logger {
	return log.With().Str("part", name).Logger()
}

func (a *App) addOutput(name string, settings config.Output) error {
	out := &output{name: name, common: *settings.Common}
	log := a.opts.Log.With().Str("output", name).Logger()
	var err error
	switch c := settings.Settings.(type) {
	case *file.Config:
		out.common = c.Settings()
		out.sender, err = file.New(*c, name, log, a.opts.Now)
	case *stdout.Config:
		out.common, out.sender = c.Settings(), stdout.New(*c, os.Stdout)
	case *forwardoutput.Config:
		out.common = c.Settings()
		out.sender, err = a.newForward(c, log)
	default:
		err = fmt.Errorf("type %s is not supported yet", settings.Common.Type)
	}
	if err != nil {
		return err
	}
	out.loop = delivery.New(delivery.Options{
		Name: name, Source: a.queue.Source(name), Output: out.sender, DeadLetters: graveyard{a.queue.DeadLetters()},
		Common: out.common, Grace: drainTimeout, Log: a.opts.Log,
	})
	a.outputs = append(a.outputs, out)
	return nil
}

func (a *App) listen(ctx context.Context) error {
	memory := int64(ingestMemory)
	for _, l := range a.cfg.Listeners {
		memory = max(memory, int64(l.MaxMessageSize)+ingestMemory/4)
	}
	a.budget = forward.NewBudget(memory)
	for _, l := range a.cfg.Listeners {
		s, err := forward.Listen(ctx, forward.Options{
			Config: l, Sink: a.ingest, Budget: a.budget,
			Log: a.opts.Log,
		})
		if err != nil {
			return err
		}
		a.listeners = append(a.listeners, s)
	}
	return nil
}

// ListenerAddrs returns what the listeners are bound to, in the order of the configuration.
func (a *App) ListenerAddrs() []net.Addr {
	addrs := make([]net.Addr, len(a.listeners))
	for i, l := range a.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// StatusAddr returns what the status endpoint is bound to.
func (a *App) StatusAddr() net.Addr { return a.status.Addr() }

// readiness says why agents should not be sent here.
func (a *App) readiness() error {
	var why []error
	if !a.ready.Load() {
		why = append(why, errors.New("starting or stopping"))
	}
	if full := a.queue.Stats().Full; full != "" {
		why = append(why, fmt.Errorf("the queue is full: %s", full))
	}
	return errors.Join(why...)
}

// Run serves until ctx ends or a part fails, and then stops in order; see stop. Everything that Run started has ended
// when it returns, and everything that New opened is closed. It returns nil after a clean stop.
func (a *App) Run(ctx context.Context) error {
	serving, cutConnections := context.WithCancel(context.WithoutCancel(ctx))
	delivering, endDelivery := context.WithCancel(context.WithoutCancel(ctx))
	showing, endStatus := context.WithCancel(context.WithoutCancel(ctx))
	defer cutConnections()
	defer endDelivery()
	defer endStatus()
	failed := make(chan error, 1) // the first failure counts
	var listeners, loops, statusDone sync.WaitGroup
	start := func(group *sync.WaitGroup, run func(context.Context) error, ctx context.Context) {
		group.Go(func() {
			if err := run(ctx); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	start(&statusDone, a.status.Run, showing)
	for _, out := range a.outputs {
		start(&loops, out.loop.Run, delivering)
	}
	for _, l := range a.listeners {
		start(&listeners, l.Serve, serving)
	}
	a.ready.Store(true)

	var cause error
	select {
	case <-ctx.Done():
		a.opts.Log.Info().Msg("stopping: messages in hand are stored and acknowledged, outputs finish what is in flight; a second signal ends at once")
	case cause = <-failed:
		a.opts.Log.Error().Err(cause).Msg("a part failed: stopping")
	}
	a.ready.Store(false)
	// Each step ends within drainTimeout; what the outputs did not deliver by then stays in the queue.
	drain, done := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer done()
	defer context.AfterFunc(drain, cutConnections)()
	a.shutdownListeners(drain)
	listeners.Wait()
	endDelivery()
	loops.Wait()
	err := errors.Join(cause, a.closeOutputs(), a.queue.Close(), a.status.Shutdown(drain))
	endStatus()
	statusDone.Wait()
	return err
}

// shutdownListeners ends all connections, between two messages as long as ctx lasts.
func (a *App) shutdownListeners(ctx context.Context) {
	errs := make([]error, len(a.listeners))
	var wg sync.WaitGroup
	for i, l := range a.listeners {
		wg.Go(func() { errs[i] = l.Shutdown(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil { // their agents send again what was not acknowledged
		a.opts.Log.Warn().Err(err).Msg("not every connection could be ended in good order")
	}
}

func (a *App) closeOutputs() error {
	var errs []error
	for _, out := range a.outputs {
		if err := out.sender.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close output %s: %w", out.name, err))
		}
	}
	return errors.Join(errs...)
}

// close undoes New.
func (a *App) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	for _, l := range a.listeners {
		errs = append(errs, l.Shutdown(now))
	}
	errs = append(errs, a.closeOutputs())
	if a.queue != nil {
		errs = append(errs, a.queue.Close())
	}
	return errors.Join(errs...)
}

// graveyard stores what outputs refused in the queue's dead letters.
type graveyard struct{ letters *buffer.DeadLetters }

func (g graveyard) Bury(ctx context.Context, refused []delivery.Letter) error {
	letters := make([]buffer.Letter, len(refused))
	for i := range refused {
		r := &refused[i]
		l := buffer.Letter{
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
