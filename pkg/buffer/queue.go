// Package buffer is the durable queue between the agents' acks and the outputs, and the store of
// dead letters.
package buffer

import (
	"context"
	"errors"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Queue stores chunks until every output that wants them is done with them. It is the only place
// that the promise "what was acknowledged is never lost" rests on. Safe for concurrent use.
type Queue interface {
	// NewBatch returns an empty batch for the connection conn; one goroutine at a time may use it.
	NewBatch(conn uint64) Batch
	// Settle and Gone: see forward.Sink.
	Settle(conn uint64, commits int, received bool)
	Gone(conn uint64)
	// Source returns what waits for the output. One Source per output name; the same one again for
	// the same name. Names that were never asked for keep their backlog.
	Source(output string) Source
	// Purge forgets all that waits for the output, such as one that left the configuration, and returns how much that
	// was. What is handed out at the moment is left to its holder.
	Purge(output string) Count
	// Requeue stores events again that were dead letters, all of one cluster and all or none of them. It is idempotent by ID:
	// what is in the queue under an ID already is passed over, until ForgetRequeued. Between the two calls the letters are
	// deleted. A crash at any moment leaves each event in the queue or among the dead letters: what Requeue had stored then
	// is deleted there when the queue opens again.
	//
	// It never waits for room and drops nothing to make some: ErrFull.
	Requeue(ctx context.Context, items []RequeueItem) error
	// ForgetRequeued says that the letters of these IDs are gone.
	ForgetRequeued(ids []uint64) error
	// DeadLetters returns the dead letters that live where the queue lives, and close with it.
	DeadLetters() deadletter.Store
	// ID returns the queue's own number, which stays the same over restarts.
	ID() [16]byte
	// SetLimits replaces all limits, for what waits already too. The maps are kept.
	SetLimits(to Limits)
	// Stats returns a snapshot for the status endpoint.
	Stats() Stats
	// Ready returns why nothing can be stored now, nil where something can. It waits for no disk and no network.
	Ready() error
	// Beats returns what the queue's loops are at. It waits for no disk and no network.
	Beats() []heartbeat.Beat
	// Close waits for commits under way, saves what outputs have finished and closes the files.
	Close() error
}

// Message is what the queue needs to know of an agent's message before its entries.
type Message struct {
	Cluster string
	Tag     string
	Chunk   string   // the agent's chunk option; "" where it asked for no ack
	Outputs []string // who wants it; kept, not copied
}

// Batch gathers messages for one commit. See forward.Batch, which it satisfies but for Begin.
type Batch interface {
	Begin(m Message)
	Add(entries []byte, events int, nanos bool)
	// Reject keeps the bytes as a dead letter of no output, durable with the batch.
	Reject(raw []byte, events int, reason string)
	Abandon()
	Size() int
	// Doubts is to be asked once all messages are there; see forward.Batch. Who doesn't ask may see resends stored twice.
	Doubts() []uint64
	// Commit returns nil once all is on disk: it survives SIGKILL and power loss. ErrFull with
	// when_full: reject; ctx's error when it ends while waiting for room (nothing was stored);
	// ErrClosed after Close. After another error, and after any of a batch larger than a transaction,
	// part of it may have been stored, so a resend may double events, never lose any.
	Commit(ctx context.Context) error
	// Repeated returns what of the batch that Commit has stored last was sent again, and so was not stored again.
	Repeated() Duplicates
	Reset()
}

// Source hands out the chunks that wait for one output. Safe for concurrent use.
type Source interface {
	// Next returns the next chunk: clusters take turns by bytes, one cluster's chunks come in order
	// of sequence. It blocks until there is one or ctx ends. The chunk belongs to the caller until
	// Done or Return, which take its memory back.
	Next(ctx context.Context) (*event.Chunk, error)
	// Done forgets c for this output.
	Done(c *event.Chunk)
	// Return gives c back unfinished: Next will hand it out again, before later ones of its cluster.
	Return(c *event.Chunk)
	// Hold makes Next pass the cluster over until Release; its chunks stay pending. Both may be called
	// any number of times. A hold is not stored.
	Hold(cluster string)
	Release(cluster string)
	// Shed takes the memory of c's Entries back, which are nil then. Nobody may read them meanwhile.
	// c stays the caller's.
	Shed(c *event.Chunk)
}

// Errors that a caller decides on.
var (
	// ErrFull is returned when a limit is reached and when_full is reject.
	ErrFull = errors.New("queue is full")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("queue is closed")
	// ErrInUse is returned by Open where another process has the directory.
	ErrInUse = errors.New("is in use")
)
