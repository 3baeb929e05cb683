package delivery

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// Stats is a snapshot of a Loop. Events are counted once, when the chunk that they came in is Done:
// what the queue took in for the output is the sum of delivered, dropped, dead and what it has pending.
type Stats struct {
	Output   string
	Clusters []ClusterStats    // ascending by name
	Sends    uint64            // that ended, well or not
	Failures uint64            // of Sends: those that did not deliver all of their events
	Retried  map[string]uint64 // events to be sent again, by reason
	InFlight int               // sends under way
	Oldest   time.Time         // when the first of these began; zero: there are none
	// Concurrency is how many sends may be under way now, 1 to Common.Workers: see concurrencyLimiter.
	Concurrency int
	Held        []string        // clusters that wait until what was refused of them is taken, ascending
	Latency     metric.Snapshot // of sends
	Paused      bool

	// Failing is the reason why nothing is delivered: events wait to be sent again, and for steady none got through. ""
	// where any does: then what waits is the destination's trouble with these events.
	Failing       string
	FailingSince  time.Time // zero where Failing is ""
	BackoffUntil  time.Time // when a batch is sent again; zero when none waits
	LastError     string    // for everybody
	LastDetail    string    // the same with the destination's words, for who may see records
	LastErrorAt   time.Time
	LastErrorOver time.Time // when it was past; zero while it is not
	LastSuccess   time.Time // of a send that delivered anything
}

// ClusterStats counts the events of one cluster. Bytes are msgpack.
type ClusterStats struct {
	Cluster   string
	Delivered uint64
	Bytes     uint64            // of Delivered
	Dropped   map[string]uint64 // by reason
	Dead      map[string]uint64 // by reason; on disk as dead letters
}
