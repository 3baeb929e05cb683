package buffer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Queue stores chunks until every output that wants them is done with them: see the package's documentation for what it
// promises. Safe for concurrent use.
type Queue interface {
	// NewBatch returns an empty batch for the connection conn; one goroutine at a time may use it.
	NewBatch(conn uint64) Batch
	// Settle and Gone: see ingest.Sink.
	Settle(conn uint64, commits int, received bool)
	Gone(conn uint64)
	// MaxChunk is how many bytes of entries one call of Batch.Add may have, at most.
	MaxChunk() int

	// Source returns what waits for the output. One Source per output name; the same one again for the same name. Names
	// that were never asked for keep their backlog.
	Source(output string) Source
	// Waiting returns what waits aside for a target of the output: see Source.SettlePart. It is a source like others,
	// with turns, holds and a place in Stats of its own.
	Waiting(output, target string) Source
	// Purge forgets all that waits for the output, such as one that left the configuration, but not what waits aside
	// for its targets, and returns how much that was. What is handed out at the moment is left to its holder.
	Purge(output string) Count
	// PurgeWaiting does the same with what waits aside for a target.
	PurgeWaiting(output, target string) Count

	// Requeue stores events again that were dead letters, all of one cluster and all or none of them. It is idempotent
	// by ID: what is in the queue under an ID already is passed over, until ForgetRequeued. Between the two calls the
	// letters are deleted. A crash at any moment leaves each event in the queue or among the dead letters: the letters
	// of what Requeue had stored by then are deleted when the queue opens again.
	//
	// It never waits for room and drops nothing to make some: ErrFull.
	Requeue(ctx context.Context, items []RequeueItem) error
	// ForgetRequeued says that the letters of these IDs are gone.
	ForgetRequeued(ids []uint64) error
	// DeadLetters returns the dead letters that live where the queue lives, and close with it.
	DeadLetters() deadletter.Store

	// ID returns the queue's own number, which stays the same over restarts.
	ID() [16]byte
	// Capabilities returns what the engine does beyond the contract.
	Capabilities() Capabilities
	// SetLimits replaces all limits, for what waits already too. The maps are kept.
	SetLimits(to Limits)
	// Stats returns a snapshot for the status endpoint. Stats, Ready and Beats wait for no disk and no network.
	Stats() Stats
	// Ready returns why nothing can be stored now, nil where something can.
	Ready() error
	// Beats returns what the queue's loops are at.
	Beats() []heartbeat.Beat
	// Close waits for commits under way, saves what outputs have finished and closes the files. What is handed out is
	// handed out again after the next opening. A second Close does nothing.
	Close() error
}

// Capabilities are what an engine may do, and need not.
type Capabilities struct {
	// Durable engines keep what Commit has returned nil for over the end of the process.
	Durable bool
	// ReturnsInOrder engines hand out a returned chunk before later ones of its cluster. Others hand it out again at
	// any time.
	ReturnsInOrder bool
	// Lease is how long a chunk may be held without KeepAlive before it is handed out again, perhaps by another
	// process. 0: until Close.
	Lease time.Duration
	// NoFreshShare engines hand out the oldest first, whatever Source.SetFreshShare says.
	NoFreshShare bool
}

// Message is what the queue needs to know of an agent's message before its entries.
type Message struct {
	Cluster string
	Tag     string
	// Chunk is the agent's chunk option; "" where it asked for no ack.
	Chunk string
	// Outputs is who wants it; kept, not copied, and never changed.
	Outputs []string
	// Source is who sent it, see event.Source; "": that is not kept.
	Source string
}

// ReasonTooLarge is why an event that is larger than the engine can store is a dead letter.
const ReasonTooLarge = "too_large"

// Batch gathers messages for one commit. See ingest.Batch, which it is like.
type Batch interface {
	// Begin starts a message.
	Begin(m Message)
	// Add appends well-formed entries to the message begun last: events counts them without group markers; nanos says
	// that at least one has a time with nanoseconds. entries may be reused after Add. It returns how many of the events
	// are each larger than the engine can store: those are kept as Reject does, with the reason ReasonTooLarge.
	Add(entries []byte, events int, nanos bool) (rejected int)
	// Reject keeps the bytes as a dead letter of no output, durable with the batch. raw may be reused after.
	Reject(raw []byte, events int, reason string)
	// Abandon forgets the message begun last.
	Abandon()
	// Size returns the bytes of memory that the batch holds.
	Size() int
	// Doubts is to be asked once all messages are there: see ingest.Batch. Who doesn't ask may see resends stored
	// twice.
	Doubts() []uint64
	// Commit returns nil once all is stored, and empties the batch in any case. ErrFull with when_full: reject;
	// ErrTooLarge; ctx's error when it ends while waiting for room (nothing was stored); ErrClosed after Close. After
	// another error, and after any of a batch larger than a transaction, part of it may have been stored, so a resend
	// may double events, never lose any.
	Commit(ctx context.Context) error
	// Repeated returns what of the batch that Commit has stored last was sent again, and so was not stored again.
	Repeated() Duplicates
	// Reset empties the batch without storing it.
	Reset()
}

