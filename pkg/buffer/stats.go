package buffer

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// Count is a number of chunks, with their events and their bytes on disk.
type Count struct{ Chunks, Events, Bytes int64 }

// Stats is a snapshot of the queue. What is counted is counted since the start.
type Stats struct {
	// Waits are per output and cluster, sorted.
	Waits      []Wait
	Duplicates map[string]Duplicates

	// Bytes is what the queue takes where it is kept.
	Bytes    int64
	MaxBytes int64 // buffer.max_size in force
	// WaitingBytes is what waits aside for targets, of all outputs, and MaxWaiting buffer.waiting.max_size in force.
	WaitingBytes, MaxWaiting int64
	// Full is why nothing can be stored, "" where it can.
	Full string
	// Clusters are sorted by name.
	Clusters []ClusterUse
	Disk     *DiskStats // details of an engine on a disk of its own; nil: it has none

	// Batches counts commits that connections made.
	Batches       uint64
	Commits       uint64 // transactions that held them
	CommitLatency metric.Snapshot
	// CommitWait is how long each transaction waited for more batches.
	CommitWait   metric.Snapshot
	CommitCauses map[string]uint64 // transactions by why they waited no longer; nil: the engine does not wait
	// Waiting counts batches that are not stored yet.
	Waiting int

	// LostEvents is in chunks found damaged, each counted once.
	LostEvents int64
	Dead       deadletter.Stats
}

// DiskStats is what only an engine on a disk of its own can tell.
type DiskStats struct {
	Segments int
	// SetAside counts segments, chunks and state found damaged.
	SetAside int
	// Free counts bytes of the disk when it was last asked.
	Free    int64
	MinFree int64 // buffer.min_free_disk in force
}

// ClusterUse is what the queue holds of one cluster.
type ClusterUse struct {
	Cluster string
	// Bytes is on disk, of chunks that at least one output wants, each counted once.
	Bytes int64
	Limit int64 // max_queue_size in force, 0: none
	// Waiting counts batches that are not stored yet.
	Waiting int
	// Why is why the first of these waits for room, "" where it doesn't.
	Why string
}

// Wait is what one output has of one cluster. Found + Appended = Done + Dropped + Purged + Lost + Given + Pending.
type Wait struct {
	Output string
	// Target is what waits aside for this target of the output; "": what waits for the output itself.
	Target     string
	Cluster    string
	Configured bool // Source was asked for the output
	// Pending is not finished, with what is handed out.
	Pending Count
	// Oldest is when the oldest pending chunk was stored; zero: none is pending.
	Oldest   time.Time
	Found    Count // pending at the start
	Appended Count
	// Returned is what of Appended are dead letters that are sent again, or came from another output by SettlePart.
	Returned Count
	// Rest is what of Appended SettlePart has put in a chunk's place.
	Rest Count
	// Adopted is what of Appended another queue has handed over.
	Adopted Count
	Given   Count // handed over to another queue
	Done    Count
	// Moved is what of Done SettlePart has sent to another output.
	Moved Count
	// Dropped is by when_full: drop_oldest.
	Dropped Count
	Purged  Count
	Lost    Count // damaged on disk
}

// Duplicates counts what was sent again, acked and not stored.
type Duplicates struct {
	Messages, Events int64
	// Rejected is of Events, by reason: those that are dead letters since they came first.
	Rejected map[string]int64
}
