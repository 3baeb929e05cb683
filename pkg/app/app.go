// Package app makes the program out of its parts: it opens the queue, binds the listeners, runs a delivery loop for
// each output, and stops them all in an order in which nothing that was acknowledged gets lost.
package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/app/deadletters"
	"github.com/seed-afc6a195/aggregator/pkg/app/internal/router"
	"github.com/seed-afc6a195/aggregator/pkg/app/resources"
	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
	"github.com/seed-afc6a195/aggregator/pkg/tap"
	"github.com/seed-afc6a195/aggregator/pkg/trace"
)

// Options is what the program is made of besides its configuration.
type Options struct {
	// ConfigSource is the file's name; "": the defaults.
	ConfigSource string
	// ConfigHash is as in Loaded.
	ConfigHash string
	// Load reads the file again; nil: there is none.
	Load    func() (Loaded, error)
	Version string
	Commit  string
	Log     zerolog.Logger
	// Now may be nil: time.Now.
	Now func() time.Time
	// For Drain instead of Run: nothing listens but the status endpoint, and it is not needed.
	Drain bool
	// NoStatus says that, with Drain, the status endpoint does not start either.
	NoStatus bool
	// LimitMemory is of the whole process; see limitMemory.
	LimitMemory bool
	// Inherited returns the sockets that the process was given for a listener of that name and address, nil for none;
	// nil: it was given none.
	Inherited func(name, address string) (net.Listener, net.PacketConn)
}

// App is the program. Make one with New, then Run it once.
type App struct {
	opts Options
	// initial is the configuration that says what can't change while running.
	initial *config.Config
	started time.Time
	ready   atomic.Bool

	settings  settings
	queue     engine
	shared    *shared
	clusters  *cluster.Holder
	router    *router.Router
	listeners listeners
	outputs   outputSet
	status    endpoint
	tail      tail.Hub
	stopping  stopSignals
}

