package forward_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what must happen soon on real sockets; it is only ever used up by a failure.
const patience = 2 * time.Minute

// listening is a server on a real socket.
type listening struct {
	*forward.Server
	sink *ft.Sink
	log  *logs
	done chan error
}

func listen(t *testing.T, address string, change func(*forward.Options)) *listening {
	t.Helper()
	l := &listening{sink: &ft.Sink{}, log: &logs{}, done: make(chan error, 1)}
	opts := forward.Options{
		Config: forward.Config{
			Name: "test", Address: address, UDPHeartbeat: true, MaxConnections: 2000, IdleTimeout: time.Hour,
			HandshakeTimeout: patience,
			MaxMessageSize:   16 << 20, MaxDecompressedSize: 32 << 20,
		},
		Sink: l.sink, Budget: ingest.NewBudget(64 << 20), Log: zerolog.New(l.log),
	}
	if change != nil {
		change(&opts)
	}
	var err error
	if l.Server, err = forward.Listen(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() { l.done <- l.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-l.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l
}

func (l *listening) dial(t *testing.T) net.Conn {
	t.Helper()
	var d net.Dialer
	nc, err := d.DialContext(t.Context(), l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc
}

// until waits for something that other goroutines bring about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestTCP(t *testing.T) {
	l := listen(t, "127.0.0.1:0", nil)
	ft.Run(t, l.dial(t), ft.Send(packed("a")), ft.ExpectAcks("a"), ft.Send(packed("b")), ft.ExpectAcks("b"))
	until(t, "settled", func() bool { return len(l.sink.Settled()) == 2 })
	for _, s := range l.sink.Settled() {
		if !s.Received {
			t.Error("acks that the client had count as lost")
		}
	}
	ft.Run(t, l.dial(t), ft.Send(message("t", ft.Bin(all)))) // and closes at once
	until(t, "stored", func() bool { return len(l.sink.Messages()) == 3 })

	half := l.dial(t)
	ft.Send(packed("c"))(t, half)
	_ = half.(*net.TCPConn).CloseWrite()
	ft.Run(t, half, ft.ExpectAcks("c"), ft.ExpectClose)
	if s := l.log.String(); s != "" {
		t.Errorf("it logged %s", s)
	}
}

// TestUnreadAcks resets a connection with an ack that the client has not read: its kernel says so.
func TestUnreadAcks(t *testing.T) {
	l := listen(t, "127.0.0.1:0", nil)
	nc := l.dial(t)
	ft.Send(packed("a"))(t, nc)
	until(t, "acked", func() bool { return l.Stats().Acks == 1 })
	one := make([]byte, 1)
	_, _ = io.ReadFull(nc, one) // the ack has come
	_ = nc.Close()              // with the rest unread
	until(t, "settled", func() bool { return len(l.sink.Settled()) == 1 })
	if l.sink.Settled()[0].Received {
		t.Error("an ack that was not read counts as received")
	}
}

func TestProbes(t *testing.T) {
	l := listen(t, "127.0.0.1:0", nil)
	for i := range 100 {
		nc := l.dial(t)
		if i%2 == 0 {
			_ = nc.(*net.TCPConn).SetLinger(0) // closes by reset
		}
		_ = nc.Close()
	}
	until(t, "counted", func() bool { st := l.Stats(); return st.Probes == 100 && st.Open == 0 })
	if s := l.log.String(); s != "" {
		t.Errorf("it logged %s", s)
	}
}

func TestMaxConnections(t *testing.T) {
	l := listen(t, "127.0.0.1:0", func(o *forward.Options) { o.MaxConnections = 1 })
	first := l.dial(t)
	ft.Send(packed("a"))(t, first)
	ft.ExpectAcks("a")(t, first)
	ft.Run(t, l.dial(t), ft.ExpectClose)
	ft.Run(t, first, ft.Send(packed("b")), ft.ExpectAcks("b"))
	until(t, "a line in the log", func() bool { return strings.Contains(l.log.String(), "max_connections") })
	until(t, "room", func() bool { return l.Stats().Open == 0 })
	ft.Run(t, l.dial(t), ft.Send(packed("c")), ft.ExpectAcks("c"))
}

func TestHeartbeat(t *testing.T) {
	l := listen(t, "127.0.0.1:0", nil)
	var d net.Dialer
	nc, err := d.DialContext(t.Context(), "udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	for _, sent := range [][]byte{{0}, {}, bytes.Repeat([]byte{1}, 1000)} {
		if _, err = nc.Write(sent); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		n, err := nc.Read(got)
		if err != nil || !bytes.Equal(got[:n], make([]byte, min(len(sent), 1))) {
			t.Errorf("answer to %d bytes: % x, %v", len(sent), got[:n], err)
		}
	}
}

// TestUnixSocket removes a socket that a dead process left, and nothing else.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	var lc net.ListenConfig
	stale, err := lc.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = stale.Close()
	l := listen(t, "unix:"+path, nil)
	ft.Run(t, l.dial(t), ft.Send(packed("a")), ft.ExpectAcks("a"))

	opts := forward.Options{Config: forward.Config{Address: "unix:" + path}, Sink: l.sink, Budget: ingest.NewBudget(1)}
	if _, err = forward.Listen(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second server: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err = os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	opts.Address = "unix:" + file
	if _, err = forward.Listen(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("in place of a file: %v", err)
	}
}

// TestShutdown ends an idle connection, and one with a message in hand only after its ack.
func TestShutdown(t *testing.T) {
	storing, commit := make(chan struct{}, 2), make(chan struct{})
	l := listen(t, "127.0.0.1:0", func(o *forward.Options) {
		o.Sink.(*ft.Sink).OnCommit = func(context.Context) error { storing <- struct{}{}; <-commit; return nil }
	})
	idle, busy, half := l.dial(t), l.dial(t), l.dial(t)
	// The server has to have it in hand when it stops: else it ends a connection that looks idle.
	ft.Send(packed("a"))(t, busy)
	<-storing
	large := message("t", ft.Bin(dup(e1, (1<<20)/len(e1))), ft.Map{"chunk": "b"})
	ft.Send(large[:1<<19])(t, half)
	until(t, "half of a message in memory", func() bool { return l.Stats().Budget.Used >= 1<<18 })
	until(t, "connected", func() bool { return l.Stats().Open == 3 })

	var wg sync.WaitGroup
	ended := make(chan error, 1)
	wg.Go(func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ended <- l.Shutdown(ctx)
	})
	ft.Run(t, idle, ft.ExpectClose)
	close(commit)
	ft.Run(t, busy, ft.ExpectAcks("a"), ft.ExpectClose)
	ft.Run(t, half, ft.Send(large[1<<19:]), ft.ExpectAcks("b"), ft.ExpectClose)
	wg.Wait()
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if n := len(l.sink.Settled()); n != 0 {
		t.Errorf("%d acks were settled, though none is confirmed", n)
	}
	var d net.Dialer
	if nc, err := d.DialContext(t.Context(), "tcp", l.Addr().String()); err == nil {
		_ = nc.Close()
		t.Error("it still listens")
	}
}

// TestShutdownCuts does not wait longer than it may, also where the queue is full.
func TestShutdownCuts(t *testing.T) {
	storing := make(chan struct{}, 1)
	l := listen(t, "127.0.0.1:0", func(o *forward.Options) {
		o.Sink.(*ft.Sink).OnCommit = func(ctx context.Context) error {
			storing <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
	})
	blocked, half := l.dial(t), l.dial(t)
	ft.Send(packed("a"))(t, blocked)
	<-storing
	ft.Send(packed("b")[:50])(t, half)
	until(t, "connected", func() bool { return l.Stats().Open == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	ft.Run(t, blocked, ft.ExpectClose)
	ft.Run(t, half, ft.ExpectClose)
}

// TestManyIdle holds what an idle connection costs: nothing of the budget, and little of the heap.
func TestManyIdle(t *testing.T) {
	l := listen(t, "127.0.0.1:0", nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 500
	for range n {
		nc := l.dial(t)
		defer nc.Close()
		ft.Send(packed("a"))(t, nc)
		ft.ExpectAcks("a")(t, nc)
	}
	until(t, "resting", func() bool { return l.Stats().Budget.Used == 0 })
	l.sink.Forget()
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc+after.StackInuse) - int64(before.HeapAlloc+before.StackInuse)) / n
	t.Logf("%d bytes for each connection, its client's end included", each)
	if each > 24<<10 {
		t.Errorf("%d bytes for each idle connection", each)
	}
}

// TestClosedBeforeAck has a client close before its ack is written. That looks like a good end, but the ack is lost.
// Before the connection has noticed, the Sink is told for another one whose batch makes it wonder; a Settle follows.
func TestClosedBeforeAck(t *testing.T) {
	storing, proceed := make(chan struct{}), make(chan struct{})
	var conn atomic.Uint64 // which the Sink wonders about
	var block atomic.Bool  // the next commit
	l := listen(t, "127.0.0.1:0", func(o *forward.Options) {
		sink := o.Sink.(*ft.Sink)
		sink.OnDoubts = func() []uint64 { return []uint64{conn.Load()} }
		sink.OnCommit = func(context.Context) error {
			if block.CompareAndSwap(true, false) {
				storing <- struct{}{}
				<-proceed
			}
			return nil
		}
	})
	store := func(nc net.Conn, chunk string) {
		t.Helper()
		ft.Send(packed(chunk))(t, nc)
		ft.ExpectAcks(chunk)(t, nc)
	}
	other, nc := l.dial(t), l.dial(t)
	store(nc, "a")
	conn.Store(l.sink.Messages()[0].Conn)
	settled := func() (all []ft.Settled) {
		for _, s := range l.sink.Settled() {
			if s.Conn == conn.Load() {
				all = append(all, s)
			}
		}
		return all
	}
	told := func() bool {
		store(other, "c")
		return slices.Contains(l.sink.TakeGone(), conn.Load())
	}
	if told() {
		t.Error("a client that is there is gone")
	}
	block.Store(true)
	ft.Send(packed("b"))(t, nc)
	<-storing
	if told() {
		t.Error("a client that waits for its ack is gone")
	}
	if err := nc.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "its end to be told", told)
	proceed <- struct{}{}
	until(t, "settled", func() bool { return len(settled()) == 2 })
	if settled()[1].Received {
		t.Error("the ack of a client that had closed counts as received")
	}
	until(t, "forgotten", func() bool { return !told() })
}

// TestInheritedElsewhere: a socket that others reach is not taken for a listener of this machine's own agents.
func TestInheritedElsewhere(t *testing.T) {
	var lc net.ListenConfig
	given, err := lc.Listen(t.Context(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	opts := forward.Options{
		Config: forward.Config{Name: "public", Address: "127.0.0.1:24224"}, Listener: given,
	}
	if _, err := forward.Listen(t.Context(), opts); err == nil ||
		!strings.Contains(err.Error(), "where others reach it") {
		t.Errorf("%v", err)
	}
	if _, err := given.Accept(); err == nil {
		t.Error("it stays open")
	}
}
