package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/app/deadletters"
	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// engine is a queue with what is its engine's.
type engine struct {
	buffer.Queue
	// certificates are how its servers are trusted; nil: it has none, or no TLS.
	certificates *tls.Client
}

// openQueue opens the queue that the settings name, as host. It is the only function that knows the engines.
func openQueue(ctx context.Context, cfg *buffer.Config, host string, o buffer.Options) (e engine, err error) {
	switch cfg.Type {
	case buffer.TypeJetStream:
		if err := os.MkdirAll(cfg.OwnDir(), 0o750); err != nil {
			return engine{}, fmt.Errorf("make the directory for what outputs note for themselves (buffer.path): %w",
				err)
		}
		set := jetstream.Options{Options: o, Host: host}
		if e.certificates, err = queueTLS(cfg, o.Log, o.Now); err != nil {
			return engine{}, err
		}
		if e.certificates != nil {
			set.TLS = e.certificates.ConfigFor
		}
		q, err := jetstream.Open(ctx, *cfg, set)
		if err != nil {
			// Not q: a queue that is none would be an interface that is not nil.
			return engine{}, err
		}
		e.Queue = q
	default:
		q, err := disk.Open(*cfg, o)
		if err != nil {
			return engine{}, err
		}
		e.Queue = q
	}
	return e, nil
}

// queueTLS reads the certificates for the queue's servers. It returns nil where there is no TLS section.
func queueTLS(cfg *buffer.Config, log zerolog.Logger, now func() time.Time) (*tls.Client, error) {
	if cfg.JetStream == nil || cfg.JetStream.TLS == nil {
		return nil, nil //nolint:nilnil // nil: no TLS
	}
	return tls.NewClient(*cfg.JetStream.TLS, tls.Options{Log: log, Now: now})
}

// agreeWithin bounds agreed: several times as long as the queue waits before it believes the servers.
const agreeWithin = 10 * time.Second

// StateOffline is that of the outputs of a server that does not run.
const StateOffline = "offline"

// OfflineQueue returns what is pending in the queue that cfg names, without asking a server: in the data directory
// cfg.Buffer.Path, which must be there and not in use, or in a stream.
func OfflineQueue(ctx context.Context, cfg *config.Config, log zerolog.Logger) (q client.Queue, err error) {
	if err := DataDirectory(cfg); err != nil {
		return q, fmt.Errorf("there is no data directory: %w", err)
	}
	queue, err := openStopped(ctx, cfg, log)
	if err != nil {
		return q, err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	if !agreed(ctx, queue) {
		log.Warn().Msg("the group's figures don't fit what the servers have yet, as others use the queue: ask again")
	}
	now := time.Now()
	q.Time, q.Outputs = now.UTC(), []client.OutputQueue{}
	st := queue.Stats()
	q.Full = st.Full
	// Sorted by output and cluster.
	for _, w := range st.Waits {
		if w.Pending.Chunks == 0 {
			continue
		}
		if n := len(q.Outputs); n == 0 || q.Outputs[n-1].Output != w.Output {
			q.Outputs = append(q.Outputs, client.OutputQueue{Output: w.Output, State: StateOffline})
		}
		p := client.Pending{
			Events: w.Pending.Events, Chunks: w.Pending.Chunks, Bytes: w.Pending.Bytes, Oldest: age(w.Oldest, now),
		}
		out := &q.Outputs[len(q.Outputs)-1]
		i := slices.IndexFunc(out.Clusters, func(c client.ClusterQueue) bool { return c.Cluster == w.Cluster })
		// Otherwise some of the same cluster waits aside, too.
		if i < 0 {
			i = len(out.Clusters)
			out.Clusters = append(out.Clusters, client.ClusterQueue{Cluster: w.Cluster})
		}
		out.Clusters[i].Add(&p)
		out.Add(&p)
		q.Events += p.Events
		q.Chunks += p.Chunks
		q.Bytes += p.Bytes
		q.Oldest = max(q.Oldest, p.Oldest)
	}
	return q, nil
}

// agreed waits until the figures of a shared queue are what its servers have, since a process that was killed has told
// nobody what it had stored last. It reports whether they are after some seconds, as they may never be where others
// go on to use the queue.
func agreed(ctx context.Context, queue buffer.Queue) bool {
	g, ok := queue.(buffer.Group)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, agreeWithin)
	defer cancel()
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	for !g.Audit().Agrees {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// DataDirectory returns an error where the queue is to be in a directory that is not there, or that no server has used:
// opened, it would be an empty queue, and nothing would seem to wait.
func DataDirectory(cfg *config.Config) error {
	if cfg.Buffer.Type == buffer.TypeJetStream {
		return nil
	}
	names, err := os.ReadDir(cfg.Buffer.Path)
	if err != nil {
		return err
	}
	for _, e := range names {
		if disk.Owns(e.Name()) {
			return nil
		}
	}
	return fmt.Errorf("%s has no queue in it: name the directory that the server has as buffer.path", cfg.Buffer.Path)
}

// openStopped opens the queue of a server that does not run, or, in a stream, whether one runs or not. Nothing is
// evicted from its dead letters. Where nothing can be stored, as the servers of the stream are away, that is an error.
func openStopped(ctx context.Context, cfg *config.Config, log zerolog.Logger) (buffer.Queue, error) {
	dir, limits, b := cfg.Buffer.Place(), queueLimits(cfg), cfg.Buffer
	b.DeadLetters = deadletter.Config{}
	queue, err := openQueue(ctx, &b, cfg.Hostname, buffer.Options{
		Log: log, OutputLimits: limits.Outputs, ClusterLimits: limits.Clusters, ClusterWhenFull: limits.ClusterWhenFull,
	})
	if errors.Is(err, buffer.ErrInUse) {
		return nil,
			fmt.Errorf(
				"a server uses the data directory %s: leave out --data-dir to ask that server, by --status or -c: %w",
				dir, err,
			)
	}
	if err != nil {
		return nil, fmt.Errorf("open the queue in %s: %w", dir, err)
	}
	if cfg.Buffer.Type == buffer.TypeJetStream {
		if err := queue.Ready(); err != nil {
			return nil, errors.Join(fmt.Errorf("open the queue in %s: %w", dir, err), queue.Close())
		}
	}
	return queue.Queue, nil
}

// OfflineDeadLetters are the dead letters of a data directory that no server uses.
type OfflineDeadLetters struct{ deadletters.Store }

// OpenDeadLetters opens the queue that cfg names for its dead letters; a data directory must be there and not in use;
// what a retry puts into the queue is delivered after the next start. Nothing is evicted.
func OpenDeadLetters(
	ctx context.Context, cfg *config.Config, configured bool, log zerolog.Logger,
) (*OfflineDeadLetters, error) {
	if dir := cfg.Buffer.Path; cfg.Buffer.Type != buffer.TypeJetStream {
		if _, err := os.Stat(filepath.Join(dir, "dead")); err != nil {
			return nil, fmt.Errorf("%s is no data directory with dead letters: %w", dir, err)
		}
	}
	routes, registry, err := routing.Arrival(cfg)
	if err != nil {
		return nil, err
	}
	queue, err := openStopped(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	return &OfflineDeadLetters{deadletters.Store{
		Queue: queue, Config: func() *config.Config { return cfg }, Now: time.Now, Log: log, Unconfigured: !configured,
		Rules: func() deadletters.Rules { return deadletters.Rules{Routes: routes, Clusters: registry} },
	}}, nil
}

// Close gives the directory back.
func (d *OfflineDeadLetters) Close() error { return d.Queue.Close() }
