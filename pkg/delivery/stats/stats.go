// Package stats counts what a loop of the delivery does, knows how its output does, and tells the log of it.
package stats

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// Stats is a snapshot of a Loop. Events are counted once, when the chunk that they came in is Done:
// what the queue took in for the output is the sum of delivered, dropped, dead and what it has pending.
type Stats struct {
	Output string
	// Clusters are ascending by name.
	Clusters []Cluster
	// Sends counts those that ended, well or not.
	Sends uint64
	// Failures is how many of Sends did not deliver all of their events.
	Failures uint64
	// Retried counts events to be sent again, by reason.
	Retried map[string]uint64
	// InFlight counts sends under way.
	InFlight int
	// Oldest is when the first of these began; zero: there are none.
	Oldest time.Time
	// Concurrency is how many sends may be under way now, 1 to Common.Workers: see pacing.ConcurrencyLimiter.
	Concurrency int
	// Targets is those with the most events first, at most about 200, and the rest together at the end.
	Targets []Target
	// Waiting is the targets that take no events, ascending.
	Waiting []WaitingTarget
	// Held is the clusters that wait until what was refused of them is taken, ascending.
	Held []string
	// Latency is that of sends.
	Latency metric.Snapshot
	// DeliveryLatency is the time of events from when they were stored to when the destination had them.
	DeliveryLatency metric.Snapshot
	// PausedSince is zero where it is not paused.
	PausedSince time.Time
	Health
}

// Health is how an output does.
type Health struct {
	// Failing is the reason why nothing is delivered: events wait to be sent again, and for steady none got through. ""
	// where any does: then what waits is the destination's trouble with these events.
	Failing string
	// FailingSince is zero where Failing is "".
	FailingSince time.Time
	// BackoffUntil is when a batch is sent again; zero when none waits.
	BackoffUntil time.Time
	// LastError is for everybody.
	LastError string
	// LastDetail is the same with the destination's words, for who may see records.
	LastDetail  string
	LastErrorAt time.Time
	// LastErrorOver is when it was past; zero while it is not.
	LastErrorOver time.Time
	// LastSuccess is that of a send that delivered anything.
	LastSuccess time.Time
}

// WaitingTarget is a target that takes no events at the moment, and for which some wait aside.
type WaitingTarget struct {
	Target string
	// Since is when it refused one first; or of the start, where it refused them before.
	Since time.Time
	// Next is when it is tried again; zero: it is being tried.
	Next time.Time
	// Tries counts those that failed in a row.
	Tries int
	// Status is that of the last refusal; as in outputs.Failure, as the next are.
	Status int
	Kind   string
	// Detail is for those who may see records.
	Detail string
	// Remedy is what to do, for everybody; "": nothing is known.
	Remedy string
	// Partial says that it refuses some events only: others for it are sent.
	Partial bool
	// Flowing says that it takes events again: those that wait are being sent.
	Flowing bool
	// Full says that so much waits that new events become dead letters.
	Full bool
}

// Cluster counts the events of one cluster. Bytes are msgpack.
type Cluster struct {
	Cluster   string
	Delivered uint64
	// Bytes is that of Delivered.
	Bytes uint64
	// Dropped is by reason.
	Dropped map[string]uint64
	// Dead is by reason; on disk as dead letters.
	Dead map[string]uint64
}
