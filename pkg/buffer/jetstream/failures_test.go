package jetstream

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

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
