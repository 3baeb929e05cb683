// Package app makes the program out of its parts: it opens the queue, binds the listeners, runs a delivery loop for each
// output, and stops them all in an order in which nothing that was acknowledged gets lost.
package app

import (
	"context"
	stdtls "crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

const (
	// ingestMemory is what may lie between sockets and queue, in bytes, unless a listener's max_message_size needs more.
	ingestMemory = 64 << 20
	// spareMemory is what is left between sockets and queue for the others when one cluster has all that it may have.
	spareMemory = 16 << 20
	// baseMemory is what the program needs besides, in bytes, on top of what its outputs hold.
	baseMemory = 16 << 20
)

// Options is what the program is made of besides its configuration.
type Options struct {
	ConfigSource string                 // the file's name; "": the defaults
	ConfigHash   string                 // see Loaded
	Load         func() (Loaded, error) // reads the file again; nil: there is none
	Version      string
	Commit       string
	Log          zerolog.Logger
	Now          func() time.Time // nil: time.Now
	Drain        bool             // for Drain instead of Run: nothing listens but the status endpoint, and it is not needed
	NoStatus     bool             // with Drain: nor does that
	LimitMemory  bool             // of the whole process; see limitMemory
}

// App is the program. Make one with New, then Run it once.
type App struct {
	initial *config.Config // what can't change while running is as it says
	opts    Options
	started time.Time
	ready   atomic.Bool

	queue       buffer.Queue
	ingest      *router
	clusters    *cluster.Holder
	budget      *ingest.Budget
	places      *forward.Places
	peers       *forward.Peers
	files       openFiles
	listeners   []*forward.Server
	listenerTLS []*tls.Server // by listener; nil without TLS
	credentials *awsclient.Credentials
	status      *status.Server // nil: none
	statusTLS   *tls.Server    // nil without TLS

	hurry, late       context.Context // end during a stop: outputs give back what they hold; they are not waited for any more
	hurryNow, lateNow context.CancelFunc

	reloading sync.Mutex // one reload at a time
	tried     string     // hash or error of what was loaded last; guarded by reloading

	mu      sync.Mutex
	cfg     *config.Config // in force
	memory  status.Memory
	state   status.ConfigState
	outputs map[string]*output
	retired map[string]past // outputs that are not configured any more
}

// New opens the queue and the outputs and binds all addresses, unless ctx ends before. After an error nothing stays open.
func New(ctx context.Context, cfg *config.Config, o Options) (_ *App, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &App{
		initial: cfg, cfg: cfg, opts: o, started: o.Now(), tried: o.ConfigHash,
		outputs: map[string]*output{}, retired: map[string]past{}, credentials: awsclient.NewCredentials(),
	}
	a.hurry, a.hurryNow = context.WithCancel(context.Background())
	a.late, a.lateNow = context.WithCancel(context.Background())
	a.state = status.ConfigState{Source: o.ConfigSource, Hash: o.ConfigHash, LoadedAt: a.started, Warnings: slices.Clone(cfg.Warnings), Restart: []string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if o.LimitMemory {
		a.memory = limitMemory(cfg, o.Log)
	}
	a.files = shareFiles(processFiles(), cfg)
	a.files.warn(cfg, o.Log)
	routes, registry, err := newRules(cfg)
	if err != nil {
		return nil, err
	}
	a.clusters = cluster.NewHolder(registry)
	limits := queueLimits(cfg)
	a.queue, err = openQueue(cfg.Buffer, buffer.Options{
		Log: part(o.Log, "queue"), Now: o.Now, OutputLimits: limits.Outputs, ClusterLimits: limits.Clusters, ClusterWhenFull: limits.ClusterWhenFull,
		Interrupted: ctx.Err,
	})
	if err != nil {
		return nil, fmt.Errorf("open the queue in %s: %w", cfg.Buffer.Path, err)
	}
	for _, name := range cfg.OutputNames() {
		out, err := a.newOutput(name, cfg)
		if err != nil {
			return nil, fmt.Errorf("outputs.%s: %w", name, err)
		}
		a.outputs[name] = out
	}
	a.ingest = newRouter(a.queue, routes, registry, cfg.Unrouted == "dead_letter", wantsSources(cfg), o.Now, o.Log)
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	return a, a.listenStatus()
}

func (a *App) listenStatus() error {
	if a.opts.NoStatus {
		return nil
	}
	statusTLS, err := a.newStatusTLS()
	if err != nil {
		return err
	}
	s := status.New(status.Options{
		Config: a.initial.Status, TLS: statusTLS, Snapshot: a.snapshot, Ready: a.readiness, Healthy: a.healthy, Reload: a.Reload, Steer: a.steer,
		DeadLetters: a.deadStore(), MaxConnections: a.files.status, Log: part(a.opts.Log, "status"),
	})
	switch err := s.Listen(); {
	case err != nil && !a.opts.Drain:
		return err
	case err != nil:
		a.opts.Log.Warn().Err(err).Msg("there is no status endpoint, and the drain goes on without it")
	default:
		a.status = s
	}
	return nil
}

func part(log zerolog.Logger, name string) zerolog.Logger {
	return log.With().Str("part", name).Logger()
}

func (a *App) listen(ctx context.Context) error {
	share := ingestBudget(a.initial)
	a.budget, a.peers = ingest.NewSharedBudget(share+spareMemory, share), forward.NewPeers()
	if a.files.limit > 0 {
		a.places = forward.NewPlaces(a.files.connections)
	}
	for _, l := range a.listenerConfigs() {
		o := forward.Options{
			Config: l, Hostname: a.initial.Hostname, Clusters: doorkeeper{a.clusters}, Sink: a.ingest, Budget: a.budget, Places: a.places, Peers: a.peers, Log: a.opts.Log,
		}
		var certificates *tls.Server
		if l.TLS != nil {
			var err error
			if certificates, err = tls.NewServer(*l.TLS, tls.Options{Log: a.opts.Log.With().Str("listener", l.Name).Logger(), Now: a.opts.Now}); err != nil {
				return fmt.Errorf("listener %s: %w", l.Name, err)
			}
			o.TLS = certificates.Config()
		}
		a.listenerTLS = append(a.listenerTLS, certificates)
		s, err := forward.Listen(ctx, o)
		if err != nil {
			return err
		}
		a.listeners = append(a.listeners, s)
	}
	return nil
}

// listenerConfigs returns the settings of the listeners that there are.
func (a *App) listenerConfigs() []forward.Config {
	if a.opts.Drain {
		return nil
	}
	return a.initial.Listeners
}

// newStatusTLS loads the status endpoint's certificate; nil where it has none.
func (a *App) newStatusTLS() (*stdtls.Config, error) {
	set := a.initial.Status.TLS
	if set == nil {
		return nil, nil
	}
	certificates, err := tls.NewServer(*set, tls.Options{Log: part(a.opts.Log, "status"), Now: a.opts.Now})
	if err != nil {
		return nil, fmt.Errorf("status.tls: %w", err)
	}
	a.statusTLS = certificates
	return certificates.Config(), nil
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

// ingestBudget returns how many bytes of one cluster may lie between sockets and queue. A message needs up to twice its size there: the
// buffer that it came in and what is made of it for the queue.
func ingestBudget(cfg *config.Config) int64 {
	budget := int64(ingestMemory)
	for _, l := range cfg.Listeners {
		for budget < 2*int64(l.MaxMessageSize) {
			budget *= 2
		}
	}
	return budget
}

// ListenerAddrs returns what the listeners are bound to, in the order of the configuration.
func (a *App) ListenerAddrs() []net.Addr {
	addrs := make([]net.Addr, len(a.listeners))
	for i, l := range a.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// StatusAddr returns what the status endpoint is bound to, nil where there is none.
func (a *App) StatusAddr() net.Addr {
	if a.status == nil {
		return nil
	}
	return a.status.Addr()
}

// StatusURL returns where the status endpoint is reached from this machine, without a path.
func (a *App) StatusURL() string {
	scheme := "http"
	if a.statusTLS != nil {
		scheme = "https"
	}
	return scheme + "://" + a.StatusAddr().String()
}

// close undoes New.
func (a *App) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	for _, l := range a.listeners {
		errs = append(errs, l.Shutdown(now))
	}
	for _, out := range a.outputs {
		errs = append(errs, out.close())
	}
	if a.queue != nil {
		errs = append(errs, a.queue.Close())
	}
	return errors.Join(errs...)
}
