package resend

import (
	"slices"
	"sync"
	"time"
)

const (
	// maxUnconfirmed bounds how many unconfirmed messages are remembered.
	maxUnconfirmed = 1 << 17
	// maxConfirmed bounds how many confirmed ones are.
	maxConfirmed = 1 << 14
)

// Key is what two messages must have in common to be the same. The zero Key is that of a message that wants no ack.
type Key struct {
	// Chunk is that of cluster, tag and chunk id.
	Chunk  [16]byte
	Events int
}

// State is what is known of the ack of a remembered message.
type State uint8

// The states of a remembered message.
const (
	Unknown     State = iota // not remembered, or no longer
	Queued                   // it waits to be stored: no ack can have been sent
	Acked                    // stored; its ack is written, or about to be, to a client that nobody saw leave
	Unconfirmed              // stored; its client may have missed the ack
	Confirmed                // stored; its client has the ack
)

// Verdict is what becomes of a message that comes in.
type Verdict uint8

// The verdicts on a message.
const (
	Store     Verdict = iota // it is another one than what is remembered
	Wait                     // it is the same as one before it in the queue
	Duplicate                // it is the same as one that is stored
)

// judge is the table of the package's comment. gone: the client of the message that comes in has closed its connection.
func judge(remembered State, gone bool) Verdict {
	switch {
	case remembered == Queued:
		return Wait
	case remembered == Unconfirmed, gone && (remembered == Acked || remembered == Confirmed):
		return Duplicate
	}
	return Store
}

// message is a remembered message.
type message struct {
	key   Key
	state State
	// stored says that it is on disk. Its batch may not be, as a whole.
	stored bool
	// conn is whose ack counts: that of the last that sent it, of those that are committed.
	conn uint64
	// order is claim.order of that.
	order uint64
	// acked is what Window.acks was when its ack was about to be written last.
	acked uint64
	// segment is where its last piece lies; 0: nowhere.
	segment uint64
	// until is when it is forgotten, in the states Unconfirmed and Confirmed.
	until time.Time
	// first is the claim that is to be stored, last the one that waits longest behind it.
	first, last *claim
}

// Window remembers the messages whose acks are in doubt, for all connections of a queue. It is safe for concurrent use,
// never calls out, and touches no disk.
type Window struct {
	// length may be 0: nothing is remembered.
	length time.Duration
	now    func() time.Time

	mu sync.Mutex
	// batches counts those that came, ever.
	batches uint64
	// acks counts batches whose acks were about to be written, ever.
	acks     uint64
	messages map[Key]*message
	// conns are those of the connection's commits that are not settled, in order.
	conns map[uint64][][]*message
	// gone has connections that ended before they were settled.
	gone map[uint64]bool
	// unconfirmed is the earliest to be forgotten first.
	unconfirmed []*message
	// confirmed is a ring.
	confirmed []*message
	// next is the earliest in confirmed, once there are maxConfirmed.
	next int
}

// NewWindow returns a Window that remembers messages for length after their connection's end. 0 turns it off.
func NewWindow(length time.Duration, now func() time.Time) *Window {
	return &Window{
		length: length, now: now, messages: map[Key]*message{}, conns: map[uint64][][]*message{},
		gone: map[uint64]bool{},
	}
}

// Doubts returns the other connections of which the window has to know whether their clients are gone before b is
// entered: mostly none, and never one that was told with Gone. Of b's own client it must know in any case.
func (w *Window) Doubts(b *Batch) (conns []uint64) {
	if w.length == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches++
	b.came, b.order = w.acks, w.batches
	for i := range b.claims {
		m := w.messages[b.claims[i].key]
		if m != nil && m.conn != b.conn && m.state == Acked && !w.gone[m.conn] && !slices.Contains(conns, m.conn) {
			conns = append(conns, m.conn)
		}
	}
	return conns
}

