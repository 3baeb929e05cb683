package account

import (
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// settleAfter is how many times in a row the servers must have counted otherwise than the group, with nothing moving,
// before they are believed: what is under way is counted a moment later.
const settleAfter = 5

// Audit remembers where the servers count otherwise than the group: a process has died before it told what it had
// counted last. Not safe for concurrent use.
type Audit struct {
	suspects map[subject.Place]suspect
}

// suspect is a place where the servers count otherwise than the group.
type suspect struct {
	stored int64
	counts ledger.Counts
	turns  int
}

// NewAudit returns an Audit that suspects nothing.
func NewAudit() *Audit { return &Audit{suspects: map[subject.Place]suspect{}} }

// Compare holds what the servers have stored, in chunks, against the book. It returns the places at which they are to
// be believed, since they have counted otherwise for a while in which nothing has moved.
func (a *Audit) Compare(b *Book, stored map[subject.Place]int64) Corrections {
	wrong := Corrections{}
	places := map[subject.Place]bool{}
	b.Places(func(p subject.Place) { places[p] = true })
	for p := range stored {
		places[p] = true
	}
	for p := range places {
		sum := b.sum(p)
		pending := sum.Pending()
		empty := pending.Chunks == 0 && (pending.Events != 0 || pending.Bytes != 0)
		s := a.suspects[p]
		switch {
		case pending.Chunks == stored[p] && !empty:
			delete(a.suspects, p)
			continue
		case s.stored != stored[p] || s.counts != sum:
			s = suspect{stored: stored[p], counts: sum}
		}
		s.turns++
		a.suspects[p] = s
		if s.turns >= settleAfter {
			wrong[p] = correction{pending, stored[p]}
		}
	}
	return wrong
}

// Settled forgets all suspects, once corrections were made.
func (a *Audit) Settled() { clear(a.suspects) }

// Corrections is what the servers are to be believed in, by place.
type Corrections map[subject.Place]correction

type correction struct {
	pending buffer.Count // as the group has counted
	stored  int64        // chunks, as the servers have
}

// Apply adds to t what makes the sum of all tables fit.
func (c Corrections) Apply(t ledger.Table) {
	for p, one := range c {
		correct(t.At(p), one.pending, one.stored)
	}
}

// correct makes what is pending fit the number of chunks that the servers have.
func correct(c *ledger.Counts, pending buffer.Count, stored int64) {
	if stored > pending.Chunks {
		more := buffer.Count{Chunks: stored - pending.Chunks, Events: stored - pending.Chunks}
		if pending.Chunks > 0 {
			more.Events = pending.Events * more.Chunks / pending.Chunks
			more.Bytes = pending.Bytes * more.Chunks / pending.Chunks
		}
		c[ledger.Found] = ledger.Plus(c[ledger.Found], more, 1)
		return
	}
	fewer := pending
	if stored > 0 {
		fewer.Chunks = pending.Chunks - stored
		fewer.Events = pending.Events * fewer.Chunks / pending.Chunks
		fewer.Bytes = pending.Bytes * fewer.Chunks / pending.Chunks
	}
	c[ledger.Done] = ledger.Plus(c[ledger.Done], fewer, 1)
}
