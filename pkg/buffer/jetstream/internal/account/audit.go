package account

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// settleAfter is how many times in a row the servers must have counted otherwise than the group, with nothing moving,
// before they are believed: what is under way is counted a moment later.
const settleAfter = 3

// Audit remembers where the servers count otherwise than the group: a process has died before it told what it had
// counted last, or the servers have handed out again what was finished, or have lost something. Not safe for concurrent
// use.
type Audit struct {
	mismatches map[subject.Place]mismatch
	// last is the number of the stream's newest message, and lost how many numbers it has gone back by: so many
	// messages that it had acknowledged are gone.
	last, lost uint64
}

// mismatch is a place where the servers count otherwise than the group.
type mismatch struct {
	stored int64
	counts ledger.Counts
	turns  int
}

// NewAudit returns an Audit that has compared nothing.
func NewAudit() *Audit { return &Audit{mismatches: map[subject.Place]mismatch{}} }

// Stored is what the stream has.
type Stored struct {
	// Chunks are by place.
	Chunks map[subject.Place]int64
	// Last is the number of the newest message that it ever had.
	Last uint64
	// First is since when the oldest message is there.
	First time.Time
}

// Compare holds what the servers have against the book. It returns the places at which they are to be believed, since
// they have counted otherwise for a while in which nothing has moved.
func (a *Audit) Compare(b *Book, has Stored) Corrections {
	if has.Last < a.last {
		a.lost += a.last - has.Last
	}
	a.last = has.Last
	stored, wrong := has.Chunks, Corrections{}
	places := map[subject.Place]bool{}
	b.Places(func(p subject.Place) { places[p] = true })
	for p := range stored {
		places[p] = true
	}
	for p := range places {
		sum := b.sum(p)
		pending := sum.Pending()
		empty := pending.Chunks == 0 && (pending.Events != 0 || pending.Bytes != 0)
		s := a.mismatches[p]
		switch {
		case pending.Chunks == stored[p] && !empty, b.flight[p] != 0:
			delete(a.mismatches, p)
			continue
		case s.stored != stored[p] || s.counts != sum:
			s = mismatch{stored: stored[p], counts: sum}
		}
		s.turns++
		a.mismatches[p] = s
		if s.turns >= settleAfter {
			wrong[p] = correctionOf(pending, stored[p])
		}
	}
	if len(a.mismatches) == 0 {
		// Whatever was lost is accounted for.
		a.lost = 0
	}
	return wrong
}

// Agrees reports whether the servers counted as the group does when they were compared last.
func (a *Audit) Agrees() bool { return len(a.mismatches) == 0 }

// Settled forgets all mismatches, once corrections were made. Until the next comparison it doesn't agree.
func (a *Audit) Settled(c Corrections) {
	for p := range c {
		a.mismatches[p] = mismatch{}
	}
}

// Lost splits off the corrections that tell of chunks which the servers have lost, as the numbers of their messages
// show: what is missing then was not finished by a process that has died.
func (a *Audit) Lost(c Corrections) Corrections {
	lost := Corrections{}
	for p, one := range c {
		if a.lost > 0 && one.kind == ledger.Done {
			lost[p] = one
			delete(c, p)
		}
	}
	return lost
}

// Corrections is what the servers are to be believed in, by place.
type Corrections map[subject.Place]correction

// correction is what has to be counted so that the sum of all tables fits.
type correction struct {
	// kind is Found or Done.
	kind  ledger.Kind
	count buffer.Count
}

// Apply counts what makes the sum of all tables fit.
func (c Corrections) Apply(t ledger.Table) {
	for p, one := range c {
		counts := t.At(p)
		counts[one.kind] = ledger.Plus(counts[one.kind], one.count, 1)
	}
}

// Count calls f with what was counted too little at each place.
func (c Corrections) Count(f func(subject.Place, buffer.Count)) {
	for p, one := range c {
		f(p, one.count)
	}
}

// correctionOf returns what makes what is pending, as the group has counted, fit the number of chunks that the servers
// have. How many events those have is guessed, and put right when nothing is stored any more.
func correctionOf(pending buffer.Count, stored int64) correction {
	more := stored - pending.Chunks
	switch {
	case stored == 0 && more >= 0:
		return correction{ledger.Found, ledger.Plus(buffer.Count{}, pending, -1)}
	case stored == 0:
		return correction{ledger.Done, pending}
	case pending.Chunks <= 0:
		return correction{ledger.Found, ledger.Plus(buffer.Count{Chunks: stored, Events: stored}, pending, -1)}
	}
	part := func(n int64) int64 { return max(0, n) * max(more, -more) / pending.Chunks }
	guess := buffer.Count{Chunks: max(more, -more), Events: part(pending.Events), Bytes: part(pending.Bytes)}
	if more > 0 {
		return correction{ledger.Found, guess}
	}
	return correction{ledger.Done, guess}
}