// Gone tells that the client of the connection has closed it, so that it can't have the acks that are not settled yet.
// Settle must follow.
func (w *Window) Gone(conn uint64) {
	if w.length == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[conn] = true
	until := w.now().Add(w.length)
	for _, messages := range w.conns[conn] {
		for _, m := range messages {
			if m.conn == conn && m.state == Acked {
				w.unconfirm(m, until)
			}
		}
	}
}

// Enter judges the messages of b, which is about to be queued. It has to be called in the order in which batches are
// queued.
func (w *Window) Enter(b *Batch) {
	if w.length == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expire()
	if b.order == 0 {
		// Nobody has asked.
		w.batches++
		b.came, b.order = w.acks, w.batches
	}
	b.ahead = len(w.conns[b.conn]) > 0
	for i := range b.claims {
		if c := &b.claims[i]; c.key != (Key{}) {
			w.enter(b, c)
		}
	}
}

func (w *Window) enter(b *Batch, c *claim) {
	verdict := Store
	m := w.messages[c.key]
	if m != nil && m.conn != b.conn {
		state := w.stateOf(m)
		if (state == Acked || state == Confirmed) && m.acked > b.came {
			// B was there before the ack was written: no need to know whether that client is.
			state = Unconfirmed
		}
		verdict = judge(state, w.gone[b.conn])
	}
	c.batch, c.late = b, w.gone[b.conn]
	switch verdict {
	case Store:
		c.another = m != nil && w.stateOf(m) != Unknown
		c.message = &message{key: c.key, state: Queued, conn: b.conn, order: c.order(), first: c, last: c}
		w.messages[c.key] = c.message
	case Wait:
		c.message = m
		m.last.next, m.last = c, c
		b.waiting.Add(1)
	case Duplicate:
		c.message, c.duplicate = m, true
	}
}

// Take reports whether the window remembers a message under the key whose client may have missed the ack, and forgets
// it then: another process that shares the queue has the same message, and acks it in this one's place.
func (w *Window) Take(k Key) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.messages[k]
	if m == nil || m.state != Unconfirmed || w.stateOf(m) != Unconfirmed {
		return false
	}
	w.forget(m)
	m.state = Unknown
	return true
}

// Piece names a message of a batch by its place in it.
type Piece struct {
	Batch *Batch
	Index int
}

// Stored tells that a transaction is on disk: whole are the messages of which it holds the last piece, segment is where
// they lie, and done the batches of which nothing is left to store. The acks of these are about to be written.
func (w *Window) Stored(whole []Piece, segment uint64, done []*Batch) {
	if w.length == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range whole {
		if m := p.Batch.claims[p.Index].message; m != nil {
			m.stored, m.segment = true, segment
			m.answer()
		}
	}
	for _, b := range done {
		w.acked(b)
	}
}

// acked notes that the acks of b are about to be written.
func (w *Window) acked(b *Batch) {
	w.acks++
	var messages []*message
	keyed := false
	for i := range b.claims {
		c := &b.claims[i]
		keyed = keyed || c.key != (Key{})
		m := c.message
		switch {
		case m == nil, c.duplicate && c.late:
			continue
		case c.duplicate && b.order < m.order:
			// What was sent later is acked already.
			continue
		case c.duplicate:
			m.conn, m.order = b.conn, b.order
		case m.conn != b.conn:
			// Another connection has repeated it since.
			continue
		}
		m.acked = w.acks
		if m.state = Acked; w.gone[b.conn] {
			w.unconfirm(m, w.now().Add(w.length))
		}
		messages = append(messages, m)
	}
	if keyed {
		// Also without any: Settle counts commits.
		w.conns[b.conn] = append(w.conns[b.conn], messages)
	}
}

// Withdrawn tells that b's Commit returns an error: no acks are written.
func (w *Window) Withdrawn(b *Batch) {
	if w.length == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range b.claims {
		c := &b.claims[i]
		m := c.message
		switch {
		case m == nil, c.duplicate:
			// It is still remembered for its own connection.
		case m.stored && m.state == Queued:
			// The batch failed after it: its client will send it again.
			w.unconfirm(m, w.now().Add(w.length))
		case !m.stored:
			if m.remove(c); m.first == nil {
				m.state = Unknown
				w.forget(m)
			}
		}
	}
}

