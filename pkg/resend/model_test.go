package resend

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The model is one agent, which sends the chunk x until it has the ack and then, over another connection, an equal
// chunk with the same id; a server; and all orders of what the two may do. An attempt is a connection on which the
// agent sends the chunk once: attempts 0 to 2 of the first chunk, or as many as it takes, then those of the second.
const (
	maxAttempts = 4
	maxSteps    = 16
)

// attempt is what has become of one connection so far.
type attempt struct {
	chunk         int  // the first or the second
	closed        bool // by the agent
	read, entered bool // by the server
	stored        bool // its batch is done, as a message or as a duplicate
	withdrawn     bool
	acked         bool // the agent has the ack
	settled       bool
	batch         *Batch
}

// world is the agent, the server and the queue.
type world struct {
	w        *Window
	attempts []*attempt
	copies   int // on disk
	counted  int // duplicates
	acks     int // batches that were acked
}

func newWorld() *world {
	return &world{w: NewWindow(time.Hour, func() time.Time { return time.Unix(0, 0) })}
}

func modelKey() Key { return Key{Chunk: [16]byte{1}, Events: 3} }

// step is something that may happen next.
type step struct {
	name    string
	attempt int
	do      func(*world)
}

// steps returns what may happen next. Each of them gets the world somewhere, so that runs end.
func (s *world) steps() []step {
	var all []step
	add := func(name string, i int, do func(*world, *attempt)) {
		all = append(all, step{name, i, func(s *world) { do(s, s.attempts[i]) }})
	}
	if s.maySend() && len(s.attempts) < maxAttempts {
		all = append(all, step{"send", len(s.attempts), (*world).send})
	}
	for i, a := range s.attempts {
		if !a.closed && !a.acked {
			add("give up", i, (*world).giveUp)
		}
		if a.acked && !a.closed {
			add("close well", i, (*world).giveUp)
		}
		if !a.read && !a.withdrawn {
			add("read", i, (*world).read)
		}
		if a.read && !a.entered {
			add("enter", i, (*world).enter)
		}
		if a.entered && !a.stored && !a.withdrawn {
			add("withdraw", i, (*world).withdraw)
			if !a.batch.Waiting() {
				add("store", i, (*world).store)
			}
		}
		if a.stored && !a.settled && (a.acked || a.closed) {
			add("settle", i, (*world).settle)
		}
	}
	return all
}

// maySend reports whether the agent sends: it has given up what it sent before, or has the ack of the first chunk.
func (s *world) maySend() bool {
	if len(s.attempts) == 0 {
		return true
	}
	last := s.attempts[len(s.attempts)-1]
	return last.closed && !last.acked || last.acked && last.chunk == 0
}

func (s *world) send() {
	chunk := 0
	if n := len(s.attempts); n > 0 {
		last := s.attempts[n-1]
		if chunk = last.chunk; last.acked {
			chunk++
		}
	}
	s.attempts = append(s.attempts, &attempt{chunk: chunk})
}

// giveUp has the agent close the connection: without the ack, or with it.
func (s *world) giveUp(a *attempt) { a.closed = true }

// read has the server read a message. What the window has to know of clients it is told.
func (s *world) read(a *attempt) {
	conn := uint64(slices.Index(s.attempts, a)) + 1
	a.batch = &Batch{}
	a.batch.Of(conn)
	a.batch.Add(modelKey())
	if a.closed {
		s.w.Gone(conn)
	}
	for _, other := range s.w.Doubts(a.batch) {
		if o := s.attempts[other-1]; o.closed && !o.acked {
			s.w.Gone(other)
		}
	}
	a.read = true
}

// enter puts what was read into the queue.
func (s *world) enter(a *attempt) {
	s.w.Enter(a.batch)
	a.entered = true
}

