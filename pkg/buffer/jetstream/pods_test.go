package jetstream

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// engine is a server that can go away and come back, and the queues on it, in a bubble with its own time.
type engine struct {
	t   *testing.T
	dir string

	mu  sync.Mutex
	srv *server.Server
}

// InProcessConn implements nats.InProcessConnProvider.
func (e *engine) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	srv := e.srv
	e.mu.Unlock()
	if srv == nil {
		return nil, errors.New("the server is away")
	}
	return srv.InProcessConn()
}

// away ends the server, if it runs.
func (e *engine) away() {
	e.mu.Lock()
	srv := e.srv
	e.srv = nil
	e.mu.Unlock()
	if srv != nil {
		stop(srv)
	}
}

// back starts it.
func (e *engine) back() {
	e.t.Helper()
	srv, err := newServer(e.dir)
	if err != nil {
		e.t.Fatal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.srv = srv
}

// bubble runs a test in a bubble, with a server.
func bubble(t *testing.T, test func(t *testing.T, e *engine)) {
	t.Helper()
	dir := t.TempDir()
	// The client keeps timers for whoever needs one next, and one of another bubble may not be used in this one.
	runtime.GC()
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		e := &engine{t: t, dir: filepath.Join(dir, "nats")}
		e.back()
		defer e.away()
		test(t, e)
	})
}

func config() buffer.Config {
	return buffer.Config{
		Type: "jetstream", MaxSize: 1 << 30, WhenFull: "block", Compression: "s2", DedupeWindow: 10 * time.Minute,
		JetStream: &buffer.JetStreamConfig{Stream: "Q", Replicas: 1},
	}
}

// pod opens a queue on the server, which is closed with the test.
func (e *engine) pod(name string) *Queue {
	e.t.Helper()
	q, err := Open(context.Background(), config(), Options{Host: name, inProcess: e})
	if err != nil {
		e.t.Fatal(err)
	}
	return q
}

// kill ends a queue as the end of its process does: nobody is told.
func kill(q *Queue) {
	q.mu.Lock()
	q.closed = true
	q.changed.Wake()
	q.mu.Unlock()
	q.outlet.Load().Close()
	q.cancel()
	q.link.Close()
	q.tasks.Wait()
}

func (e *engine) close(q *Queue) {
	e.t.Helper()
	if err := q.Close(); err != nil {
		e.t.Error(err)
	}
}

// message is what an agent sends, as one event.
type sent struct {
	chunk string
	nanos bool
	text  string
	conn  uint64
}

// send stores one message and returns whether it was a duplicate.
func (e *engine) send(q *Queue, m sent) bool {
	e.t.Helper()
	b := q.NewBatch(m.conn)
	b.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: m.chunk, Outputs: []string{"o"}})
	b.Add([]byte(m.text), 1, m.nanos)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.Commit(ctx); err != nil {
		e.t.Fatal(err)
	}
	return b.Repeated().Messages > 0
}

// next returns the next chunk of the output, and how long that took; nil where none comes for so long.
func (e *engine) next(q *Queue, within time.Duration) (*event.Chunk, time.Duration) {
	e.t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	c, err := q.Source("o").Next(ctx)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		e.t.Fatal(err)
	}
	return c, time.Since(begun)
}

// drain delivers what waits and returns its entries, sorted.
func (e *engine) drain(q *Queue) (texts []string) {
	e.t.Helper()
	for c, _ := e.next(q, 2*ackWait); c != nil; c, _ = e.next(q, 2*ackWait) {
		texts = append(texts, string(c.Entries))
		q.Source("o").Done(c)
	}
	slices.Sort(texts)
	return texts
}

// balance holds that all is accounted for at a queue, with so many events pending.
func (e *engine) balance(q *Queue, pending int64) {
	e.t.Helper()
	sum := int64(0)
	for _, w := range q.Stats().Waits {
		got := w.Done.Events + w.Dropped.Events + w.Purged.Events + w.Lost.Events + w.Given.Events + w.Pending.Events
		if want := w.Found.Events + w.Appended.Events; got != want {
			e.t.Errorf("%+v adds up to %d events, want %d", w, got, want)
		}
		sum += w.Pending.Events
	}
	if sum != pending {
		e.t.Errorf("%d events are pending, want %d", sum, pending)
	}
}
