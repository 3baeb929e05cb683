package buffer

import (
	"context"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Handed is a chunk on its way from one queue to another, with all that is owed of it. Seq is its number in the queue
// that it comes from; its parts have the keys that its events' ids are made of, wherever it is stored.
type Handed struct {
	event.Chunk
	// Owes are those that are not done with it, at least one.
	Owes []Owing
}

// Owing is an output that is not done with a chunk, or one of its targets, for which the chunk waits aside.
type Owing struct{ Output, Target string }

// Giver is an engine whose contents can be looked through, and handed over to another queue.
type Giver interface {
	// Owed calls yield for each chunk that at least one output wants, ascending by Seq, until that returns an error,
	// which Owed returns. The chunk and its bytes are yield's until it returns. What is damaged is set aside, as in
	// Source.Next. It leaves out nothing else: where something can't be read now, that is an error. It takes nothing,
	// and may be called beside sources: what is done meanwhile may be among the chunks.
	Owed(ctx context.Context, yield func(*Handed) error) error
	// Given forgets the chunks of these numbers for all outputs. Nobody takes chunks from the sources meanwhile. It
	// returns once that is stored.
	Given(seqs []uint64) error
}

// Taker is an engine that takes what other queues hand over.
type Taker interface {
	// Adopt stores chunks of the queue whose own number is from, with their times of receipt and for all that they owe,
	// in one transaction: all or none. Seqs ascend, also from call to call; what is not above the highest one that was
	// ever adopted of that queue is there already and passed over, so a call may be repeated, also after a crash of
	// either side. It never waits for room and drops nothing to make some: ErrFull.
	Adopt(ctx context.Context, from [16]byte, chunks []Handed) error
	// AdoptLetters does the same with dead letters, whose IDs are those of the queue that they come from. Where a crash
	// comes between letters and note, a letter without event id may be there twice.
	AdoptLetters(ctx context.Context, from [16]byte, letters []deadletter.Letter) error
	// Adopted returns the highest numbers of chunks and letters that were adopted of the queue, 0 where there are none.
	Adopted(from [16]byte) (seq, letter uint64)
	// RestAdoption says that nothing comes of the queue for a while: what was kept so that a crash could be told is let
	// go.
	RestAdoption(from [16]byte) error
	// EndAdoption says that the queue has nothing left: what was adopted of it is not remembered any more.
	EndAdoption(from [16]byte) error
}
