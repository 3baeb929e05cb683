package disk

import (
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

const (
	// maxIDs bounds how many unconfirmed chunk ids are remembered; past it the oldest are forgotten.
	maxIDs = 1 << 17
	// maxConfirmed bounds how many of those confirmed last, within the window too.
	maxConfirmed = 1 << 14
)

// An agent that did not get an ack sends the chunk again, on another connection. The queue then
// acks it and doesn't store it. An id alone proves nothing: Fluent Bit's is a hash of the content,
// so two chunks may share it. The rule: an id that comes again from the same cluster with the same
// tag and number of events is a duplicate only while the first one's ack is unconfirmed. Who
// tells, by Settle, is the connection: of a client that sends ahead of its acks it must guess.
// What is sent again may also overtake what was sent first, on a connection that waits for its
// cluster's rate or a free processor, and that the agent has given up. Then the first is the duplicate:
// of what comes over a connection whose client has closed, confirmed ids count too.
type dedupe struct {
	window time.Duration // 0: off
	now    func() time.Time
	lost   func(conn uint64) bool // see Options.Lost

	mu    sync.Mutex
	ids   map[chunk.ID]*chunkID
	conns map[uint64][][]*chunkID // of the connection's commits that are not settled, in order
	old   []*chunkID              // unconfirmed, the earliest to end first
	known []*chunkID              // confirmed, a ring
	next  int                     // of known, where the earliest is once there are maxConfirmed
}

// idState is how sure it is that the agent knows of its ack.
type idState uint8

const (
	idWaiting     idState = iota // queued; Commit has not returned: no ack can have been sent
	idAcked                      // Commit returned, and its connection is open
	idUnconfirmed                // the connection broke, or the server was restarted
	idConfirmed                  // the agent knows
	idFailed                     // was not stored after all
)

// chunkID is a remembered message. All but key is guarded by dedupe.mu.
type chunkID struct {
	chunk.ID
	state   idState
	taken   bool   // the committer is at it or done with it: it is before all that is queued
	stored  bool   // on disk
	conn    uint64 // whose ack counts: the last that committed it
	segment uint64 // where its last piece lies, 0: none
	until   time.Time
}

func newDedupe(window time.Duration, now func() time.Time) *dedupe {
	return &dedupe{window: window, now: now, lost: func(uint64) bool { return false }, ids: map[chunk.ID]*chunkID{}, conns: map[uint64][][]*chunkID{}}
}

// enter notes the ids of b, which is about to be queued, and which of its messages repeat others.
// It runs in the order in which batches are queued: the queue's lock is held.
func (d *dedupe) enter(b *batch) {
	if d.window == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	b.ahead = len(d.conns[b.conn]) > 0
	for i := range b.msgs {
		if m := &b.msgs[i]; m.Chunk != "" {
			d.claim(b, m, true)
		}
	}
}

// claim makes m a repetition of what is remembered, or else the one that others repeat. waiting: of
// what is not stored yet too.
func (d *dedupe) claim(b *batch, m *message, waiting bool) {
	k := chunk.ID{Key: m.key, Events: m.events}
	if id := d.ids[k]; id != nil && id.conn != b.conn && (waiting || id.stored) {
		m.overtaken = false
		switch {
		case id.state == idWaiting, id.state == idUnconfirmed && d.now().Before(id.until), id.state == idAcked && d.lost(id.conn):
		case (id.state == idAcked || id.state == idConfirmed && d.now().Before(id.until)) && d.lost(b.conn):
			m.overtaken = true
		default:
			id = nil
		}
		if id != nil {
			m.original, m.id, b.repeats = id, nil, true
			return
		}
	}
	m.original, m.id = nil, &chunkID{ID: k, conn: b.conn}
	d.ids[k] = m.id
}

// behind says whether a message of b repeats one that is still queued before b.
func (d *dedupe) behind(b *batch) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range b.msgs {
		if o := b.msgs[i].original; o != nil && o.state == idWaiting && !o.taken {
			return true
		}
	}
	return false
}

// take notes that the committer has b, and stores after all what repeats a message that failed.
func (d *dedupe) take(b *batch) {
	if d.window == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range b.msgs {
		m := &b.msgs[i]
		if m.original != nil && m.original.state == idFailed {
			d.claim(b, m, false) // b is stored now: nothing that may still fail can stand for it
		}
		if m.id != nil {
			m.id.taken = true
		}
	}
}

