package acks

import (
	"context"
	"fmt"
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
	s.heard = append(s.heard, &nats.Msg{Subject: m.Subject, Reply: m.Reply, Data: m.Data})
	return nil
}

func token(m *nats.Msg) string { return strings.TrimPrefix(m.Reply, "inbox.") }

// That a message is finished is said again until it is confirmed, other words are said once.
func TestInsist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{}
		s := New(srv.publish, "inbox.", wait)
		s.Finish("c1", 1, "a")
		s.Send("b", Nak)
		s.Request("c", "answers", "{}")
		s.Flush()
		if len(srv.heard) != 3 || srv.heard[0].Reply != "" || srv.heard[1].Reply != "answers" ||
			srv.heard[2].Reply == "" {
			t.Fatalf("%+v", srv.heard)
		}
		s.Insist(time.Now())
		if s.Flush(); len(srv.heard) != 3 {
			t.Error("it is said again at once")
		}
		time.Sleep(wait)
		s.Insist(time.Now())
		if s.Flush(); len(srv.heard) != 4 || srv.heard[3].Subject != "a" || srv.heard[3].Reply != srv.heard[2].Reply {
			t.Fatalf("%+v", srv.heard)
		}
		s.Confirmed(token(srv.heard[2]))
		time.Sleep(wait)
		s.Insist(time.Now())
		if s.Flush(); len(srv.heard) != 4 {
			t.Error("what is confirmed is said again")
		}
	})
}

// What is finished of a consumer is said together, the newest last, and confirmed by one answer to that: servers heed
// words in turn, and one that knows of the newest knows of the others. Each consumer's are a group of its own.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{}
		s := New(srv.publish, "inbox.", wait)
		for _, seq := range []uint64{5, 7, 9, 4, 8} {
			s.Finish("c1", seq, fmt.Sprint("c1.", seq))
			s.Finish("c2", seq, fmt.Sprint("c2.", seq))
		}
		s.Flush()
		asked := map[string]string{}
		for _, m := range srv.heard {
			if m.Reply != "" {
				asked[m.Subject] = token(m)
			}
		}
		if len(srv.heard) != 10 || len(asked) != 2 || asked["c1.9"] == "" || asked["c2.9"] == "" {
			t.Fatalf("%d words, which ask for %v", len(srv.heard), asked)
		}
		for _, i := range []int{4, 9} {
			if m := srv.heard[i]; !strings.HasSuffix(m.Subject, ".9") {
				t.Errorf("word %d is for %s, want the newest", i, m.Subject)
			}
		}
		s.Confirmed(asked["c1.9"])
		if c1, c2 := s.Unconfirmed("c1"), s.Unconfirmed("c2"); c1 != 0 || c2 != 5 {
			t.Errorf("%d and %d are not confirmed", c1, c2)
		}
		time.Sleep(wait)
		s.Insist(time.Now())
		if s.Flush(); len(srv.heard) != 15 || srv.heard[14].Subject != "c2.9" {
			t.Errorf("%d words, the last for %s", len(srv.heard), srv.heard[len(srv.heard)-1].Subject)
		}
	})
}

// Servers that have forgotten a message never confirm it.
func TestInsistEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{}
		s := New(srv.publish, "inbox.", wait)
		s.Finish("c1", 1, "a")
		s.Flush()
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
	s.Finish("c1", 5, "$JS.ACK.S.c1.1.5.5.0.0")
	s.Finish("c1", 6, "$JS.ACK.S.c1.1.6.6.0.0")
	s.Finish("c2", 7, "$JS.ACK.S.c2.1.7.7.0.0")
	s.Flush()
	s.Finish("c1", 9, "$JS.ACK.S.c1.1.9.9.0.0")
	s.Send("$JS.ACK.S.c1.1.8.8.0.0", Progress)
	for consumer, want := range map[string]int64{"c1": 3, "c2": 1, "c": 0} {
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
		s.Finish("c1", 1, "a")
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
		s.Finish("c1", 1, "a")
		s.Send("b", Progress)
		expect("at once", 0)
		time.Sleep(gatherFor)
		expect("a moment later", 2)
		s.Finish("c1", 2, "c")
		s.Request("d", "answers", "{}")
		expect("with a request", 4)
		for i := range gatherMost {
			s.Finish("c1", uint64(i), "e")
		}
		expect("many", 4+gatherMost)
		cancel()
		<-done
	})
}
