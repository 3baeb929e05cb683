// Package ingest is what any listener needs to store what it receives: the sink that takes it, and the budget of memory
// between the sockets and the queue.
package ingest

import "context"

// Sink stores what connections receive. The program joins it to the routes and the queue.
type Sink interface {
	// NewBatch returns an empty batch for the connection conn, for that connection's goroutine alone.
	NewBatch(conn uint64) Batch
	// Settle tells what became of the acks of conn's earliest commits that are not settled yet; commits
	// counts those of batches with a chunk id, and more than there are means all. received: the agent
	// began a next message or closed in good order after them, so it has them and a chunk id seen
	// again is a new chunk. Not received: an ack could not be written or the connection broke, so the
	// agent may send the same chunks again.
	Settle(conn uint64, commits int, received bool)
	// Gone tells that conn's client has closed the connection: it can't have the acks that are not settled yet. A
	// Settle follows.
	Gone(conn uint64)
}

// Batch is what one connection stores with one commit: the complete messages of one read.
type Batch interface {
	// From tells who sends, before the first Begin: the peer's address, "" where it has none, and the hostname that it
	// claims, "" where it claimed none.
	From(address, hostname string)
	// Begin starts a message. chunk is the agent's chunk option, "" where it asked for no ack.
	Begin(cluster, tag, chunk string)
	// Add appends well-formed entries to the message: events counts them without group markers;
	// nanos says that at least one has a time with nanoseconds. entries may be reused after Add.
	// Pieces of one message may come in any number of calls, each ending between two entries.
	Add(entries []byte, events int, nanos bool)
	// Reject appends entries of the message that can't be delivered, for the dead letters: raw
	// msgpack bytes of events entries that follow each other, and why. raw may be reused after.
	Reject(raw []byte, events int, reason string)
	// Drop counts events of the message that a rule drops: "metrics", "traces", ….
	Drop(events int, rule string)
	// Abandon forgets the message begun last: it turned out to be broken.
	Abandon()
	// Size returns the bytes of memory that the batch holds.
	Size() int
	// Doubts returns other connections of which the Sink has to hear, by Gone and before Commit, if their clients have
	// closed them, to tell what agents send again from what is new: mostly none. Of the batch's own it has to hear
	// before Doubts.
	Doubts() []uint64
	// Commit returns nil once every message of the batch is stored for good, and so may be acked,
	// and empties the batch. After an error no ack may be sent. It blocks while the queue is full and
	// set to block.
	Commit(ctx context.Context) error
	// Reset empties the batch without storing it.
	Reset()
}
