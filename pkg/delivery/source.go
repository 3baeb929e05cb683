// Package delivery carries chunks from the queue to an output: it fills batches, repeats what
// failed, and settles every event as delivered, dropped or dead.
package delivery

import (
	"context"

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
}

// DeadLetters keeps events that will never be delivered.
type DeadLetters interface {
	// Bury returns nil once the events are on disk.
	Bury(ctx context.Context, letters []Letter) error
}

// Letter is an event that was refused for good.
type Letter struct {
	Event    *event.Event
	Output   string
	Status   int
	Reason   string // metric label
	Detail   string // the destination's words
	Attempts int
}
