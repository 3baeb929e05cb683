package jetstream

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter/deadlettertest"
)

// notes is Notes in memory, for all stores of a test.
type notes struct {
	mu     sync.Mutex
	values map[string][]byte
	locked map[string]bool
}

func (n *notes) Lock(_ context.Context, name string) (func(), error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.locked[name] {
		return nil, deadletter.ErrBusy
	}
	n.locked[name] = true
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.locked, name)
	}, nil
}

func (n *notes) Put(_ context.Context, key string, value []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.values[key] = value
	return nil
}

func (n *notes) Delete(_ context.Context, key string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.values, key)
	return nil
}

func (n *notes) List(_ context.Context, prefix string) (map[string][]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := maps.Clone(n.values)
	maps.DeleteFunc(all, func(key string, _ []byte) bool { return !strings.HasPrefix(key, prefix) })
	return all, nil
}

func newNotes() *notes { return &notes{values: map[string][]byte{}, locked: map[string]bool{}} }

// serve starts a server in this process, and returns a function that opens a store on it.
func serve(t *testing.T, payload int32) func(cfg deadletter.Config, n Notes) *Store {
	t.Helper()
	// The client keeps timers for whoever needs one next, and one of another bubble may not be used.
	runtime.GC()
	runtime.GC()
	s, err := server.NewServer(&server.Options{
		DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(), MaxPayload: payload,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	return func(cfg deadletter.Config, n Notes) *Store {
		t.Helper()
		nc, err := nats.Connect("", nats.InProcessServer(s), nats.Timeout(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		store := New(Options{
			Conn: nc, JetStream: js, Stream: "Q_DEAD", Prefix: "Q.dead", Replicas: 1, Config: cfg, Notes: n,
			Now: time.Now,
		})
		if err := store.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(store.Close)
		return store
	}
}

func TestContract(t *testing.T) {
	deadlettertest.Run(t, func(t *testing.T, cfg deadletter.Config) deadletter.Store {
		t.Helper()
		return serve(t, 8<<20)(cfg, newNotes())
	})
}

// What one process does, another one sees, and only one of them purges or sends again at a time.
func TestShared(t *testing.T) {
	open, n := serve(t, 1<<20), newNotes()
	a, b := open(deadletter.Config{}, n), open(deadletter.Config{}, n)
	ctx := t.Context()
	letter := deadletter.Letter{
		Output: "o", Cluster: "c", Reason: "rejected", EventID: "e", Events: 3, Entry: []byte("x"),
	}
	for _, s := range []*Store{a, b, a} {
		if err := s.Add(ctx, []deadletter.Letter{letter}); err != nil {
			t.Fatal(err)
		}
	}
	b.Keep(ctx)
	key := deadletter.Key{Output: "o", Cluster: "c", Reason: "rejected"}
	if st := b.Stats(); st.Letters != 1 || st.Events[key] != 3 {
		t.Fatalf("an event that both refuse is %+v", st)
	}
	upTo, release, err := a.Exclusive()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Purge(ctx, deadletter.Filter{}, func(deadletter.Count) {}); !errors.Is(err, deadletter.ErrBusy) {
		t.Errorf("a purge beside another process's: %v", err)
	}
	// While a sends it again, it is refused at b: that is a letter of its own, which stays.
	done, err := a.Requeue(ctx, []uint64{upTo}, func() error { return b.Add(ctx, []deadletter.Letter{letter}) })
	if err != nil || done.Events != 3 {
		t.Fatalf("%+v: %v", done, err)
	}
	release()
	if letters, _, err := b.Page(ctx, deadletter.Filter{}, deadletter.Page{Limit: 9}); err != nil ||
		len(letters) != 1 ||
		letters[0].ID == upTo {
		t.Errorf("%+v: %v", letters, err)
	}
	if n, err := b.Purge(ctx, deadletter.Filter{}, func(deadletter.Count) {}); err != nil || n.Letters != 1 {
		t.Errorf("purged %+v: %v", n, err)
	}
}

// Bytes that are no events, and more than a message takes, are several letters, which have all of them.
func TestTooLargeForOne(t *testing.T) {
	s := serve(t, 256<<10)(deadletter.Config{}, newNotes())
	raw := make([]byte, 700<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(raw) // never fails
	if err := s.Add(t.Context(), []deadletter.Letter{
		{Cluster: "c", Reason: "unreadable", Events: 2, Entry: raw},
	}); err != nil {
		t.Fatal(err)
	}
	letters, _, err := s.Page(t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	events := 0
	for i := range letters {
		got = append(got, letters[i].Entry...)
		events += letters[i].Events
	}
	if !bytes.Equal(got, raw) || events != 2 || len(letters) < 2 {
		t.Errorf("%d letters have %d of %d bytes and %d events", len(letters), len(got), len(raw), events)
	}
}

func TestCodec(t *testing.T) {
	l := deadletter.Letter{
		ID: 7, Time: time.Unix(1, 5), Cluster: "c", Tag: "t", Output: "o", EventID: "e", Status: 400, Reason: "r",
		Detail: "d", Attempts: 2, Events: 3, Entry: bytes.Repeat([]byte("x"), 1000),
	}
	for _, over := range []int{0, 1 << 20} {
		value := encode(&l, over)
		if got, err := decode(7, value, true); err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("%v: %+v", err, got)
		}
		if got, err := decode(7, value, false); err != nil || got.Entry != nil || got.Detail != "d" {
			t.Errorf("bare: %v: %+v", err, got)
		}
		for i := range value {
			broken := bytes.Clone(value)
			broken[i] ^= 1
			if _, err := decode(7, broken, true); err == nil {
				t.Errorf("byte %d of %d is wrong, and nobody sees it", i, len(value))
			}
		}
	}
}

func TestSubject(t *testing.T) {
	s := &Store{o: Options{Prefix: "Q.dead"}}
	for _, l := range []deadletter.Letter{
		{Output: "es", Cluster: "seoul-prod", Reason: "rejected", Events: 1},
		{Output: "", Cluster: "a.b", Reason: "*", Events: 0},
		{Output: "=61", Cluster: ">", Reason: "ä", Events: 12},
	} {
		subject := s.subjectOf(&l)
		k, n, ok := s.parse(subject)
		if !ok || k != (deadletter.Key{Output: l.Output, Cluster: l.Cluster, Reason: l.Reason}) ||
			n != int64(l.Events) ||
			strings.ContainsAny(subject, "*> ") {
			t.Errorf("%q is %+v, %d", subject, k, n)
		}
	}
	for _, text := range []string{
		"", "Q.dead.a.b.c", "Q.dead.a.b.c.x", "Q.dead.=6.b.c.1", "X.dead.a.b.c.1", "Q.dead.a.b.c.-1",
	} {
		if k, _, ok := s.parse(text); ok {
			t.Errorf("%q is %+v", text, k)
		}
	}
}

func FuzzDecode(f *testing.F) {
	l := deadletter.Letter{Time: time.Unix(1, 5), Cluster: "c", Events: 1, Entry: bytes.Repeat([]byte("x"), 100)}
	f.Add(encode(&l, 0))
	f.Add(encode(&l, 1000))
	f.Fuzz(func(t *testing.T, value []byte) {
		l, err := decode(1, value, true)
		if err == nil && slices.Equal(l.Entry, value) && len(value) > 0 {
			t.Error("a letter is its own entry")
		}
	})
}