// withdraw ends the attempt unstored: the agent has left, or the queue refuses it and the server closes the connection.
func (s *world) withdraw(a *attempt) {
	s.w.Withdrawn(a.batch)
	a.withdrawn, a.closed = true, true
	s.w.Settle(uint64(slices.Index(s.attempts, a))+1, 1, false)
}

// store commits the attempt, and sends the ack, which arrives unless the agent has left.
func (s *world) store(a *attempt) {
	var whole []Piece
	if a.batch.Duplicate(0) {
		s.counted++
	} else {
		s.copies++
		whole = append(whole, Piece{Batch: a.batch})
	}
	s.w.Stored(whole, 7, []*Batch{a.batch})
	s.acks++
	a.stored, a.acked = true, !a.closed
}

// settle has the server find out what became of the ack.
func (s *world) settle(a *attempt) {
	s.w.Settle(uint64(slices.Index(s.attempts, a))+1, 1, a.acked)
	a.settled = true
}

// finish has everything come to its end, the agent last: then both chunks have their acks.
func (s *world) finish() {
	for range 100 {
		next := s.steps()
		next = slices.DeleteFunc(next, func(st step) bool {
			return st.name == "withdraw" || st.name == "give up"
		})
		if len(next) == 0 {
			if !s.maySend() {
				return
			}
			next = []step{{"send", len(s.attempts), (*world).send}}
		}
		next[0].do(s)
	}
	panic("the run does not end")
}

// state describes all that matters to what comes next, so that no state is looked at twice.
func (s *world) state() string {
	b := make([]byte, 0, 128)
	flags := func(all ...bool) {
		bits := byte(0)
		for _, f := range all {
			bits <<= 1
			if f {
				bits |= 1
			}
		}
		b = append(b, bits)
	}
	m := s.w.messages[modelKey()]
	for i, a := range s.attempts {
		conn := uint64(i) + 1
		b = append(b, byte(a.chunk), byte(len(s.w.conns[conn])))
		flags(a.closed, a.read, a.entered, a.stored, a.withdrawn, a.acked, a.settled, s.w.gone[conn])
		if a.batch != nil {
			flags(a.batch.Waiting(), a.batch.Duplicate(0), a.batch.claims[0].late, a.batch.claims[0].message == m,
				m != nil && m.acked > a.batch.came)
		}
	}
	b = append(b, byte(s.copies))
	if m != nil {
		b = append(b, byte(m.state), byte(m.conn), byte(m.order))
		flags(m.stored)
		for c := m.first; c != nil; c = c.next {
			b = append(b, byte(c.batch.conn))
		}
	}
	return string(b)
}

// TestModel looks at every state that the agent and the server can get into. From each, all is let come to its end:
// then each of the two chunks must be stored once, and every other ack must be of a duplicate.
func TestModel(t *testing.T) {
	type run []int // which of the steps was taken, one after the other
	replay := func(r run, each func(step)) *world {
		s := newWorld()
		for _, i := range r {
			next := s.steps()[i]
			each(next)
			next.do(s)
		}
		return s
	}
	seen := map[string]bool{}
	runs := []run{nil}
	for len(runs) > 0 {
		r := runs[0]
		runs = runs[1:]
		s := replay(r, func(step) {})
		if key := s.state(); seen[key] {
			continue
		} else {
			seen[key] = true
		}
		for i := range s.steps() {
			if len(r) < maxSteps {
				runs = append(runs, append(slices.Clone(r), i))
			}
		}
		s.finish()
		if s.copies != 2 || s.counted != s.acks-2 {
			var names []string
			replay(r, func(st step) { names = append(names, fmt.Sprint(st.name, " ", st.attempt)) })
			t.Fatalf("%d copies of two chunks, %d duplicates of %d acks: %s", s.copies, s.counted, s.acks,
				strings.Join(names, ", "))
		}
	}
	t.Logf("%d states", len(seen))
	if len(seen) < 1000 {
		t.Errorf("only %d states were looked at", len(seen))
	}
}
