package ingest

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxPooled is the most that a Budget keeps of freed buffers for the next taker, in bytes.
	maxPooled = 16 << 20
	// minBuffer is the smallest buffer that a Budget hands out. Connections have their first bytes of their own.
	minBuffer = 16 << 10
	// patience is how long a taker waits for memory before those that hold some and do nothing with it have to go.
	patience = time.Second
	// progressStep is what a peer has to send for its connection to count as making progress, in bytes.
	progressStep = 16 << 10
)

// Why memory can't be had.
var (
	ErrOverBudget = errors.New("it needs more memory than the whole budget")
	ErrEvicted    = errors.New(
		"its memory was needed by others that waited for it, and it had made no progress for a while",
	)
)

// Budget bounds the memory of everything between the sockets and the queue, of all listeners together: receive
// buffers, windows of decompression and batches not yet stored. What is charged follows what arrived, never what
// a header claims. Who finds no room waits in turn, and its connection is not read meanwhile, which TCP tells the peer.
//
// Waiting can't last for ever. Memory is held in one of two ways. Some holders work: they parse, or commit, and
// will give back what they hold by themselves (while the queue is full and blocks, all wait, as they should). The
// others depend on somebody else: on their peer, or on the budget itself. If those who work can't make the room that
// the first in line has waited for longer than patience, the others that made no progress for as long lose their
// connections, the longest idle first, until there is room enough. Nothing that they hold was acked, so their agents
// send it again. The first in line itself is spared, so each round somebody goes on: many who hold a part each of
// what they need can't block each other.
//
// So that it seldom comes to that, a quarter is kept for messages that are complete: however much is being received,
// they can be stored, which frees what they hold. Who waits in order to store is served first.
//
// No cluster has more than its share, so that one that floods, or whose queue is full, leaves room for the others. What
// waits for its own cluster's share is passed over by them, and makes room within its cluster only.
type Budget struct {
	max int64
	// share is the most of one cluster.
	share int64

	mu   sync.Mutex
	used int64
	// shares are what is used, by cluster.
	shares  map[string]int64
	peak    int64
	evicted uint64
	// waiting are served in the order in which they came.
	waiting [purposes][]*waiter
	holders map[*Reservation]struct{}
	pooled  int64
	// pool is by size.
	pool map[int][][]byte
}

// Purpose is what memory is taken for.
type Purpose uint8

// The purposes. What is complete comes first: it is what gives memory back.
const (
	// ToStore is that a complete message is to be stored.
	ToStore Purpose = iota
	// ToReceive is that the next bytes of a message are to come.
	ToReceive
	purposes
)

// NewBudget returns a budget of maximum bytes for one cluster. With less than twice max_message_size, rounded up to a
// power of two, the largest messages are refused: while a buffer grows there are two of them, and a batch holds the
// message once more.
func NewBudget(maximum int64) *Budget { return NewSharedBudget(maximum, maximum) }

// NewSharedBudget returns a budget of maximum bytes, of which one cluster may use share, which has to be as large as
// NewBudget says.
func NewSharedBudget(maximum, share int64) *Budget {
	return &Budget{
		max: maximum, share: min(share, maximum), shares: map[string]int64{}, holders: map[*Reservation]struct{}{},
		pool: map[int][][]byte{},
	}
}

// BudgetStats is a budget's state, in bytes but for the last two.
type BudgetStats struct {
	Used, Peak, Max int64
	// Waiting counts connections that wait for memory.
	Waiting int
	// Evicted counts connections that were closed to make room.
	Evicted uint64
}

// Stats returns the state of b.
func (b *Budget) Stats() BudgetStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BudgetStats{Used: b.used, Peak: b.peak, Max: b.max, Waiting: b.inLine(), Evicted: b.evicted}
}

// tight reports whether somebody waits for memory, so that none should be kept for later.
func (b *Budget) tight() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inLine() > 0
}

func (b *Budget) inLine() int { return len(b.waiting[ToStore]) + len(b.waiting[ToReceive]) }

// limit is how much of maximum may be used after memory was taken for p.
func limit(maximum int64, p Purpose) int64 {
	if p == ToReceive {
		return maximum - maximum/4
	}
	return maximum
}

