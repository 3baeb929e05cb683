package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/publish"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// The servers keep what has no consumer in a work queue, and hand it out once there is one: that is why it is one. With
// retention by interest they acknowledge it, and keep nothing.
func TestServerKeepsWhatHasNoConsumer(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		ctx := t.Context()
		for retention, want := range map[jetstream.RetentionPolicy]uint64{
			jetstream.WorkQueuePolicy: 1, jetstream.InterestPolicy: 0,
		} {
			name := "S" + retention.String()
			s, err := q.js.CreateStream(ctx, jetstream.StreamConfig{
				Name: name, Subjects: []string{name + ".>"}, Retention: retention,
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := q.js.Publish(ctx, name+".a", []byte("x")); err != nil {
				t.Fatal(err)
			}
			info, err := s.Info(ctx)
			if err != nil || info.State.Msgs != want {
				t.Errorf("%v: it acknowledged 1 and keeps %d, want %d: %v", retention, info.State.Msgs, want, err)
			}
		}
	})
}

// What was acknowledged while somebody deletes the consumer, again and again, is delivered.
func TestConsumerDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		of := durable(subject.Of("Q", subject.Place{Output: "o", Cluster: "c"}))
		var want, got []string
		for i := range 60 {
			text := fmt.Sprintf("%02d", i)
			e.send(q, sent{text: text})
			want = append(want, text)
			if i%3 == 0 {
				if c, _ := e.next(q, ackWait); c != nil {
					got = append(got, string(c.Entries))
					q.Source("o").Done(c)
				}
			}
			if i%5 == 0 {
				err := q.js.DeleteConsumer(t.Context(), "Q", of)
				if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
					t.Fatal(err)
				}
			}
		}
		got = append(got, e.drain(q)...)
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("delivered %q, want %q", got, want)
		}
	})
}

func TestTakeover(t *testing.T) {
	for name, tc := range map[string]struct {
		end    func(e *engine, q *Queue)
		within time.Duration
	}{
		"killed":  {func(_ *engine, q *Queue) { kill(q) }, ackWait + time.Second},
		"stopped": {func(e *engine, q *Queue) { e.close(q) }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
				a, b := e.pod("a"), e.pod("b")
				defer e.close(b)
				e.send(a, sent{text: "1"})
				e.send(a, sent{text: "2"})
				c, _ := e.next(a, ackWait)
				if c == nil || string(c.Entries) != "1" {
					t.Fatalf("%+v", c)
				}
				// It is a's for as long as a works on it.
				if c, _ := e.next(b, 5*ackWait); c != nil && string(c.Entries) == "1" {
					t.Fatalf("%q is handed out twice", c.Entries)
				} else if c != nil {
					b.Source("o").Done(c)
				}
				tc.end(e, a)
				for {
					c, took := e.next(b, 5*ackWait)
					if c == nil || took > tc.within {
						t.Fatalf("the other one has %+v after %v", c, took)
					}
					again, text := c.Again, string(c.Entries)
					b.Source("o").Done(c)
					if text == "1" {
						if !again {
							t.Error("it is not said that it was handed out before")
						}
						break
					}
				}
				time.Sleep(30 * time.Second)
				e.balance(b, 0)
			})
		})
	}
}

// An agent that missed its ack sends a chunk again, to another pod.
func TestResendToAnotherPod(t *testing.T) {
	for _, tc := range []struct {
		name  string
		chunk string
		nanos bool
		want  []string
	}{
		{"nanoseconds make its id its own", "AAAAAAAAAAAAAAAAAAAAAA==", true, []string{"x"}},
		{"fluentd's id", "AAAAAAAAAAAAAAAAAAAAAA==\n", false, []string{"x"}},
		{"Fluency's id", "8f14e45f-ceea-467f-a9f5-01bd4bd6b2a1", false, []string{"x"}},
		{"others may have Fluent Bit's id", "AAAAAAAAAAAAAAAAAAAAAA==", false, []string{"x", "x"}},
		{"others may have an older one's", "8f14e45fceea467fa9f501bd4bd6b2a1", false, []string{"x", "x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
				a, b := e.pod("a"), e.pod("b")
				defer e.close(a)
				defer e.close(b)
				m := sent{chunk: tc.chunk, nanos: tc.nanos, text: "x", conn: 1}
				if e.send(a, m) {
					t.Error("the first is a duplicate")
				}
				if got := e.send(b, m); got != (len(tc.want) == 1) {
					t.Errorf("the second is a duplicate: %v", got)
				}
				// And to the first pod, over another connection, after the first one broke.
				a.Gone(1)
				a.Settle(1, 1, false)
				m.conn = 2
				if !e.send(a, m) {
					t.Error("the third is no duplicate")
				}
				if got := e.drain(b); !slices.Equal(got, tc.want) {
					t.Errorf("delivered %q, want %q", got, tc.want)
				}
				time.Sleep(30 * time.Second)
				e.balance(a, 0)
				e.balance(b, 0)
			})
		})
	}
}

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

