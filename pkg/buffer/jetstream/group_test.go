package jetstream

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/publish"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// What may have been stored when its agent gave up is counted once, though another pod has stored it meanwhile.
func TestDoubtIsCountedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		a, b := e.pod("a"), e.pod("b")
		defer e.close(a)
		defer e.close(b)
		e.away()
		m := sent{chunk: "id", nanos: true, text: "x", conn: 1}
		batch := a.NewBatch(m.conn)
		batch.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: m.chunk, Outputs: []string{"o"}})
		batch.Add([]byte(m.text), 1, m.nanos)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := batch.Commit(ctx); err == nil {
			t.Fatal("it is acknowledged")
		}
		e.back()
		for i, q := range []*Queue{b, a} {
			m.conn++
			if got := e.send(q, m); got != (i == 1) {
				t.Errorf("time %d: it is a duplicate: %v", i, got)
			}
		}
		time.Sleep(10 * time.Second)
		for _, q := range []*Queue{a, b} {
			w := q.Stats().Waits
			if len(w) != 1 || w[0].Appended.Chunks != 1 || w[0].Done.Chunks+w[0].Found.Chunks != 0 {
				t.Errorf("%+v", w)
			}
		}
		// Where the answers to attempts were lost, it is the one's who made what is there.
		for _, tc := range []struct {
			q   *Queue
			seq uint64
			own bool
		}{{a, 1, false}, {b, 1, true}, {b, 2, false}} {
			again := &publish.Message{Seq: tc.seq, Duplicate: true, Again: true}
			if tc.q.claim(t.Context(), []*publish.Message{again}); again.Duplicate == tc.own {
				t.Errorf("message %d is %s's own: %v", tc.seq, tc.q.host, !again.Duplicate)
			}
		}
	})
}

// A process dies before it has told what it counted: ten seconds later all adds up, at each of the others.
func TestLedgerAfterDeath(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		a, b, c := e.pod("a"), e.pod("b"), e.pod("c")
		defer e.close(b)
		defer e.close(c)
		for i := range 5 {
			e.send(b, sent{text: fmt.Sprint("b", i)})
		}
		time.Sleep(3 * time.Second)
		for i := range 7 {
			e.send(a, sent{text: fmt.Sprint("a", i)})
		}
		for range 3 {
			chunk, _ := e.next(a, ackWait)
			a.Source("o").Done(chunk)
		}
		// The servers know what is finished, and nobody else does.
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		kill(a)
		time.Sleep(10 * time.Second)
		e.balance(b, 9)
		e.balance(c, 9)
		if got := e.drain(c); len(got) != 9 {
			t.Errorf("delivered %q", got)
		}
		time.Sleep(10 * time.Second)
		e.balance(b, 0)
		e.balance(c, 0)
		alive := 0
		for _, p := range b.Peers() {
			if p.Alive {
				alive++
			}
		}
		if alive != 2 || len(b.Peers()) != 3 {
			t.Errorf("%d of %d are alive", alive, len(b.Peers()))
		}
	})
}

// What one pod purges, no other one hands out any more, but for what it had handed out.
func TestPurgeOfAll(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		a, b := e.pod("a"), e.pod("b")
		defer e.close(a)
		defer e.close(b)
		for i := range 10 {
			e.send(a, sent{text: strconv.Itoa(i)})
		}
		held, _ := e.next(b, ackWait)
		if n := a.Purge("o"); n.Chunks > 9 {
			t.Errorf("purged %+v, with what is handed out", n)
		}
		b.Source("o").Done(held)
		for _, q := range []*Queue{a, b} {
			if c, _ := e.next(q, 2*ackWait); c != nil {
				t.Errorf("%q is handed out after the purge", c.Entries)
			}
		}
		time.Sleep(15 * time.Second)
		e.balance(a, 0)
		e.balance(b, 0)
	})
}

func TestGroup(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		a, b := e.pod("a"), e.pod("b")
		defer e.close(a)
		a.Share([]byte("state of a"))
		b.Answer(func(request []byte) []byte { return append([]byte("b says "), request...) })
		told := make(chan string, 1)
		stopListening, err := a.Listen("topic", func(data []byte) { told <- string(data) })
		if err != nil {
			t.Fatal(err)
		}
		defer stopListening()
		time.Sleep(5 * time.Second)
		b.Tell("topic", []byte("news"))
		if got := <-told; got != "news" {
			t.Errorf("told %q", got)
		}
		answers := a.Ask(t.Context(), []byte("hello"))
		if len(answers) != 1 || string(answers[0].Data) != "b says hello" || answers[0].Name != b.Self() {
			t.Errorf("%q", answers)
		}
		for _, p := range b.Peers() {
			if p.Name == a.Self() && (string(p.State) != "state of a" || !p.Alive || p.Host != "a") {
				t.Errorf("%+v", p)
			}
		}
		e.close(b)
		time.Sleep(time.Second)
		for _, p := range a.Peers() {
			if p.Name == b.Self() && p.Alive {
				t.Error("who has ended is alive")
			}
		}
		if answers := a.Ask(t.Context(), []byte("hello")); answers != nil {
			t.Errorf("%q", answers)
		}
	})
}

// A dead letter is sent again by another pod than the one that keeps it, once, whoever tries.
func TestRequeueFromAnyPod(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		a, b := e.pod("a"), e.pod("b")
		defer e.close(b)
		entry := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1}), nil, []byte{0x80})
		if err := a.DeadLetters().Add(t.Context(), []deadletter.Letter{{
			Cluster: "c", Tag: "t", Output: "o", Reason: "rejected", Events: 1, Entry: entry,
		}}); err != nil {
			t.Fatal(err)
		}
		letters, _, err := b.DeadLetters().Page(t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 5})
		if err != nil || len(letters) != 1 {
			t.Fatalf("%+v: %v", letters, err)
		}
		item := buffer.RequeueItem{
			ID: letters[0].ID, Message: buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"o"}}, Entries: entry,
			Part: event.Part{Key: [16]byte{1}, Events: 1},
		}
		// a dies between putting it into the queue and deleting the letter, and b does it once more.
		if err := a.Requeue(t.Context(), []buffer.RequeueItem{item}); err != nil {
			t.Fatal(err)
		}
		kill(a)
		if err := b.Requeue(t.Context(), []buffer.RequeueItem{item}); err != nil {
			t.Fatal(err)
		}
		if got := e.drain(b); len(got) != 1 {
			t.Errorf("delivered %q", got)
		}
		// Whoever starts next finds that it is in the queue, and deletes the letter.
		c := e.pod("c")
		defer e.close(c)
		if n := c.DeadLetters().Stats().Letters; n != 0 {
			t.Errorf("%d letters are left", n)
		}
	})
}
