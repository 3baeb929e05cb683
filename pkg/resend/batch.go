package resend

import (
	"sync/atomic"
	"unsafe"
)

// MessageSize is what a message of a [Batch] takes, in bytes.
const MessageSize = unsafe.Sizeof(claim{})

// Batch is the messages of one commit, as the [Window] sees them. The zero value is empty. It is its connection's until
// Enter, and then also who stores it may ask it, until Stored has named it as done or Withdrawn was called.
type Batch struct {
	conn  uint64
	ahead bool
	// order is in which batches came; 0: not yet.
	order uint64
	// came is what Window.acks was when it came.
	came   uint64
	claims []claim
	// waiting counts claims that wait.
	waiting atomic.Int32
}

// claim is one message of a batch on its way to the disk.
type claim struct {
	key   Key
	batch *Batch
	// message is nil where nothing is remembered of it.
	message *message
	// next is behind it in the message's line.
	next *claim
	// duplicate says that it is not to be stored.
	duplicate bool
	// late says that its client was gone when it came.
	late bool
	// another says that what was remembered under its key when it came is another message.
	another bool
}

// order returns in which order what sends the same counts: the last counts, but for what was read late.
func (c *claim) order() uint64 {
	if c.late {
		return 0
	}
	return c.batch.order
}

// Of empties b and makes it one of the connection.
func (b *Batch) Of(conn uint64) {
	clear(b.claims)
	b.claims, b.conn, b.ahead, b.order = b.claims[:0], conn, false, 0
	b.waiting.Store(0)
}

// Add adds the next message; the zero Key where it wants no ack.
func (b *Batch) Add(k Key) { b.claims = append(b.claims, claim{key: k}) }

// Conn returns the connection.
func (b *Batch) Conn() uint64 { return b.conn }

// Len returns the number of messages that were added.
func (b *Batch) Len() int { return len(b.claims) }

// Key returns the key of the message at i.
func (b *Batch) Key(i int) Key { return b.claims[i].key }

// Waiting reports whether the batch has to wait for another one that is before it in the queue. It doesn't need the
// window's lock. Once it is false it stays so, and what Duplicate says is final.
func (b *Batch) Waiting() bool { return b.waiting.Load() > 0 }

// Duplicate reports whether the message at i is not to be stored, because it is.
func (b *Batch) Duplicate(i int) bool { return i < len(b.claims) && b.claims[i].duplicate }

// Another reports whether what was remembered under the key of the message at i, when the batch was entered, is another
// message: its id alone does not tell it from that.
func (b *Batch) Another(i int) bool { return i < len(b.claims) && b.claims[i].another }

// Ahead reports whether its client did not wait for the acks of what it sent before.
func (b *Batch) Ahead() bool { return b.ahead }

// answer makes duplicates of the claims that wait for m, which is stored.
func (m *message) answer() {
	if m.first == nil {
		return
	}
	for c := m.first.next; c != nil; c = c.next {
		c.duplicate = true
		c.batch.waiting.Add(-1)
	}
	m.first, m.last = nil, nil
}

// remove takes c out of the line of m, which is not stored. The next in line is stored in c's place.
func (m *message) remove(c *claim) {
	if m.first == c {
		if m.first = c.next; m.first == nil {
			m.last = nil
			return
		}
		m.conn, m.order = m.first.batch.conn, m.first.order()
		m.first.batch.waiting.Add(-1)
		return
	}
	before := m.first
	for before.next != c {
		before = before.next
	}
	if before.next = c.next; m.last == c {
		m.last = before
	}
	c.batch.waiting.Add(-1)
}