// One connection that sends the same id twice means two chunks, whatever is in them.
func TestSameIDMeansAnotherChunk(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		for range 2 {
			if e.send(q, sent{chunk: "id", nanos: true, text: "x", conn: 1}) {
				t.Error("it is a duplicate")
			}
		}
		if got := e.drain(q); len(got) != 2 {
			t.Errorf("delivered %q", got)
		}
	})
}

// entries returns n events of so many bytes each, about.
func entries(n, size int) []byte {
	var all []byte
	for i := range n {
		record := append([]byte{0x81, 0xa1, 'n', 0xdb, 0, byte(size >> 16), byte(size >> 8), byte(size)},
			[]byte(strings.Repeat(string(rune('a'+i%26)), size))...)
		all = event.AppendEntry(all, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: 1}), nil, record)
	}
	return all
}

// A message that is larger than one of the stream is stored as several, whose events have the ids of the one.
func TestPieces(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		a, b := e.pod("a"), e.pod("b")
		defer e.close(a)
		defer e.close(b)
		all := entries(100, 200_000)
		for i, q := range []*Queue{a, b} { // the second is a resend
			batch := q.NewBatch(1)
			batch.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: "id", Outputs: []string{"o"}})
			batch.Add(all, 100, true)
			if err := batch.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := batch.Repeated().Events; got != int64(100*i) {
				t.Errorf("pod %d: %d events are repeated", i, got)
			}
		}
		var got []byte
		first, key := 0, event.PartKeyOfChunk("c", "t", "id")
		for c, _ := e.next(b, 2*ackWait); c != nil; c, _ = e.next(b, 2*ackWait) {
			if len(c.Parts) != 1 || c.Parts[0].First != first || c.Parts[0].Key != key ||
				len(c.Entries) > sealing.MaxPieceSize {
				t.Errorf("%d bytes with parts %+v, want the first event to be %d", len(c.Entries), c.Parts, first)
			}
			first += c.Events
			got = append(got, c.Entries...)
			b.Source("o").Done(c)
		}
		if first != 100 || string(got) != string(all) {
			t.Errorf("%d of 100 events, %d of %d bytes", first, len(got), len(all))
		}
	})
}

// An event that is larger than a message may be is a dead letter, which says what to do, and the rest of its chunk goes
// on. One that is smaller when compressed is stored.
func TestTooLargeEvent(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		noise := make([]byte, 9<<20)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(noise) // never fails
		large := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1}), nil,
			append([]byte{0x81, 0xa1, 'n', 0xc6, 0, 0x90, 0, 0}, noise...))
		b := q.NewBatch(1)
		b.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: "id", Outputs: []string{"o"}})
		rejected := b.Add(slices.Concat(entries(2, 100), large, entries(1, 9<<20), entries(1, 100)), 5, true)
		if rejected != 1 {
			t.Errorf("%d events are rejected", rejected)
		}
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		var first []int
		for c, _ := e.next(q, 2*ackWait); c != nil; c, _ = e.next(q, 2*ackWait) {
			first = append(first, c.Parts[0].First)
			q.Source("o").Done(c)
		}
		if !slices.Equal(first, []int{0, 3, 4}) {
			t.Errorf("chunks begin with events %v", first)
		}
		letters, _, err := q.DeadLetters().Page(t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 5})
		if err != nil || len(letters) != 2 || letters[0].Events+letters[1].Events != 1 {
			t.Fatalf("%d letters: %v", len(letters), err)
		}
		for _, l := range letters {
			if l.Reason != "too_large" || !strings.Contains(l.Detail, "raise max_payload") {
				t.Errorf("%s: %s", l.Reason, l.Detail)
			}
		}
	})
}

