package resend

import (
	"math"
	"slices"
	"sync/atomic"
)

// maxUnsettled bounds how many acks of a connection are in doubt, but for those of its last commit: with a client that
// sends far ahead of them, the earliest count as received.
const maxUnsettled = 1024

// End is how a connection ended, as far as it matters to its acks.
type End uint8

// The ends of connections, and what they say of the acks whose arrival nobody has confirmed.
const (
	// Broken connections lose them: a reset, a failed write, a fault of the client's, or the program's own end.
	Broken End = iota
	// Left connections were closed by one side in good order, but not all that was written has reached the client's
	// kernel.
	Left
	// Closed ones were closed by one side in good order, when all that was written had reached it.
	Closed
	// Idle ones were closed because their clients had not sent anything for so long that they have no need to send
	// again.
	Idle
)

// Received reports whether a client has the acks after such an end.
func (e End) Received() bool { return e == Closed || e == Idle }

// Written is how far the acks have come that a connection's client has not confirmed.
type Written int32

// How far acks have come.
const (
	Nothing Written = iota // there are none, or the connection ends as the server wants it to
	Pending                // none is written yet
	Some                   // some are written, or just being
)

// Tracker works out which acks of one connection its client has. It is the connection's goroutine's, but for Written.
// Facts have to be told in their order. Positions are counted in bytes of messages since the connection's beginning.
//
// An ack counts as received once the client has begun a message after it was written. A client that doesn't wait for
// its acks may have sent that, and closed, long before they were written or read: then the message must be farther
// behind them than the client was ever ahead, twice as far as it was seen to be, since it may send faster than it is
// read.
type Tracker struct {
	settle func(commits int, received bool)
	// written is a Written.
	written atomic.Int32

	// commits are those that are not settled, in order.
	commits []commit
	// acks is that of commits.
	acks int
	// came counts bytes ever.
	came uint64
	// begun is where the newest message begins.
	begun uint64
	// asked counts messages that want an ack, ever.
	asked uint64
	// newest is what asked is with the newest message.
	newest uint64
	// ahead is the most of them that the client was seen to send without the ack of the first; 1: it waits.
	ahead uint64
}

// commit is a commit whose acks are not settled.
type commit struct {
	acks int
	// last is Tracker.asked, of its last message.
	last uint64
	// sent is Tracker.came, with what had come and was not read, when its acks were about to be written.
	sent uint64
}

// NewTracker returns the Tracker of a new connection. settle is called with how many of the earliest commits that are
// not settled yet are so now, and whether their acks were received; see [Window.Settle].
func NewTracker(settle func(commits int, received bool)) *Tracker { return &Tracker{settle: settle} }

// Came tells that n bytes were read. begins: they begin a message.
func (t *Tracker) Came(n int, begins bool) {
	if begins {
		t.begun, t.newest = t.came, t.asked+1
	}
	t.came += uint64(n)
}

// Asked tells that a message which wants an ack is complete. It began where the last n bytes do.
func (t *Tracker) Asked(n int) {
	t.asked++
	began := t.came - uint64(n)
	for _, c := range slices.Backward(t.commits) {
		if c.sent <= began {
			return
		}
		t.ahead = max(t.ahead, t.asked-c.last+uint64(c.acks))
	}
}

// Begun tells that another message begins where the last n bytes do.
func (t *Tracker) Begun(n int) { t.begun, t.newest = t.came-uint64(n), t.asked+1 }

// Confirm settles the acks that the client had when it began its newest message. left is asked where it matters whether
// the client may have closed the connection with acks unread: then only the connection's end tells.
func (t *Tracker) Confirm(left func() bool) {
	behind := t.ahead
	if t.ahead > 1 {
		if left() {
			return
		}
		behind *= 2
	}
	n := 0
	for n < len(t.commits) && t.commits[n].sent <= t.begun && t.commits[n].last+behind <= t.newest {
		n++
	}
	if n > 0 {
		t.settled(n, true)
	}
}

// Storing tells that acks are wanted of what is about to be committed. Nothing else is being committed.
func (t *Tracker) Storing(acks int) {
	t.written.Store(int32(Pending))
	for t.acks > maxUnsettled {
		t.settled(1, true)
	}
	t.commits = append(t.commits, commit{acks: acks, last: t.asked, sent: math.MaxUint64})
	t.acks += acks
}

// Writing tells that the acks of what was committed are about to be written, while so many bytes have come and are not
// read.
func (t *Tracker) Writing(unread uint64) {
	c := &t.commits[len(t.commits)-1]
	t.ahead = max(t.ahead, uint64(c.acks))
	c.sent = t.came + unread
	t.written.Store(int32(Some))
}

// Parting tells that the server has said that it ends the connection: that the client closes it now says nothing of its
// acks.
func (t *Tracker) Parting() { t.written.Store(int32(Nothing)) }

// Written returns how far the acks have come that are not settled. It may be called by anybody at any time.
func (t *Tracker) Written() Written { return Written(t.written.Load()) }

// Unsettled reports whether there are acks that are not settled.
func (t *Tracker) Unsettled() bool { return len(t.commits) > 0 }

// End tells how the connection ended, and settles all acks.
func (t *Tracker) End(e End) {
	if len(t.commits) > 0 {
		t.settled(len(t.commits), e.Received())
	}
}

func (t *Tracker) settled(commits int, received bool) {
	t.settle(commits, received)
	for _, c := range t.commits[:commits] {
		t.acks -= c.acks
	}
	t.commits = slices.Delete(t.commits, 0, commits)
}
