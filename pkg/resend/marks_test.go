package resend

import (
	"slices"
	"testing"
	"time"
)

// A batch is what was added since it was begun, of its connection, and as new when it is begun again.
func TestBatch(t *testing.T) {
	b := &Batch{}
	for conn := range uint64(3) {
		b.Of(conn)
		if b.Len() != 0 || b.Conn() != conn || b.Waiting() || b.Ahead() {
			t.Errorf("connection %d: %d messages of %d, waiting %v, ahead %v", conn, b.Len(), b.Conn(), b.Waiting(),
				b.Ahead())
		}
		want := []Key{key('a'), {}, {Chunk: [16]byte{15: 1}, Events: 1 << 40}}
		for _, k := range want {
			b.Add(k)
		}
		var got []Key
		for i := range b.Len() {
			got = append(got, b.Key(i))
			if b.Duplicate(i) || b.Another(i) {
				t.Errorf("message %d is a duplicate %v, another %v", i, b.Duplicate(i), b.Another(i))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if i := b.Len(); b.Duplicate(i) || b.Another(i) {
		t.Error("what was not added is a duplicate, or another")
	}
}

// A message that has the key of another that is remembered is marked: its id alone does not tell them apart.
func TestAnother(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	for _, tc := range []struct {
		name   string
		before func(w *Window)
		conn   uint64
		want   bool
	}{
		{"nothing is remembered", func(*Window) {}, 1, false},
		{"of its own connection", func(w *Window) { store(w, 1, entered(w, 1, 'a')) }, 1, true},
		{"of its own, in the queue", func(w *Window) { entered(w, 1, 'a') }, 1, true},
		{"of another, whose client is there", func(w *Window) { store(w, 1, entered(w, 2, 'a')) }, 1, true},
		{"the same: it waits", func(w *Window) { entered(w, 2, 'a') }, 1, false},
		{"the same: it is a duplicate", func(w *Window) {
			store(w, 1, entered(w, 2, 'a'))
			w.Settle(2, 1, false)
		}, 1, false},
		{"confirmed", func(w *Window) {
			store(w, 1, entered(w, 2, 'a'))
			w.Settle(2, 1, true)
		}, 1, true},
		{"long ago", func(w *Window) {
			store(w, 1, entered(w, 2, 'a'))
			w.Settle(2, 1, true)
			c.move(time.Minute)
		}, 1, false},
		{"another key", func(w *Window) { store(w, 1, entered(w, 2, 'b')) }, 1, false},
	} {
		w := NewWindow(time.Minute, c.now)
		tc.before(w)
		if b := entered(w, tc.conn, 'a'); b.Another(0) != tc.want {
			t.Errorf("%s: %v", tc.name, b.Another(0))
		}
	}
}

// A client is ahead while acks of what it has stored are not settled, and no longer.
func TestAhead(t *testing.T) {
	w := NewWindow(time.Minute, time.Now)
	if entered(w, 1, 'a').Ahead() {
		t.Error("the first is ahead")
	}
	if entered(w, 1, 'b').Ahead() {
		t.Error("what waits in the queue has no acks yet")
	}
	store(w, 1, entered(w, 1, 'c'))
	if entered(w, 2, 'd').Ahead() || !entered(w, 1, 'e').Ahead() {
		t.Error("it is another one that is ahead")
	}
	if w.Settle(1, 1, true); entered(w, 1, 'f').Ahead() {
		t.Error("it is ahead of acks that it has")
	}
}

// Other connections are asked about only where that decides: who has sent the same, is acked, and may have gone.
func TestDoubts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before func(w *Window)
		ids    string
		want   []uint64
	}{
		{"nothing is remembered", func(*Window) {}, "a", nil},
		{"in the queue", func(w *Window) { entered(w, 2, 'a') }, "a", nil},
		{"acked", func(w *Window) { store(w, 1, entered(w, 2, 'a')) }, "a", []uint64{2}},
		{"acked, another message", func(w *Window) { store(w, 1, entered(w, 2, 'a')) }, "b", nil},
		{"acked to the same connection", func(w *Window) { store(w, 1, entered(w, 1, 'a')) }, "a", nil},
		{"two messages of one", func(w *Window) { store(w, 1, entered(w, 2, 'a', 'b')) }, "ab", []uint64{2}},
		{"messages of two, in order", func(w *Window) {
			store(w, 1, entered(w, 3, 'a'))
			store(w, 1, entered(w, 2, 'b'))
		}, "ab", []uint64{3, 2}},
		{"told to be gone", func(w *Window) {
			store(w, 1, entered(w, 2, 'a'))
			w.Gone(2)
		}, "a", nil},
		{"settled", func(w *Window) {
			store(w, 1, entered(w, 2, 'a'))
			w.Settle(2, 1, true)
		}, "a", nil},
	} {
		w := NewWindow(time.Minute, time.Now)
		tc.before(w)
		b := &Batch{}
		b.Of(1)
		for _, id := range []byte(tc.ids) {
			b.Add(key(id))
		}
		if got := w.Doubts(b); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// A window that is off remembers nothing, asks nothing, and is told whatever there is to tell.
func TestOff(t *testing.T) {
	w := NewWindow(0, time.Now)
	for range 3 {
		b := entered(w, 1, 'a')
		if w.Doubts(b) != nil || b.Duplicate(0) || b.Another(0) || b.Waiting() || b.Ahead() {
			t.Errorf("%+v", b)
		}
		store(w, 1, b)
		w.Withdrawn(b)
		w.Gone(1)
		w.Settle(1, 5, false)
	}
	if w.Take(key('a')) || len(w.Unconfirmed(func(uint64) bool { return false })) != 0 || len(w.messages) != 0 {
		t.Errorf("%d messages are remembered", len(w.messages))
	}
}

// More commits are settled than there are where a connection has ended, and none where there is none.
func TestSettleMore(t *testing.T) {
	w := NewWindow(time.Minute, time.Now)
	w.Settle(9, 1000, true)
	for _, id := range []byte("abc") {
		store(w, 1, entered(w, 1, id))
	}
	w.Settle(1, 0, false)
	if n := len(w.conns[1]); n != 3 {
		t.Errorf("%d commits are left", n)
	}
	w.Settle(1, 1, true)
	if n := len(w.conns[1]); n != 2 {
		t.Errorf("%d commits are left", n)
	}
	w.Settle(1, 1000, false)
	if len(w.conns) != 0 {
		t.Errorf("%d connections are left", len(w.conns))
	}
	again := entered(w, 2, 'a', 'b', 'c')
	if again.Duplicate(0) || !again.Duplicate(1) || !again.Duplicate(2) {
		t.Error("what its client has is a duplicate, or what it may have missed is none")
	}
}

// What wants no ack is stored each time.
func TestNoAckWanted(t *testing.T) {
	w := NewWindow(time.Minute, time.Now)
	for range 3 {
		b := &Batch{}
		b.Of(1)
		b.Add(Key{})
		b.Add(Key{})
		w.Enter(b)
		if b.Duplicate(0) || b.Duplicate(1) || b.Another(0) || b.Waiting() {
			t.Errorf("%+v", b)
		}
		store(w, 1, b)
	}
	if len(w.messages) != 0 || len(w.conns) != 0 {
		t.Errorf("%d messages of %d connections are remembered", len(w.messages), len(w.conns))
	}
}

// What is acked but not settled is known of a tracker, until its connection ends.
func TestUnsettled(t *testing.T) {
	settled := 0
	tr := NewTracker(func(commits int, _ bool) { settled += commits })
	if tr.Unsettled() {
		t.Error("there is nothing, and it is not settled")
	}
	tr.Came(10, true)
	tr.Asked(10)
	tr.Storing(1)
	tr.Writing(0)
	if !tr.Unsettled() {
		t.Error("what nobody has confirmed is settled")
	}
	tr.End(Broken)
	tr.End(Closed)
	if tr.Unsettled() || settled != 1 {
		t.Errorf("%d commits are settled", settled)
	}
}