// New opens the queue and the outputs and binds all addresses, unless ctx ends before. After an error nothing stays
// open.
func New(ctx context.Context, cfg *config.Config, o Options) (_ *App, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &App{initial: cfg, opts: o, started: o.Now(), stopping: newStopSignals()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	var memory status.Memory
	if o.LimitMemory {
		memory = resources.LimitMemory(cfg, o.Log)
	}
	a.settings.begin(cfg, &o, memory, a.started)
	files := resources.ShareFiles(resources.ProcessFiles(), cfg)
	files.Warn(cfg, o.Log)
	a.listeners = newListeners(cfg, files)
	routes, registry, err := routing.Arrival(cfg)
	if err != nil {
		return nil, err
	}
	a.clusters = cluster.NewHolder(registry)
	limits := queueLimits(cfg)
	a.queue, err = openQueue(ctx, &cfg.Buffer, cfg.Hostname, buffer.Options{
		Log: part(o.Log, "queue"), Now: o.Now, OutputLimits: limits.Outputs, ClusterLimits: limits.Clusters,
		ClusterWhenFull: limits.ClusterWhenFull, Interrupted: ctx.Err,
	})
	if err != nil {
		return nil, fmt.Errorf("open the queue in %s: %w", cfg.Buffer.Place(), err)
	}
	a.shared = newShared(a.queue.Queue, o.Now)
	if err := a.makeOutputs(); err != nil {
		return nil, err
	}
	a.router = router.New(a.queue.Queue, router.RulesOf(cfg, routes, registry), o.Now, o.Log)
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	return a, a.listenStatus()
}

// makeOutputs makes the outputs of the first configuration. They do nothing yet.
func (a *App) makeOutputs() error {
	a.outputs.tail, a.outputs.route = &a.tail, a.certainRoute
	a.outputs.ledger = trace.NewLedger(traced, a.opts.Now)
	a.outputs.queue, a.outputs.log, a.outputs.brief = a.queue.Queue, a.opts.Log, a.opts.Drain
	a.outputs.force, a.outputs.abandon = a.stopping.force, a.stopping.abandon
	a.outputs.current, a.outputs.retired = map[string]*output{}, map[string]retiredOutput{}
	a.outputs.deps = senderDeps{
		log: a.opts.Log, now: a.opts.Now, hostname: a.initial.Hostname, stateDir: a.initial.Buffer.OwnDir(),
		credentials: awsclient.NewCredentials(),
	}
	for _, name := range a.initial.OutputNames() {
		out, err := newOutput(name, a.initial, a.outputs.deps)
		if err != nil {
			return fmt.Errorf("outputs.%s: %w", name, err)
		}
		a.outputs.add(out)
	}
	return nil
}

// listen binds the listeners. For a drain there are none.
func (a *App) listen(ctx context.Context) error {
	if a.opts.Drain {
		return nil
	}
	o := forward.Options{
		Hostname: a.initial.Hostname, Clusters: authenticator{a.clusters}, Sink: tap.Sink(&a.tail, a.router),
		Log: a.opts.Log, Handover: a.takeOver,
	}
	for _, set := range a.initial.Listeners {
		if o.Listener, o.Packets = nil, nil; a.opts.Inherited != nil {
			o.Listener, o.Packets = a.opts.Inherited(set.Name, set.Address)
		}
		if err := a.listeners.bind(ctx, set, o, a.opts.Now); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) listenStatus() error {
	if a.opts.NoStatus {
		return nil
	}
	err := a.status.listen(status.Options{
		Config: a.initial.Status, Snapshot: a.snapshot, Ready: a.readiness, Healthy: a.healthy, Reload: a.Reload,
		ControlOutput: a.controlOutput, ControlTarget: a.controlTarget, DeadLetters: a.deadLetters(), Trace: a.trace,
		Tail:           a.liveViews(),
		MaxConnections: a.listeners.files.Status,
		Log:            part(a.opts.Log, "status"),
	}, a.opts.Now)
	if err != nil && a.opts.Drain {
		a.opts.Log.Warn().Err(err).Msg("there is no status endpoint, and the drain goes on without it")
		err = nil
	}
	return err
}

// deadLetters returns what the status endpoint does with the queue's dead letters.
func (a *App) deadLetters() deadletters.Store {
	return deadletters.Store{
		Queue: a.queue.Queue, Config: a.settings.current, Now: a.opts.Now, Log: a.opts.Log,
		Rules: func() deadletters.Rules {
			r := a.router.Rules()
			return deadletters.Rules{Routes: r.Routes, Clusters: r.Clusters}
		},
	}
}

// controlOutput does what was asked of an output at the status endpoint.
func (a *App) controlOutput(name, what string) (done string, err error) {
	// Outputs neither come nor go meanwhile.
	a.settings.reloading.Lock()
	defer a.settings.reloading.Unlock()
	if done, err = a.outputs.control(a.settings.current(), name, what); err == nil {
		a.spread(context.Background(), name, what)
	}
	return done, err
}

// controlTarget does what was asked at the status endpoint with what waits aside for a target of an output.
func (a *App) controlTarget(ctx context.Context, name, what, target, to string) (done string, err error) {
	// Outputs neither come nor go meanwhile.
	a.settings.reloading.Lock()
	defer a.settings.reloading.Unlock()
	return a.outputs.controlTarget(ctx, a.settings.current(), name, what, target, to)
}

func part(log zerolog.Logger, name string) zerolog.Logger {
	return log.With().Str("part", name).Logger()
}

// queueLimits returns the limits of the queue, with those of its outputs and clusters.
func queueLimits(cfg *config.Config) buffer.Limits {
	outputs, clusters, whenFull := map[string]int64{}, map[string]int64{}, map[string]string{}
	for name, out := range cfg.Outputs {
		outputs[name] = int64(out.Common.MaxQueueSize)
	}
	for _, c := range cfg.Clusters {
		clusters[c.Name], whenFull[c.Name] = int64(c.MaxQueueSize), c.WhenFull
	}
	return cfg.Buffer.Limits(outputs, clusters, whenFull)
}

// ListenerAddrs returns what the listeners are bound to, in the order of the configuration.
func (a *App) ListenerAddrs() []net.Addr { return a.listeners.addrs() }

// StatusAddr returns what the status endpoint is bound to, nil where there is none.
func (a *App) StatusAddr() net.Addr { return a.status.addr() }

// StatusURL returns where the status endpoint is reached from this machine, without a path.
func (a *App) StatusURL() string { return a.status.url() }

// close undoes New.
func (a *App) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	err := errors.Join(a.listeners.shutdown(now), a.outputs.close())
	if a.queue.Queue != nil {
		err = errors.Join(err, a.queue.Close())
	}
	return err
}