// Source hands out the chunks that wait for one output, or aside for one of its targets. Safe for concurrent use.
//
// A chunk that Next has returned is the caller's until Done, Return or SettlePart, which take its memory back: neither
// it nor what it points to may be read after that. Called again for the same chunk they do nothing.
type Source interface {
	// Next returns the next chunk: clusters take turns by bytes, one cluster's chunks come in the order in which they
	// were stored. It blocks until there is one or ctx ends; ErrClosed after Close.
	Next(ctx context.Context) (*event.Chunk, error)
	// Done forgets c for this source. It is saved a moment later: a crash repeats c, with the same event ids.
	Done(c *event.Chunk)
	// Return gives c back unfinished: Next will hand it out again, with Again set; see Capabilities.ReturnsInOrder.
	Return(c *event.Chunk)
	// SettlePart forgets c for this source but for the rests, which it has stored first, in one transaction, in c's
	// place: a crash loses nothing of either, and once the rests are stored, and Filtered, c is not repeated. The rests
	// are handed out as chunks of their own, after what waits already, with c's time of receipt. After an error nothing
	// was settled, and c is still the caller's. It never waits for room, and takes none of what max_size leaves to
	// agents: ErrFull says that the disk has none, ErrWaitingFull that Limits.Waiting leaves none for a rest's target.
	SettlePart(ctx context.Context, c *event.Chunk, rests []Rest) error
	// SettleParts is SettlePart for several chunks, in one transaction: all of them are settled, or none is.
	SettleParts(ctx context.Context, list []Settlement) error
	// Pending returns what is not finished, with what is handed out.
	Pending() Count
	// SetFreshShare has Next hand out, while what waits is older than FreshAge, about that share of the bytes from what
	// was stored within FreshAge, from 0, which is the oldest first, to 1. Order holds among these, and among the
	// others.
	SetFreshShare(share float64)
	// KeepAlive says that the caller still works on c: see Capabilities.Lease.
	KeepAlive(c *event.Chunk)
	// Hold makes Next pass the cluster over until Release; its chunks stay pending. Both may be called any number of
	// times. A hold is not stored.
	Hold(cluster string)
	Release(cluster string)
	// ReleaseEntries takes the memory of c's Entries back, which are nil then. Nobody may read them meanwhile. c stays
	// the caller's.
	ReleaseEntries(c *event.Chunk)
}

// FreshAge is how long ago a chunk was received that counts as new: see Source.SetFreshShare.
const FreshAge = 30 * time.Second

// FreshTurn says whose turn it is to hand out something: that of what is new, or of the oldest. Not safe for concurrent
// use.
type FreshTurn struct {
	Share      float64
	fresh, all float64 // bytes handed out lately
}

// Fresh reports whether something new is to be handed out next.
func (f *FreshTurn) Fresh() bool { return f.Share > 0 && f.fresh < f.Share*f.all || f.Share >= 1 }

// Took notes that a chunk of so many bytes was handed out while old ones wait.
func (f *FreshTurn) Took(bytes int64, fresh bool) {
	f.all += float64(bytes)
	if fresh {
		f.fresh += float64(bytes)
	}
	if f.all > freshMemory {
		f.all, f.fresh = f.all/2, f.fresh/2
	}
}

// freshMemory is after how many bytes a FreshTurn forgets half of what was.
const freshMemory = 64 << 20

// Settlement is a chunk that is settled but for the rests.
type Settlement struct {
	Chunk *event.Chunk
	Rests []Rest
}

// Rest is events of a chunk that an output is not done with.
type Rest struct {
	// Output is the output that they go to; "": the same as before. Another one counts them as Wait.Returned.
	Output string
	// Target is whom they wait for aside, until somebody takes them from Queue.Waiting; "": they go back to the output.
	// A chunk that waits aside goes back to its output, too, by SettlePart with a rest without a target.
	Target string
	// Entries are well-formed, with as many events as Parts have together: as they were stored or, with Filtered, as
	// the filters have left them. They may be reused after the call.
	Entries  []byte
	Filtered bool
	// NewTag is the tag of Filtered entries, where the filters have changed it: see event.Chunk.
	NewTag string
	// Parts are which events they are, in order, so that their ids stay the same. An event that stands for several has
	// a part of its own.
	Parts []event.Part
}

// Errors that a caller decides on.
var (
	// ErrFull is returned when a limit is reached and when_full is reject.
	ErrFull = errors.New("queue is full")
	// ErrWaitingFull is wrapped by the WaitingFullError that SettlePart returns where what waits aside has reached its
	// limit.
	ErrWaitingFull = errors.New("no more may wait aside: buffer.waiting.max_size is reached")
	// ErrTooLarge is returned by Commit for entries over MaxChunk. It will not fit later either.
	ErrTooLarge = errors.New("larger than a chunk of the queue may be")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("queue is closed")
	// ErrInUse is returned on opening where another process has the directory.
	ErrInUse = errors.New("is in use")
)

// WaitingFullError is ErrWaitingFull, with the first target that may not have more.
type WaitingFullError struct{ Output, Target string }

func (e *WaitingFullError) Error() string {
	return fmt.Sprintf("target %q of output %s: %v", e.Target, e.Output, ErrWaitingFull)
}

// Unwrap returns ErrWaitingFull.
func (*WaitingFullError) Unwrap() error { return ErrWaitingFull }
