// Package delivery carries chunks from the queue to an output: it fills batches, repeats what
// failed, and settles every event as delivered, dropped or dead.
//
// An event's way, file by file: loop.go starts the goroutines; feeder.go takes chunks from the source; filterstage.go
// brings their events through the rules; batcher.go cuts batches; sender.go sends them, and classify.go reads what the
// destination says; retrypool.go keeps what is sent again apart from its batch; aside.go stores what
// waits for a target that takes no events, and prober.go sends it once that does; deadlettersink.go keeps what is
// never delivered; and chunkref.go tells the source when the last event of a chunk has its outcome. No file calls one
// that stands above it. What they share lies below, in work.go and in packages: the outcomes of events, when to send
// (pacing), which targets events wait for (waiting), what waits aside of a chunk (rests), and what is counted (stats).
package delivery

import (
	"context"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Source hands out the chunks that wait for the output. Safe for concurrent use.
type Source interface {
	// Next blocks until a chunk waits or ctx ends. The chunk is the caller's until Done or Return.
	Next(ctx context.Context) (*event.Chunk, error)
	// Done: every event of c is settled; the queue forgets it for this output.
	Done(c *event.Chunk)
	// Return gives c back unfinished; it will be handed out again.
	Return(c *event.Chunk)
	// Hold makes Next pass the cluster over until Release. Both may be called any number of times.
	Hold(cluster string)
	Release(cluster string)
	// ReleaseEntries takes the memory of c's Entries back, before Done or Return. c stays the caller's, who reads
	// them no more.
	ReleaseEntries(c *event.Chunk)
	// SettleParts, Pending and SetFreshShare: see buffer.Source.
	SettleParts(ctx context.Context, list []buffer.Settlement) error
	Pending() buffer.Count
	SetFreshShare(share float64)
}

// Aside is where events of the output wait for their targets. Safe for concurrent use.
type Aside interface {
	// Waiting returns what waits aside for the target.
	Waiting(target string) Source
	// Targets returns the targets that something waits for.
	Targets() []string
}

// DeadLetters keeps events that will never be delivered. Safe for concurrent use.
type DeadLetters interface {
	// Add returns nil once the events are on disk. After an error none or some of them are.
	Add(ctx context.Context, letters []DeadLetter) error
}

// DeadLetter is an event that was refused for good, or bytes of a chunk that can't be read.
type DeadLetter struct {
	// Event may be nil for bytes that can't be read, and where nobody knows which events were refused.
	Event *event.Event
	// Chunk is where the event came from.
	Chunk *event.Chunk
	// Raw is the unreadable bytes, where there is no Event.
	Raw []byte
	// Events is 1, or how many events Raw held when it was stored, or how many nobody knows.
	Events int
	Output string
	// Status is the destination's status code, 0 where it has none.
	Status int
	// Reason is a metric label: an outputs.Reason, or one of the reasons below.
	Reason string
	// Detail is the destination's words.
	Detail string
	// Attempts is how often it was sent.
	Attempts int
	// Unnamed is as in outputs.Failure.
	Unnamed bool
}

// Reasons of dead letters besides an output's own.
const (
	// ReasonMaxAttempts says that retry.max_attempts was reached.
	ReasonMaxAttempts = "max_attempts"
	// ReasonMaxAge says that retry.max_age was reached.
	ReasonMaxAge = "max_age"
	// ReasonTargetWaits says that so much waits for the target already that it may not wait, too.
	ReasonTargetWaits = "target_waits"
	// ReasonDamaged is that the stored bytes can't be read any more.
	ReasonDamaged = "damaged"
)