// Settle tells what became of the acks of conn's earliest commits that are not settled yet; more than there are means
// all. received: the client has them. Commits without a message that wants an ack don't count.
func (w *Window) Settle(conn uint64, commits int, received bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.conns[conn]
	commits = min(commits, len(list))
	until := w.now().Add(w.length)
	for _, messages := range list[:commits] {
		for _, m := range messages {
			switch {
			case m.conn != conn:
				// Another connection has repeated it since.
			case received:
				w.confirm(m, until)
			default:
				w.unconfirm(m, until)
			}
		}
	}
	if commits == len(list) {
		delete(w.conns, conn)
		delete(w.gone, conn)
	} else {
		w.conns[conn] = slices.Delete(list, 0, commits)
	}
	w.expire()
}

// stateOf returns what is known of m's ack by now.
func (w *Window) stateOf(m *message) State {
	switch {
	case m.state == Queued && m.stored:
		// Its batch is larger than a transaction, and not stored whole.
		return Unconfirmed
	case (m.state == Unconfirmed || m.state == Confirmed) && !w.now().Before(m.until):
		return Unknown
	}
	return m.state
}

func (w *Window) unconfirm(m *message, until time.Time) {
	if w.messages[m.key] != m {
		// A later message has the same key.
		return
	}
	m.state, m.until = Unconfirmed, until
	w.unconfirmed = append(w.unconfirmed, m)
}

func (w *Window) confirm(m *message, until time.Time) {
	if w.messages[m.key] != m {
		return // as above
	}
	m.state, m.until = Confirmed, until
	if len(w.confirmed) < maxConfirmed {
		w.confirmed = append(w.confirmed, m)
		return
	}
	if oldest := w.confirmed[w.next]; oldest.state == Confirmed {
		w.forget(oldest)
	}
	w.confirmed[w.next] = m
	w.next = (w.next + 1) % maxConfirmed
}

func (w *Window) forget(m *message) {
	if w.messages[m.key] == m {
		delete(w.messages, m.key)
	}
}

// expire forgets the unconfirmed messages that are past their time or over the bound.
func (w *Window) expire() {
	now, n := w.now(), 0
	for n < len(w.unconfirmed) {
		m := w.unconfirmed[n]
		if len(w.unconfirmed)-n <= maxUnconfirmed && m.state == Unconfirmed && !now.After(m.until) {
			break
		}
		if m.state == Unconfirmed {
			w.forget(m)
		}
		w.unconfirmed[n] = nil
		n++
	}
	if w.unconfirmed = w.unconfirmed[n:]; len(w.unconfirmed) == 0 {
		w.unconfirmed = nil
	}
}

// Saved is an unconfirmed message as it is kept over a restart.
type Saved struct {
	Key
	Until time.Time
}

// Unconfirmed returns what a restart has to know and can't read from the segments for which kept returns true: the
// messages in those are in their chunks. kept must not use the window.
func (w *Window) Unconfirmed(kept func(segment uint64) bool) []Saved {
	w.mu.Lock()
	defer w.mu.Unlock()
	var saved []Saved
	for k, m := range w.messages {
		if !m.stored || m.state == Confirmed || m.segment != 0 && kept(m.segment) {
			continue
		}
		until := m.until
		if m.state != Unconfirmed {
			until = w.now().Add(w.length)
		}
		saved = append(saved, Saved{k, until})
	}
	return saved
}

// Restore has the window remember what was unconfirmed when the program ended last, in whichever order.
func (w *Window) Restore(saved []Saved) {
	if w.length == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	saved = slices.Clone(saved)
	slices.SortFunc(saved, func(a, b Saved) int { return a.Until.Compare(b.Until) })
	for _, s := range saved {
		m := &message{key: s.Key, stored: true}
		w.messages[s.Key] = m
		w.unconfirm(m, s.Until)
	}
	w.expire()
}
