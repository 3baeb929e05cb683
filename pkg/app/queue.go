package app

import (
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
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// openQueue opens the queue that the settings name. It is the only line that knows an engine.
func openQueue(cfg buffer.Config, o buffer.Options) (buffer.Queue, error) {
	q, err := disk.Open(cfg, o)
	if err != nil {
		return nil, err // not q: a queue that is none would be an interface that is not nil
	}
	return q, nil
}

// StateOffline is that of the outputs of a server that does not run.
const StateOffline = "offline"

// OfflineQueue returns what is pending in the data directory cfg.Buffer.Path, which must be there and not in use.
func OfflineQueue(cfg *config.Config, log zerolog.Logger) (q client.Queue, err error) {
	if _, err := os.Stat(cfg.Buffer.Path); err != nil {
		return q, fmt.Errorf("there is no data directory: %w", err)
	}
	queue, err := openStopped(cfg, log)
	if err != nil {
		return q, err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	now := time.Now()
	q.Time, q.Outputs = now.UTC(), []client.OutputQueue{}
	st := queue.Stats()
	q.Full = st.Full
	for _, w := range st.Waits { // sorted by output and cluster
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
		if i < 0 { // else some of the same cluster waits aside, too
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

// openStopped opens the queue of a server that does not run. Nothing is evicted from its dead letters.
func openStopped(cfg *config.Config, log zerolog.Logger) (buffer.Queue, error) {
	dir, limits, b := cfg.Buffer.Path, queueLimits(cfg), cfg.Buffer
	b.DeadLetters = deadletter.Config{}
	queue, err := openQueue(b, buffer.Options{
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
	return queue, nil
}

// OfflineDeadLetters are the dead letters of a data directory that no server uses.
type OfflineDeadLetters struct{ deadletters.Store }

// OpenDeadLetters opens the queue in cfg.Buffer.Path, which must be there and not in use, for its dead letters; what a
// retry puts into the queue is delivered after the next start. Nothing is evicted.
func OpenDeadLetters(cfg *config.Config, configured bool, log zerolog.Logger) (*OfflineDeadLetters, error) {
	dir := cfg.Buffer.Path
	if _, err := os.Stat(filepath.Join(dir, "dead")); err != nil {
		return nil, fmt.Errorf("%s is no data directory with dead letters: %w", dir, err)
	}
	routes, registry, err := routing.Arrival(cfg)
	if err != nil {
		return nil, err
	}
	queue, err := openStopped(cfg, log)
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
