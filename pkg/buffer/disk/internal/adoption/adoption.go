// Package adoption takes over what other queues hand over, once each, across crashes. It knows the notes of that, and
// the queue as something that stores chunks.
package adoption

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Store is the queue that takes over.
type Store interface {
	// Reserve returns the sequence number from which on chunks lie that are stored from now on, and has segments with
	// such stay though nobody wants what they hold.
	Reserve() (next uint64)
	// Keep has segments with chunks from that number on stay, and no others.
	Keep(next uint64)
	// Headers calls see for the header of each chunk from that number on that can be read.
	Headers(next uint64, see func(*chunk.Header)) error
	// Adopt stores chunks of the queue with that number.
	Adopt(ctx context.Context, from [16]byte, chunks []buffer.Handed) error
	// AddLetters stores dead letters.
	AddLetters(ctx context.Context, letters []deadletter.Letter) error
}

// Adopter takes over what other queues hand over. Their chunks come in order of their numbers, so the highest one tells
// all that is here already. It is noted before each transaction from which sequence number on chunks with higher ones
// may lie: after a crash they tell themselves, and their segments stay until then.
type Adopter struct {
	dir   string
	log   zerolog.Logger
	store Store

	// mu is one adoption at a time; it is held while the disk is written.
	mu  sync.Mutex
	all map[[16]byte]*adoption
}

// adoption is what was adopted of one queue. Pending is that of the note on disk.
type adoption struct {
	statefile.Adoption
	// unsure says that a write has failed: what lies from Pending on tells what was adopted, after the next start.
	unsure bool
}

// Open reads the notes in the queue's directory. Recover must come before anything is stored.
func Open(dir string, store Store, log zerolog.Logger) (*Adopter, error) {
	a := &Adopter{dir: dir, log: log, store: store, all: map[[16]byte]*adoption{}}
	notes, err := statefile.Adoptions(dir)
	if err != nil {
		return nil, fmt.Errorf("read what was handed over: %w", err)
	}
	for i := range notes {
		a.all[notes[i].Queue] = &adoption{Adoption: notes[i]}
	}
	return a, nil
}

// Pending reports whether a run before ended within an adoption.
func (a *Adopter) Pending() bool {
	for _, n := range a.all {
		if n.Pending != 0 {
			return true
		}
	}
	return false
}

// Recover finds out which chunks were adopted when a run before ended. It is for the start, before anything is stored.
// What goes wrong is logged, and tried again at the next start.
func (a *Adopter) Recover() {
	for _, n := range a.all {
		if n.Pending == 0 {
			continue
		}
		err := a.store.Headers(n.Pending, func(h *chunk.Header) {
			if h.Origin.Queue == n.Queue {
				n.Seq = max(n.Seq, h.Origin.Seq)
			}
		})
		if err == nil {
			err = a.write(n, 0)
		}
		if err != nil {
			n.unsure = true
			a.log.Error().Err(err).Msg("can't find out what was handed over before: some of it may be stored again")
		}
	}
	a.store.Keep(a.oldest())
}

// of returns what is noted of the queue. a.mu is held.
func (a *Adopter) of(from [16]byte) *adoption {
	n := a.all[from]
	if n == nil {
		n = &adoption{Adoption: statefile.Adoption{Queue: from}}
		a.all[from] = n
	}
	return n
}

// write notes n, and that its next chunks may lie from the sequence number pending on; 0: none may. a.mu is held.
func (a *Adopter) write(n *adoption, pending uint64) error {
	noted := n.Adoption
	if noted.Pending = pending; n.unsure {
		noted.Pending = n.Pending
	}
	if err := noted.Write(a.dir); err != nil {
		// Which of the notes is there is not known.
		n.unsure = n.unsure || n.Pending != 0
		return err
	}
	n.Adoption = noted
	return nil
}

// Adopt is that of buffer.Taker.
func (a *Adopter) Adopt(ctx context.Context, from [16]byte, chunks []buffer.Handed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.of(from)
	for len(chunks) > 0 && chunks[0].Seq <= n.Seq {
		chunks = chunks[1:]
	}
	if len(chunks) == 0 {
		return nil
	}
	if err := a.write(n, a.store.Reserve()); err != nil {
		return err
	}
	// What the note before said is settled by this one.
	a.store.Keep(a.oldest())
	err := a.store.Adopt(ctx, from, chunks)
	if err == nil {
		n.Seq = chunks[len(chunks)-1].Seq
		return nil
	}
	// After a failed write it may be stored nevertheless.
	n.unsure = n.unsure || !errors.Is(err, buffer.ErrFull) && !errors.Is(err, buffer.ErrClosed) && ctx.Err() == nil
	return fmt.Errorf("take over chunks %d to %d: %w", chunks[0].Seq, chunks[len(chunks)-1].Seq, err)
}

// oldest returns from which sequence number on chunks may lie that a start after a crash has to find. a.mu is held.
func (a *Adopter) oldest() uint64 {
	next := uint64(math.MaxUint64)
	for _, n := range a.all {
		if n.Pending != 0 {
			next = min(next, n.Pending)
		}
	}
	return next
}

// AdoptLetters is that of buffer.Taker.
func (a *Adopter) AdoptLetters(ctx context.Context, from [16]byte, letters []deadletter.Letter) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.of(from)
	for len(letters) > 0 && letters[0].ID <= n.Letter {
		letters = letters[1:]
	}
	if len(letters) == 0 {
		return nil
	}
	if err := a.store.AddLetters(ctx, letters); err != nil {
		return fmt.Errorf("take over dead letters %d to %d: %w", letters[0].ID, letters[len(letters)-1].ID, err)
	}
	n.Letter = letters[len(letters)-1].ID
	return a.write(n, n.Pending)
}

// Adopted is that of buffer.Taker.
func (a *Adopter) Adopted(from [16]byte) (seq, letter uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.all[from]; n != nil {
		return n.Seq, n.Letter
	}
	return 0, 0
}

// Rest is buffer.Taker's RestAdoption.
func (a *Adopter) Rest(from [16]byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.all[from]; n != nil && n.Pending != 0 {
		if err := a.write(n, 0); err != nil {
			return err
		}
	}
	a.store.Keep(a.oldest())
	return nil
}

// End is buffer.Taker's EndAdoption.
func (a *Adopter) End(from [16]byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.all[from]
	if n == nil {
		return nil
	}
	if err := n.Remove(a.dir); err != nil {
		return err
	}
	delete(a.all, from)
	a.store.Keep(a.oldest())
	return nil
}