// Reservation is what one connection holds of a Budget. Its methods are for the connection's goroutine.
type Reservation struct {
	budget *Budget
	// Cluster is set before anything is held.
	Cluster string
	// close ends the connection: whatever waits for its peer fails.
	close func()
	// gone is closed when the reservation was chosen to make room.
	gone chan struct{}

	// idleSince is the last progress while it depends on its peer, in Unix nanoseconds; otherwise 0.
	idleSince atomic.Int64
	// progress is the last that was told.
	progress time.Time
	// received is what has come since then.
	received int

	// held is guarded by budget.mu, as is evicted.
	held    int64
	evicted bool
}

type waiter struct {
	reservation *Reservation
	purpose     Purpose
	bytes       int64
	since       time.Time
	granted     chan struct{}
}

// Reserve returns the reservation of a connection, which takes nothing yet. closeConn is called where its memory is
// needed by others.
func (b *Budget) Reserve(closeConn func()) *Reservation {
	return &Reservation{budget: b, close: closeConn, gone: make(chan struct{}), progress: time.Now()}
}

// IsEvicted reports whether the connection was closed to make room.
func (a *Reservation) IsEvicted() bool {
	select {
	case <-a.gone:
		return true
	default:
		return false
	}
}

// Tight reports whether somebody waits for memory of the budget, so that none should be kept for later.
func (a *Reservation) Tight() bool { return a.budget.tight() }

// Roomy reports whether nobody waits for memory of the budget and most of it is free, so that a little may be kept for
// later.
func (a *Reservation) Roomy() bool {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inLine() == 0 && b.used <= b.max/2
}

// DependOnPeer notes that what a holds will not be given back before the peer has done something.
func (a *Reservation) DependOnPeer() { a.idleSince.Store(a.progress.UnixNano()) }

// DependOnNobody ends what dependOnPeer began.
func (a *Reservation) DependOnNobody() { a.idleSince.Store(0) }

// Progressed notes that the peer got further.
func (a *Reservation) Progressed(now time.Time) { a.progress, a.received = now, 0 }

// Receive notes that n bytes of a message came.
func (a *Reservation) Receive(now time.Time, n int) {
	if a.received += n; a.received >= progressStep {
		a.Progressed(now)
	}
}

// Acquire charges n bytes. It waits until there is room and returns errOverBudget if there never will be, errEvicted
// if a was chosen to make room for others, or ctx's error.
func (a *Reservation) Acquire(ctx context.Context, p Purpose, n int64) error {
	if n <= 0 {
		return nil
	}
	b := a.budget
	b.mu.Lock()
	if a.held+n > limit(b.share, p) {
		b.mu.Unlock()
		return ErrOverBudget
	}
	if ok := b.shares[a.Cluster]+n <= limit(b.share, p) && b.used+n <= limit(b.max, p); ok && b.inLine() == 0 {
		b.grant(a, n)
		b.mu.Unlock()
		return nil
	}
	w := &waiter{reservation: a, purpose: p, bytes: n, since: time.Now(), granted: make(chan struct{})}
	b.waiting[p] = append(b.waiting[p], w)
	// It may be ahead of those who wait.
	b.serve()
	b.mu.Unlock()

	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case <-w.granted:
			return nil
		case <-a.gone:
			return b.leave(w, ErrEvicted)
		case <-ctx.Done():
			return b.leave(w, context.Cause(ctx))
		case now := <-tick.C:
			b.makeRoom(w, now)
		}
	}
}

// grant charges n bytes to a. The caller holds b.mu.
func (b *Budget) grant(a *Reservation, n int64) {
	a.held += n
	b.used += n
	b.shares[a.Cluster] += n
	b.peak = max(b.peak, b.used)
	b.holders[a] = struct{}{}
}

// Overdraw charges n bytes that are taken already, whether there is room or not.
func (a *Reservation) Overdraw(n int64) {
	a.budget.mu.Lock()
	defer a.budget.mu.Unlock()
	a.budget.grant(a, n)
}

// turns yields whose turn it is: the first of each cluster that has no room in its share, and last the first in line
// whose cluster has. The caller holds b.mu.
func (b *Budget) turns(yield func(w *waiter, inShare bool) bool) {
	// without has clusters without room. One is not passed over by those behind it of its own cluster.
	var without map[string]bool
	for _, line := range b.waiting {
		for _, w := range line {
			cluster := w.reservation.Cluster
			switch {
			case without[cluster]:
				continue
			case b.shares[cluster]+w.bytes <= limit(b.share, w.purpose):
				yield(w, true)
				return
			case without == nil:
				without = map[string]bool{}
			}
			without[cluster] = true
			if !yield(w, false) {
				return
			}
		}
	}
}

