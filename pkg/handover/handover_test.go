package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openQueue(tb testing.TB, dir string) *disk.Queue {
	tb.Helper()
	cfg := buffer.Config{
		Path: dir, SegmentSize: 1 << 20, DedupeWindow: 10 * time.Minute, MaxSize: 1 << 30, WhenFull: "block",
		Sync:        true,
		Compression: "s2", DeadLetters: deadletter.Config{MaxSize: 8 << 20},
	}
	q, err := disk.Open(cfg, buffer.Options{Log: zerolog.New(io.Discard)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = q.Close() })
	return q
}

// entry is an event whose record says which it is.
func entry(n int) []byte {
	text := fmt.Sprintf("%04d", n)
	return append([]byte{0x92, 0xce, 0x69, 0, 0, 0, 0x81, 0xa1, 'n', 0xa0 | byte(len(text))}, text...)
}

// fill stores chunks of two events each for two outputs, and dead letters, of two clusters in turn.
func fill(tb testing.TB, q *disk.Queue, chunks, letters int) {
	tb.Helper()
	for i := range chunks {
		b := q.NewBatch(1)
		b.Begin(buffer.Message{
			Cluster: cluster(i), Tag: "t", Chunk: fmt.Sprint("chunk ", i), Outputs: []string{"es", "archive"},
		})
		b.Add(slices.Concat(entry(2*i), entry(2*i+1)), 2, i%2 == 0)
		if err := b.Commit(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range letters {
		l := deadletter.Letter{
			Cluster: cluster(i), Tag: "t", Output: "es", EventID: fmt.Sprint("id-", i), Reason: "rejected",
			Detail: "no", Events: 1, Entry: entry(i),
		}
		if err := q.DeadLetters().Add(tb.Context(), []deadletter.Letter{l}); err != nil {
			tb.Fatal(err)
		}
	}
}

func cluster(i int) string { return []string{"seoul", "oslo"}[i%2] }

// contents returns what waits in q, each event by its id, text and output, and the dead letters; sorted.
func contents(tb testing.TB, q *disk.Queue) (all []string) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	for _, w := range q.Stats().Waits {
		src := q.Waiting(w.Output, w.Target)
		for range w.Pending.Chunks {
			c, err := src.Next(ctx)
			if err != nil {
				tb.Fatal(err)
			}
			it := c.Iterator()
			for ev := (event.Event{}); it.Next(&ev); {
				all = append(all,
					fmt.Sprintf("%s %s %s %s %s", w.Output, c.Cluster, ev.AppendID(nil), ev.AppendChunkID(nil),
						ev.Record))
			}
			defer src.Return(c)
		}
	}
	letters, _, err := q.DeadLetters().Page(ctx, deadletter.Filter{}, deadletter.Page{Limit: math.MaxInt32})
	if err != nil {
		tb.Fatal(err)
	}
	for _, l := range letters {
		all = append(all, fmt.Sprintf("dead %s %s %s %s %s", l.Output, l.Cluster, l.EventID, l.Reason, l.Entry))
	}
	slices.Sort(all)
	return all
}

// server serves a Receiver on connections that dial makes, each of which breaks after some bytes.
type server struct {
	Receiver
	mu      sync.Mutex
	serving sync.WaitGroup
	errs    []error
}

func newServer(taker buffer.Taker) *server {
	return &server{Receiver: Receiver{
		Taker: taker, Clusters: []string{"seoul", "oslo"}, Configured: func(name string) bool { return name == "es" },
		Waits:      func(buffer.Owing) {},
		MaxMessage: 1 << 20, Idle: time.Minute, Log: zerolog.Nop(),
	}}
}

// dial returns the client's end of a connection that s serves. up and down are how many bytes pass before it breaks.
func (s *server) dial(up, down int) (net.Conn, error) {
	near, far := net.Pipe()
	s.serving.Go(func() {
		err := s.Serve(context.Background(), &breaking{Conn: far, in: up, out: down})
		_ = far.Close()
		s.mu.Lock()
		s.errs = append(s.errs, err)
		s.mu.Unlock()
	})
	return near, nil
}

func (s *server) config(up, down int) client.Config {
	return client.Config{
		Address: "pipe:1", Connect: func(context.Context, string, string) (net.Conn, error) { return s.dial(up, down) },
	}
}

// breaking is a connection that ends after so many bytes of a direction.
type breaking struct {
	net.Conn
	in, out int
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.in <= 0 {
		return 0, errors.Join(io.ErrUnexpectedEOF, b.Close())
	}
	n, err := b.Conn.Read(p[:min(len(p), b.in)])
	b.in -= n
	return n, err
}

func (b *breaking) Write(p []byte) (int, error) {
	n, err := b.Conn.Write(p[:min(len(p), b.out)])
	if b.out -= n; err == nil && n < len(p) {
		err = errors.Join(io.ErrClosedPipe, b.Close())
	}
	return n, err
}

func TestHandover(t *testing.T) {
	from, to := openQueue(t, t.TempDir()), openQueue(t, t.TempDir())
	fill(t, from, 20, 3)
	want := contents(t, from)
	s := newServer(to)
	r, err := (&Sender{Queue: from, Client: s.config(math.MaxInt, math.MaxInt)}).Run(t.Context())
	s.serving.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if r.Events != 40 || r.Letters != 3 || len(r.Refused) > 0 || !slices.Equal(r.Clusters, []string{"oslo", "seoul"}) ||
		!slices.Equal(r.Unknown, []string{"archive"}) {
		t.Errorf("%+v", r)
	}
	if got := contents(t, to); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if left := contents(t, from); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if seq, letter := to.Adopted(from.ID()); seq+letter != 0 {
		t.Errorf("still remembered: %d, %d", seq, letter)
	}
}

// TestBrokenHandover breaks the connection after every so many bytes of both directions, begins again with what is on
// the disks then, and has every event once in the end.
func TestBrokenHandover(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	from, to := openQueue(t, dirs[0]), openQueue(t, dirs[1])
	fill(t, from, 12, 4)
	want := contents(t, from)
	for up, down, done := 40, 10, false; !done; up, down = up+173, down+7 {
		if up > 1<<20 {
			t.Fatal("it does not end")
		}
		s := newServer(to)
		sender := &Sender{Queue: from, Client: s.config(up, down)}
		giver := buffer.Giver(from)
		r := Result{}
		err := sender.session(t.Context(), giver, &r)
		s.serving.Wait()
		if errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
		done = err == nil
		// What both sides have is what was there, and nothing of it twice, but for what was handed over and not yet
		// acked.
		all := append(contents(t, from), contents(t, to)...)
		slices.Sort(all)
		if got := slices.Compact(all); !slices.Equal(got, want) {
			t.Fatalf("after %d and %d bytes, of %v: got %q\nwant %q", up, down, err, got, want)
		}
		if got := contents(t, to); len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("after %d and %d bytes: twice: %q", up, down, got)
		}
		if up%2 == 0 { // as after a restart of either side
			if err := errors.Join(from.Close(), to.Close()); err != nil {
				t.Fatal(err)
			}
			from, to = openQueue(t, dirs[0]), openQueue(t, dirs[1])
		}
	}
	if got := contents(t, to); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if left := contents(t, from); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Where the receiver does not take over a cluster, nothing is handed over: what was left out would be below the highest
// number that it knows, and pass for handed over once it does take that cluster over.
func TestClustersThatAreNotTakenOver(t *testing.T) {
	from, to := openQueue(t, t.TempDir()), openQueue(t, t.TempDir())
	fill(t, from, 4, 2)
	want := contents(t, from)
	for _, clusters := range [][]string{{"oslo"}, {"seoul"}, {"oslo", "seoul"}} {
		s := newServer(to)
		s.Clusters = clusters
		r, err := (&Sender{Queue: from, Client: s.config(math.MaxInt, math.MaxInt)}).Run(t.Context())
		s.serving.Wait()
		if len(clusters) == 1 {
			if !errors.Is(err, ErrRefused) || r.Events+r.Letters != 0 || len(r.Refused) != 1 ||
				r.Refused[clusters[0]] != 0 {
				t.Errorf("%q: %+v, %v", clusters, r, err)
			}
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if got := contents(t, to); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// taker is a Taker that can't.
type taker struct {
	buffer.Taker
	err error
}

func (t taker) Adopt(context.Context, [16]byte, []buffer.Handed) error { return t.err }
func (taker) RestAdoption([16]byte) error                              { return nil }

func TestRunTriesAgain(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   error
		final bool
	}{
		{"a full queue", fmt.Errorf("take over: %w", buffer.ErrFull), false},
		{"a server that stops", buffer.ErrClosed, false},
		{"anything else", errors.New("the disk is gone"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			from := openQueue(t, t.TempDir())
			fill(t, from, 1, 0)
			s := newServer(taker{err: tc.err})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tries := 0
			sender := &Sender{
				Queue: from, Client: s.config(math.MaxInt, math.MaxInt), Retrying: func(error) { tries++; cancel() },
			}
			_, err := sender.Run(ctx)
			s.serving.Wait()
			if err == nil || !strings.Contains(err.Error(), tc.err.Error()) || errors.Is(err, ErrRefused) != tc.final ||
				(tries == 0) != tc.final {
				t.Errorf("%d more tries, %v", tries, err)
			}
			if left := contents(t, from); len(left) != 4 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

func TestAsk(t *testing.T) {
	from, to := openQueue(t, t.TempDir()), openQueue(t, t.TempDir())
	fill(t, from, 2, 0)
	want := contents(t, from)
	s := newServer(to)
	terms, err := (&Sender{Queue: from, Client: s.config(math.MaxInt, math.MaxInt)}).Ask(t.Context())
	s.serving.Wait()
	if err != nil || len(terms.Clusters) != 2 || !slices.Equal(terms.Unknown, []string{"archive"}) {
		t.Errorf("%+v, %v", terms, err)
	}
	if got := contents(t, from); !slices.Equal(got, want) || len(contents(t, to)) > 0 {
		t.Error("something was handed over")
	}
}
