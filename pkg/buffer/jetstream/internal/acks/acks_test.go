package acks

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

const wait = 8 * time.Second

// server keeps what it is told.
type server struct {
	mu    sync.Mutex
	heard []*nats.Msg
}

func (s *server) publish(m *nats.Msg) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, m)
	return nil
}

func token(m *nats.Msg) string { return strings.TrimPrefix(m.Reply, "inbox.") }

// That a message is finished is said again until it is confirmed, other words are said once.
func TestInsist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{}
		s := New(srv.publish, "inbox.", wait)
		s.Send("a", Ack)
		s.Send("b", Nak)
		s.Request("c", "answers", "{}")
		s.Flush()
		if len(srv.heard) != 3 || srv.heard[0].Reply == "" || srv.heard[1].Reply != "" ||
			srv.heard[2].Reply != "answers" {
			t.Fatalf("%+v", srv.heard)
		}
		s.Insist(time.Now())
		if s.Flush(); len(srv.heard) != 3 {
			t.Error("it is said again at once")
		}
		time.Sleep(wait)
		s.Insist(time.Now())
		if s.Flush(); len(srv.heard) != 4 || srv.heard[3].Subject != "a" || srv.heard[3].Reply != srv.heard[0].Reply {
			t.Fatalf("%+v", srv.heard)
		}
		s.Confirmed(token(srv.heard[0]))
		time.Sleep(wait)
		s.Insist(time.Now())
		if s.Flush(); len(srv.heard) != 4 {
			t.Error("what is confirmed is said again")
		}
	})
}

// Servers that have forgotten a message never confirm it.
func TestInsistEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{}
		s := New(srv.publish, "inbox.", wait)
		s.Send("a", Ack)
		for range 2 * maxInsist {
			time.Sleep(wait)
			s.Insist(time.Now())
		}
		if s.Flush(); len(srv.heard) != 1+maxInsist {
			t.Errorf("it is said %d times, want %d", len(srv.heard), 1+maxInsist)
		}
	})
}

// What is not confirmed is counted by consumer.
func TestUnconfirmed(t *testing.T) {
	s := New((&server{}).publish, "inbox.", wait)
	for _, reply := range []string{"$JS.ACK.S.c1.1.5.5.0.0", "$JS.ACK.S.c1.1.6.6.0.0", "$JS.ACK.S.c2.1.7.7.0.0"} {
		s.Send(reply, Ack)
	}
	s.Send("$JS.ACK.S.c1.1.8.8.0.0", Progress)
	for consumer, want := range map[string]int64{"c1": 2, "c2": 1, "c": 0} {
		if got := s.Unconfirmed(consumer); got != want {
			t.Errorf("%d of %s are not confirmed, want %d", got, consumer, want)
		}
	}
}

func TestAwaitConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{}
		s := New(srv.publish, "inbox.", wait)
		begun := time.Now()
		s.AwaitConfirmed(time.Minute)
		// A confirmation may come twice, where an ack was said twice.
		s.Confirmed("1")
		if time.Since(begun) != 0 {
			t.Errorf("it waits %v where there is nothing", time.Since(begun))
		}
		s.Send("a", Ack)
		s.AwaitConfirmed(time.Minute)
		if time.Since(begun) != time.Minute {
			t.Errorf("it waits %v for servers that do not answer", time.Since(begun))
		}
		done := make(chan struct{})
		go func() {
			s.AwaitConfirmed(time.Hour)
			close(done)
		}()
		synctest.Wait()
		s.Confirmed(token(srv.heard[0]))
		<-done
		if time.Since(begun) != time.Minute {
			t.Errorf("it waits %v after all is confirmed", time.Since(begun))
		}
		s.Confirmed(token(srv.heard[0]))
	})
}

// What is not urgent waits a moment for more to say. A request takes it along.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{}
		s := New(srv.publish, "inbox.", wait)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			s.Run(ctx)
			close(done)
		}()
		expect := func(what string, words int) {
			t.Helper()
			synctest.Wait()
			srv.mu.Lock()
			defer srv.mu.Unlock()
			if len(srv.heard) != words {
				t.Errorf("%s: %d words are said, want %d", what, len(srv.heard), words)
			}
		}
		s.Send("a", Ack)
		s.Send("b", Progress)
		expect("at once", 0)
		time.Sleep(gatherFor)
		expect("a moment later", 2)
		s.Send("c", Ack)
		s.Request("d", "answers", "{}")
		expect("with a request", 4)
		for range gatherMost {
			s.Send("e", Ack)
		}
		expect("many", 4+gatherMost)
		cancel()
		<-done
	})
}