// first returns who is served next, nil if nobody can be. The caller holds b.mu.
func (b *Budget) first() *waiter {
	for w, inShare := range b.turns {
		if inShare && b.used+w.bytes <= limit(b.max, w.purpose) {
			return w
		}
	}
	return nil
}

// serve grants what there is room for now, in turn. The caller holds b.mu.
func (b *Budget) serve() {
	for w := b.first(); w != nil; w = b.first() {
		b.remove(w)
		b.grant(w.reservation, w.bytes)
		close(w.granted)
	}
}

// remove takes w out of the line and reports whether it was there.
func (b *Budget) remove(w *waiter) bool {
	i := slices.Index(b.waiting[w.purpose], w)
	if i >= 0 {
		b.waiting[w.purpose] = slices.Delete(b.waiting[w.purpose], i, i+1)
	}
	return i >= 0
}

// leave takes w out of the line and returns err, or nil if w was granted meanwhile.
func (b *Budget) leave(w *waiter, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.remove(w) {
		return nil
	}
	b.serve()
	return err
}

// Release gives n bytes back.
func (a *Reservation) Release(n int64) {
	if n <= 0 {
		return
	}
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a.held -= n
	b.used -= n
	if b.shares[a.Cluster] -= n; b.shares[a.Cluster] == 0 {
		delete(b.shares, a.Cluster)
	}
	if a.held == 0 {
		delete(b.holders, a)
	}
	b.serve()
}

// makeRoom closes connections in favour of w; see Budget.
func (b *Budget) makeRoom(w *waiter, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	turn, missing, within := false, int64(0), func(*Reservation) bool { return true }
	for x, inShare := range b.turns {
		switch {
		case x != w:
			continue
		case inShare:
			missing = b.used + w.bytes - limit(b.max, w.purpose)
		default:
			missing = b.shares[w.reservation.Cluster] + w.bytes - limit(b.share, w.purpose)
			within = func(a *Reservation) bool { return a.Cluster == w.reservation.Cluster }
		}
		turn = true
	}
	if !turn {
		return
	}
	// idle says since when.
	idle := map[*Reservation]int64{}
	for _, line := range b.waiting {
		for _, o := range line {
			if o != w && within(o.reservation) {
				idle[o.reservation] = o.since.UnixNano()
			}
		}
	}
	for a := range b.holders {
		if !within(a) {
			continue
		}
		if since := a.idleSince.Load(); since != 0 && a != w.reservation {
			idle[a] = since
		}
		if _, depends := idle[a]; a.evicted || !depends && a != w.reservation {
			// Given back without our doing.
			missing -= a.held
		}
	}
	var victims []*Reservation
	for a, since := range idle {
		if !a.evicted && a.held > 0 && since <= now.Add(-patience).UnixNano() {
			victims = append(victims, a)
		}
	}
	slices.SortFunc(victims, func(x, y *Reservation) int { return int(min(1, max(-1, idle[x]-idle[y]))) })
	for _, a := range victims {
		if missing <= 0 {
			return
		}
		missing -= a.held
		a.evicted = true
		b.evicted++
		close(a.gone)
		a.close()
	}
}

// Buffer returns a buffer of at least size bytes, a power of two, charged to a.
func (a *Reservation) Buffer(ctx context.Context, p Purpose, size int) ([]byte, error) {
	size = max(minBuffer, 1<<bits.Len(uint(size-1)))
	if err := a.Acquire(ctx, p, int64(size)); err != nil {
		return nil, err
	}
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if free := b.pool[size]; len(free) > 0 {
		buf := free[len(free)-1]
		b.pool[size] = free[:len(free)-1]
		b.pooled -= int64(size)
		return buf, nil
	}
	return make([]byte, size), nil
}

// Free takes back what buffer returned.
func (a *Reservation) Free(buf []byte) {
	if len(buf) == 0 {
		return
	}
	b, size := a.budget, len(buf)
	b.mu.Lock()
	if b.pooled+int64(size) <= maxPooled {
		b.pool[size] = append(b.pool[size], buf)
		b.pooled += int64(size)
	}
	b.mu.Unlock()
	a.Release(int64(size))
}
