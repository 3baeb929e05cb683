package buffer

import (
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Limits is what may be changed while the queue runs. Its path, sync, compression and dedupe_window
// stay until the next Open.
type Limits struct {
	// MaxSize is in bytes where the queue is kept; 0, on disk: 80 % of what was free at the start and what the queue
	// had.
	MaxSize int64
	// MinFreeDisk is in bytes, at most a tenth of the disk, so that a small disk can be used at all.
	MinFreeDisk int64
	// SegmentSize holds from the next segment on.
	SegmentSize int64
	WhenFull    string // block, reject or drop_oldest
	// Outputs bounds what may wait for an output, in bytes on disk; 0 or missing: no bound but MaxSize.
	// At the limit only batches with something for that output wait, are rejected, or make room.
	Outputs map[string]int64
	// Waiting bounds what waits aside for targets, in bytes on disk; 0: a quarter of MaxSize. At the limit, a target
	// that has no less than half an equal share of it is refused more; one that has less is not, so that those that
	// came first leave some.
	Waiting int64
	// Clusters bounds the same of a cluster, each chunk counted once until its last output is done with
	// it. At the limit only batches of that cluster wait or are rejected, and only its chunks dropped.
	Clusters map[string]int64
	// ClusterWhenFull is WhenFull for single clusters, also when the whole queue is full; but then only WhenFull
	// decides whether the oldest segment goes, which may hold chunks of others.
	ClusterWhenFull map[string]string
	DeadLetters     deadletter.Config
}

// WaitingRefuses reports whether a target that has used bytes waiting may not have n more, of limit bytes for all
// targets, which have total: see Limits.Waiting. targets is how many wait.
func WaitingRefuses(limit, total, used, n int64, targets int) bool {
	return total+n > limit && used+n > limit/int64(2*max(1, targets))
}

// Limits returns the limits that c sets, with those of outputs and clusters.
func (c *Config) Limits(outputs, clusters map[string]int64, clusterWhenFull map[string]string) Limits {
	size := c.MaxSize
	if c.JetStream != nil {
		size = c.JetStream.MaxSize
	}
	return Limits{
		MaxSize: int64(size), MinFreeDisk: int64(c.MinFreeDisk), SegmentSize: int64(c.SegmentSize),
		WhenFull: c.WhenFull,
		Outputs:  outputs, Clusters: clusters, ClusterWhenFull: clusterWhenFull, DeadLetters: c.DeadLetters,
		Waiting: int64(c.Waiting.MaxSize),
	}
}
