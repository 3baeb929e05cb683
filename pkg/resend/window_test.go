package resend

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// clock is a clock that is set by hand.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func (c *clock) move(d time.Duration) { c.Time = c.Add(d) }

// key returns the key of a message with the id.
func key(id byte) Key { return Key{Chunk: [16]byte{id}, Events: 1} }

// entered returns a batch of the connection with messages of these ids, which was entered.
func entered(w *Window, conn uint64, ids ...byte) *Batch {
	b := &Batch{}
	b.Of(conn)
	for _, id := range ids {
		b.Add(key(id))
	}
	w.Enter(b)
	return b
}

// store stores the messages of b that are no duplicates, in the segment.
func store(w *Window, segment uint64, b *Batch) {
	var whole []Piece
	for i := range b.Len() {
		if !b.Duplicate(i) {
			whole = append(whole, Piece{b, i})
		}
	}
	w.Stored(whole, segment, []*Batch{b})
}

// TestJudge is the table of the package's comment.
// What is unconfirmed is given away once, and what may be confirmed yet, or is, not at all.
func TestTake(t *testing.T) {
	now := time.Unix(1000, 0)
	w := NewWindow(time.Minute, func() time.Time { return now })
	enter := func(conn uint64) (*Batch, Key) {
		b, k := &Batch{}, Key{Chunk: [16]byte{byte(conn)}, Events: 1}
		b.Of(conn)
		b.Add(k)
		w.Enter(b)
		return b, k
	}
	stored := func(conn uint64) Key {
		b, k := enter(conn)
		w.Stored([]Piece{{b, 0}}, 0, []*Batch{b})
		return k
	}
	_, queued := enter(1)
	acked, confirmed, unconfirmed, old := stored(2), stored(3), stored(4), stored(5)
	w.Settle(5, 1, false)
	now = now.Add(time.Minute)
	w.Settle(3, 1, true)
	w.Settle(4, 1, false)
	for name, tc := range map[string]struct {
		k    Key
		want bool
	}{
		"queued": {queued, false}, "acked": {acked, false}, "confirmed": {confirmed, false},
		"unconfirmed": {unconfirmed, true}, "past the window": {old, false}, "unknown": {Key{Events: 9}, false},
	} {
		if got := w.Take(tc.k); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if w.Take(unconfirmed) {
		t.Error("it is given away twice")
	}
}

func TestJudge(t *testing.T) {
	const there, gone = false, true
	for _, tc := range []struct {
		remembered State
		client     bool
		want       Verdict
	}{
		{Unknown, there, Store},
		{Unknown, gone, Store},
		{Queued, there, Wait},
		{Queued, gone, Wait},
		{Acked, there, Store},
		{Acked, gone, Duplicate},
		{Unconfirmed, there, Duplicate},
		{Unconfirmed, gone, Duplicate},
		{Confirmed, there, Store},
		{Confirmed, gone, Duplicate},
	} {
		if got := judge(tc.remembered, tc.client); got != tc.want {
			t.Errorf("state %d, gone %t: verdict %d, want %d", tc.remembered, tc.client, got, tc.want)
		}
	}
}

// Whatever batches have in common, and whichever is withdrawn, there is always one that waits for no other.
func TestSomebodyNeverWaits(t *testing.T) {
	orders := [][]byte{{1, 2}, {2, 1}, {1}, {2, 3}, {3, 1}}
	for first := range orders {
		for withdrawn := range orders {
			w := NewWindow(time.Minute, time.Now)
			var left []*Batch
			for i := range orders {
				left = append(left, entered(w, uint64(i+1), orders[(first+i)%len(orders)]...))
			}
			w.Withdrawn(left[withdrawn])
			left = slices.Delete(left, withdrawn, withdrawn+1)
			for len(left) > 0 {
				i := slices.IndexFunc(left, func(b *Batch) bool { return !b.Waiting() })
				if i < 0 {
					t.Fatalf("%d batches wait for each other", len(left))
				}
				store(w, 1, left[i])
				left = slices.Delete(left, i, i+1)
			}
		}
	}
}

// A batch larger than a transaction is stored in parts. What is stored of it stays so, though the rest fails.
func TestStoredInPart(t *testing.T) {
	w := NewWindow(time.Minute, time.Now)
	b := entered(w, 1, 'x', 'y')
	w.Stored([]Piece{{b, 0}}, 1, nil)
	if again := entered(w, 2, 'x'); again.Waiting() || !again.Duplicate(0) {
		t.Error("what is stored is stored again")
	}
	waits := entered(w, 3, 'y')
	if !waits.Waiting() {
		t.Error("what is not stored is not waited for")
	}
	w.Withdrawn(b)
	if waits.Waiting() || waits.Duplicate(0) {
		t.Error("what was not stored stands for what was sent again")
	}
	if again := entered(w, 4, 'x', 'y'); !again.Duplicate(0) || again.Duplicate(1) {
		t.Error("sent again after the failure")
	}
}

// The window has bounds, whatever comes.
func TestBounds(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	w := NewWindow(time.Minute, c.now)
	var saved []Saved
	for i := range maxUnconfirmed + 10 {
		saved = append(saved, Saved{Key{Events: i + 1}, c.Add(time.Minute)})
	}
	w.Restore(saved)
	if n := len(w.messages); n != maxUnconfirmed {
		t.Errorf("%d messages are remembered, want %d", n, maxUnconfirmed)
	}
	c.move(2 * time.Minute)
	w.Settle(1, 1, true)
	if n := len(w.messages) + len(w.unconfirmed); n != 0 {
		t.Errorf("%d messages are remembered after the window", n)
	}
	for i := range maxConfirmed + 10 {
		b := &Batch{}
		b.Of(1)
		b.Add(Key{Events: i + 1})
		w.Enter(b)
		store(w, 1, b)
		w.Settle(1, 1, true)
	}
	if n := len(w.messages); n != maxConfirmed {
		t.Errorf("%d confirmed messages are remembered, want %d", n, maxConfirmed)
	}
	for conn := range uint64(10) { // clients that go, and commits that fail
		b := entered(w, conn+2, 'z')
		w.Gone(conn + 2)
		w.Withdrawn(b)
		w.Settle(conn+2, 1, false)
	}
	if n := len(w.gone) + len(w.conns); n != 0 || len(w.messages) != maxConfirmed {
		t.Errorf("%d connections are remembered after their end, %d messages", n, len(w.messages))
	}
}

// What a restart has to know is what was stored and not confirmed, but for what its segment tells.
func TestSaved(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	w := NewWindow(time.Minute, c.now)
	for i, id := range []byte("abcd") {
		b := entered(w, uint64(i+1), id)
		if id != 'd' {
			store(w, uint64(i+1), b)
		}
	}
	w.Settle(2, 1, true)
	saved := w.Unconfirmed(func(segment uint64) bool { return segment == 3 })
	if want := []Saved{{key('a'), c.Add(time.Minute)}}; !slices.Equal(saved, want) {
		t.Errorf("saved %v, want %v", saved, want)
	}
	next := NewWindow(time.Minute, c.now)
	next.Restore(saved)
	if b := entered(next, 9, 'a', 'b'); !b.Duplicate(0) || b.Duplicate(1) {
		t.Error("the next start remembers something else")
	}
	off := NewWindow(0, c.now)
	off.Restore(saved)
	if b := entered(off, 9, 'a'); b.Duplicate(0) {
		t.Error("a window that is off remembers")
	}
}

// Each case is what a connection stored before a crash: in which commits, whether ahead of the acks of the one before,
// and in which segment.
func TestTails(t *testing.T) {
	type stored struct {
		segment int
		commit  uint64
		ahead   bool
		id      byte
	}
	for _, tc := range []struct {
		name   string
		stored []stored
		want   string
	}{
		{"one after the other", []stored{{0, 1, false, 'a'}, {0, 2, false, 'b'}}, "b"},
		{"two in a commit", []stored{{0, 1, false, 'a'}, {0, 2, false, 'b'}, {0, 2, false, 'c'}}, "bc"},
		{"ahead", []stored{{0, 1, false, 'a'}, {0, 2, false, 'b'}, {0, 3, true, 'c'}}, "bc"},
		{"ahead, and then not", []stored{{0, 1, false, 'a'}, {0, 2, true, 'b'}, {0, 3, false, 'c'}}, "c"},
		{"in two segments", []stored{{0, 1, false, 'a'}, {1, 2, false, 'b'}}, "b"},
		{"ahead, in two segments", []stored{{0, 1, false, 'a'}, {1, 2, true, 'b'}}, "ab"},
		{"a commit over two segments", []stored{{0, 1, false, 'a'}, {1, 1, false, 'b'}}, "ab"},
		{"nothing", nil, ""},
	} {
		for _, others := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, others), func(t *testing.T) {
				segments := []Tails{{}, {}}
				for _, s := range tc.stored {
					segments[s.segment].Add(1, s.commit, s.ahead, time.Hour.Nanoseconds(), key(s.id))
				}
				if others {
					segments[0].Add(2, 1, false, 0, key('z')) // another connection's
				}
				all := Tails{}
				all.Join(maps.Clone(segments[0]))
				all.Join(segments[1])
				delete(all, 2)
				var got []byte
				for _, s := range all.Unconfirmed(time.Minute) {
					got = append(got, s.Chunk[0])
					if !s.Until.Equal(time.Unix(0, 0).Add(time.Hour + time.Minute)) {
						t.Errorf("remembered until %v", s.Until)
					}
				}
				if string(got) != tc.want {
					t.Errorf("unconfirmed: %q, want %q", got, tc.want)
				}
			})
		}
	}
}

// A client ahead without end leaves a bounded end.
func TestTailsBounded(t *testing.T) {
	t1 := Tails{}
	for i := range uint64(5 * maxAhead) {
		t1.Add(1, i, true, 0, key(1))
	}
	if n := len(t1[1].Keys); n != maxAhead+1 {
		t.Errorf("%d keys", n)
	}
}
