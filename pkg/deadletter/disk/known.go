package disk

import (
	"context"
	"hash/maphash"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// maxKnown is how many letters a generation of known has. More are seldom refused by all the batches in
// hand together; they take about 100 bytes each.
const maxKnown = 1 << 15

// known remembers which events are dead letters: what was in hand when a loop or the process ended comes
// again, and is refused again, but must not become a second letter. It holds the newest letters, and only
// such as are there: what is deleted, evicted or about to go back into the queue is forgotten.
type known struct {
	seed       maphash.Seed
	young, old knownLetters
}

type knownLetters struct {
	numbers map[letterEvent]uint64
	// events is the reverse.
	events map[uint64]letterEvent
}

// letterEvent is an event that an output refused.
type letterEvent struct {
	output, id string
	// entry is its hash, as two events have one id where an agent reuses a chunk's id.
	entry uint64
}

func newKnown() known { return known{seed: maphash.MakeSeed()} }

func (k *known) event(l *deadletter.Letter) letterEvent {
	return letterEvent{l.Output, l.EventID, maphash.Bytes(k.seed, l.Entry)}
}

func newKnownLetters() knownLetters {
	return knownLetters{map[letterEvent]uint64{}, map[uint64]letterEvent{}}
}

func (k *known) has(l *deadletter.Letter) bool {
	e := k.event(l)
	_, young := k.young.numbers[e]
	_, old := k.old.numbers[e]
	return young || old
}

func (k *known) add(l *deadletter.Letter) {
	if l.EventID == "" {
		return
	}
	e := k.event(l)
	if len(k.young.numbers) >= maxKnown || k.young.numbers == nil {
		k.young, k.old = newKnownLetters(), k.young
	}
	k.young.numbers[e], k.young.events[l.ID] = l.ID, e
}

func (k *known) forget(number uint64) {
	for _, g := range [...]knownLetters{k.young, k.old} {
		if e, ok := g.events[number]; ok {
			delete(g.events, number)
			delete(g.numbers, e)
		}
	}
}

// forgetFile forgets the letters of f.
func (k *known) forgetFile(f *file) {
	for _, g := range [...]knownLetters{k.young, k.old} {
		for number := range g.events {
			if number >= f.first && number <= f.last {
				k.forget(number)
			}
		}
	}
}

// Recall has d know the newest letters that an earlier run left. Of two with the same event it deletes the older one.
func (d *Store) Recall() {
	n := 0
	// twice is an event that was refused again within a retry of its letter, when the process ended.
	var twice []uint64
	err := d.each(context.Background(), &deadletter.Filter{}, deadletter.Page{Newest: true},
		func(l *deadletter.Letter) bool {
			if d.known.has(l) {
				// Each holds d.mu.
				twice = append(twice, l.ID)
			} else {
				d.known.add(l)
			}
			n++
			return n < maxKnown
		})
	if err == nil && len(twice) > 0 {
		_, err = d.remove(context.Background(), twice, false)
	}
	if err != nil {
		d.log.Warn().Err(err).
			Msg("can't read the dead letters that are there: events that come again may become second letters")
	}
}

// forget has d not know the letters any more, as their events are about to go back into the queue: what
// is refused after that is a letter of its own.
func (d *Store) forget(numbers []uint64) {
	d.mu.Lock()
	defer d.unlock()
	for _, n := range numbers {
		d.known.forget(n)
	}
}
