package app

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

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
		p := client.Pending{Events: w.Pending.Events, Chunks: w.Pending.Chunks, Bytes: w.Pending.Bytes, Oldest: age(w.Oldest, now)}
		out := &q.Outputs[len(q.Outputs)-1]
		out.Clusters = append(out.Clusters, client.ClusterQueue{Cluster: w.Cluster, Pending: p})
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
		return nil, fmt.Errorf("a server uses the data directory %s: leave out --data-dir to ask that server, by --status or -c: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the queue in %s: %w", dir, err)
	}
	return queue, nil
}