// release notes that the committer put b back: what is not stored of it is queued again.
func (d *dedupe) release(b *batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range b.msgs {
		if id := b.msgs[i].id; id != nil {
			id.taken = id.stored
		}
	}
}

// stored notes that the messages lie in the segment, whole.
func (d *dedupe) stored(ids []*chunkID, segment uint64) {
	if len(ids) == 0 {
		return
	}
	d.mu.Lock()
	for _, id := range ids {
		id.stored, id.segment = true, segment
	}
	d.mu.Unlock()
}

// left notes that b's Commit returns: with ok its acks are about to be written.
func (d *dedupe) left(b *batch, ok bool) {
	if d.window == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var acked []*chunkID
	keyed := false
	for i := range b.msgs {
		m := &b.msgs[i]
		id := m.id
		keyed = keyed || m.Chunk != ""
		if m.original != nil {
			if !ok || m.overtaken {
				continue // still remembered for its own connection
			}
			id = m.original
			id.conn = b.conn // from now on this connection's ack counts
		}
		switch {
		case id == nil:
		case ok:
			if id.conn == b.conn {
				id.state = idAcked
				acked = append(acked, id)
			}
		case id.stored:
			// The batch failed after this message was stored: the agent will send it again.
			d.unconfirm(id, d.now().Add(d.window))
		default:
			id.state = idFailed
			d.forget(id)
		}
	}
	if ok && keyed {
		d.conns[b.conn] = append(d.conns[b.conn], acked) // also without any: Settle counts commits
	}
}

// settle: see Queue.Settle.
func (d *dedupe) settle(conn uint64, commits int, received bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.conns[conn]
	commits = min(commits, len(list))
	until := d.now().Add(d.window)
	for _, ids := range list[:commits] {
		for _, id := range ids {
			switch {
			case id.conn != conn: // another connection has repeated it since
			case received:
				d.confirm(id, until)
			default:
				d.unconfirm(id, until)
			}
		}
	}
	if commits == len(list) {
		delete(d.conns, conn)
	} else {
		d.conns[conn] = slices.Delete(list, 0, commits)
	}
	d.expire()
}

func (d *dedupe) unconfirm(id *chunkID, until time.Time) {
	if d.ids[id.ID] != id {
		return // a later chunk has the same id
	}
	id.state, id.until = idUnconfirmed, until
	d.old = append(d.old, id)
}

func (d *dedupe) confirm(id *chunkID, until time.Time) {
	if d.ids[id.ID] != id {
		return // as above
	}
	id.state, id.until = idConfirmed, until
	if len(d.known) < maxConfirmed {
		d.known = append(d.known, id)
		return
	}
	d.forget(d.known[d.next])
	d.known[d.next] = id
	d.next = (d.next + 1) % maxConfirmed
}

// restore remembers an id of before the start.
func (d *dedupe) restore(k chunk.ID, segment uint64, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := &chunkID{ID: k, taken: true, stored: true, segment: segment}
	d.ids[k] = id
	d.unconfirm(id, until)
}

func (d *dedupe) forget(id *chunkID) {
	if d.ids[id.ID] == id {
		delete(d.ids, id.ID)
	}
}

// expire forgets what is past its window or over the bound.
func (d *dedupe) expire() {
	now, n := d.now(), 0
	for n < len(d.old) && (len(d.old)-n > maxIDs || d.old[n].state != idUnconfirmed || now.After(d.old[n].until)) {
		if id := d.old[n]; id.state == idUnconfirmed {
			d.forget(id)
		}
		d.old[n] = nil
		n++
	}
	if d.old = d.old[n:]; len(d.old) == 0 {
		d.old = nil
	}
}

// savedID is an id as state.db keeps it.
type savedID struct {
	chunk.ID
	until time.Time
}

// unconfirmed returns what a restart would have to know and can't read from the segments in keep:
// the ids there are in their chunks.
func (d *dedupe) unconfirmed(keep func(segment uint64) bool) []savedID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []savedID
	for k, id := range d.ids {
		if !id.stored || id.state == idConfirmed || id.segment != 0 && keep(id.segment) {
			continue
		}
		until := id.until
		if id.state != idUnconfirmed {
			until = d.now().Add(d.window)
		}
		ids = append(ids, savedID{k, until})
	}
	return ids
}