// The servers are away at the start, later, and while something is being stored: no ack, and it goes on by itself.
func TestServersAway(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		e.away()
		q := e.pod("a")
		defer e.close(q)
		if err := q.Ready(); err == nil {
			t.Fatal("it is ready without a server")
		}
		for _, text := range []string{"1", "2"} {
			done := make(chan bool)
			go func() {
				e.send(q, sent{chunk: text, nanos: true, text: text})
				close(done)
			}()
			time.Sleep(20 * time.Second)
			select {
			case <-done:
				t.Fatal("it is acknowledged without a server")
			default:
			}
			e.back()
			<-done
			time.Sleep(5 * time.Second)
			if err := q.Ready(); err != nil {
				t.Errorf("it is not ready: %v", err)
			}
			e.away()
			time.Sleep(10 * time.Second)
			if err := q.Ready(); err == nil {
				t.Error("it is ready without a server")
			}
		}
		e.back()
		time.Sleep(2 * ackWait)
		if got := e.drain(q); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("delivered %q", got)
		}
		if n, bytes := q.outlet.Load().Outstanding(); n != 0 || bytes != 0 {
			t.Errorf("%d messages of %d bytes are outstanding", n, bytes)
		}
	})
}

// A queue that is closed while the servers are away ends soon, and others deliver what it had once they are back.
func TestCloseWithoutServers(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		a := e.pod("a")
		e.send(a, sent{text: "1"})
		if c, _ := e.next(a, ackWait); c == nil {
			t.Fatal("nothing is handed out")
		}
		e.away()
		begun := time.Now()
		e.close(a)
		if took := time.Since(begun); took > 2*requestWithin {
			t.Errorf("it took %v", took)
		}
		e.back()
		b := e.pod("b")
		defer e.close(b)
		if got := e.drain(b); !slices.Equal(got, []string{"1"}) {
			t.Errorf("delivered %q", got)
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

func TestOtherSettings(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		_, err := q.js.CreateStream(t.Context(), jetstream.StreamConfig{
			Name: "THEIRS", Subjects: []string{"THEIRS.>"}, MaxAge: time.Hour, Discard: jetstream.DiscardOld,
		})
		if err != nil {
			t.Fatal(err)
		}
		e.close(q)
		cfg := config()
		cfg.JetStream.Stream = "THEIRS"
		_, err = Open(t.Context(), cfg, Options{inProcess: e})
		var different *DifferentError
		if !errors.As(err, &different) {
			t.Fatal(err)
		}
		for _, want := range []string{"retention", "discard", "subjects", "max_age"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say that %s differs", err, want)
			}
		}
		// Check says the same, and of the queue's own stream that it is fine.
		faults := func(cfg buffer.Config) (all []string) {
			for _, f := range Check(context.Background(), cfg, Options{inProcess: e}) {
				if f.Severity == Fault {
					all = append(all, f.Text)
				}
			}
			return all
		}
		if all := faults(cfg); len(all) != 1 || !strings.Contains(all[0], "max_age") {
			t.Errorf("%q", all)
		}
		if all := faults(config()); len(all) != 0 {
			t.Errorf("%q", all)
		}
		e.away()
		if all := faults(config()); len(all) != 1 {
			t.Errorf("without a server: %q", all)
		}
	})
}

// A damaged message is a dead letter, and stops nothing.
func TestDamaged(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		of := subject.Of("Q", subject.Place{Output: "o", Cluster: "c"})
		if _, err := q.js.Publish(t.Context(), of, []byte("no chunk")); err != nil {
			t.Fatal(err)
		}
		e.send(q, sent{text: "1"})
		if got := e.drain(q); !slices.Equal(got, []string{"1"}) {
			t.Errorf("delivered %q", got)
		}
		letters, _, err := q.DeadLetters().Page(t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 5})
		if err != nil || len(letters) != 1 || letters[0].Reason != "damaged" || string(letters[0].Entry) != "no chunk" {
			t.Errorf("%+v: %v", letters, err)
		}
	})
}

// The stream itself is full: no ack, and it goes on once there is room.
func TestStreamFull(t *testing.T) {
	bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
		q := e.pod("a")
		defer e.close(q)
		s, err := q.js.Stream(t.Context(), "Q")
		if err != nil {
			t.Fatal(err)
		}
		small := s.CachedInfo().Config
		small.MaxBytes = 400
		if _, err := q.js.UpdateStream(t.Context(), small); err != nil {
			t.Fatal(err)
		}
		e.send(q, sent{text: "1"})
		done := make(chan bool)
		go func() {
			e.send(q, sent{text: "2"})
			e.send(q, sent{text: "3"})
			close(done)
		}()
		time.Sleep(10 * time.Second)
		select {
		case <-done:
			t.Fatal("it is acknowledged without room")
		default:
		}
		if q.Ready() == nil {
			t.Error("it is ready without room")
		}
		got := e.drain(q)
		<-done
		got = append(got, e.drain(q)...)
		slices.Sort(got)
		if !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("delivered %q", got)
		}
	})
}
