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
	Waits      []Wait // per output and cluster, sorted
	Duplicates map[string]Duplicates

	// Bytes is what the queue takes where it is kept.
	Bytes    int64
	MaxBytes int64 // buffer.max_size in force
	// WaitingBytes is what waits aside for targets, of all outputs, and MaxWaiting buffer.waiting.max_size in force.
	WaitingBytes, MaxWaiting int64
	Full                     string       // why nothing can be stored, "" where it can
	Clusters                 []ClusterUse // sorted by name
	Disk                     *DiskStats   // details of an engine on a disk of its own; nil: it has none

	Batches       uint64 // commits that connections made
	Commits       uint64 // transactions that held them
	CommitLatency metric.Snapshot
	// CommitWait is how long each transaction waited for more batches.
	CommitWait   metric.Snapshot
	CommitCauses map[string]uint64 // transactions by why they waited no longer; nil: the engine does not wait
	Waiting      int               // batches that are not stored yet

	LostEvents int64 // in chunks found damaged, each counted once
	Dead       deadletter.Stats
}

// DiskStats is what only an engine on a disk of its own can tell.
type DiskStats struct {
	Segments int
	SetAside int   // segments, chunks and state found damaged
	Free     int64 // bytes of the disk when it was last asked
	MinFree  int64 // buffer.min_free_disk in force
}

// ClusterUse is what the queue holds of one cluster.
type ClusterUse struct {
	Cluster string
	Bytes   int64  // on disk, of chunks that at least one output wants, each counted once
	Limit   int64  // max_queue_size in force, 0: none
	Waiting int    // batches that are not stored yet
	Why     string // why the first of these waits for room, "" where it doesn't
}

// Wait is what one output has of one cluster. Found + Appended = Done + Dropped + Purged + Lost + Given + Pending.
type Wait struct {
	Output string
	// Target is what waits aside for this target of the output; "": what waits for the output itself.
	Target     string
	Cluster    string
	Configured bool  // Source was asked for the output
	Pending    Count // not finished, with what is handed out
	// Oldest is when the oldest pending chunk was stored; zero: none is pending.
	Oldest   time.Time
	Found    Count // pending at the start
	Appended Count
	Returned Count // of Appended: dead letters that are sent again, and what came from another output by SettlePart
	Rest     Count // of Appended: what SettlePart has put in a chunk's place
	Adopted  Count // of Appended: what another queue has handed over
	Given    Count // handed over to another queue
	Done     Count
	Moved    Count // of Done: what SettlePart has sent to another output
	Dropped  Count // by when_full: drop_oldest
	Purged   Count
	Lost     Count // damaged on disk
}

// Duplicates counts what was sent again, acked and not stored.
type Duplicates struct {
	Messages, Events int64
	Rejected         map[string]int64 // of Events, by reason: those that are dead letters since they came first
}
