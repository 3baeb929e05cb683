package forward_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// feed is a connection whose peer sends pieces and then closes, and reads whatever it gets.
type feed struct {
	net.Conn
	pieces [][]byte
	writes [][]byte
	err    error // after the last piece, instead of io.EOF
}

func (f *feed) Read(p []byte) (int, error) {
	if len(f.pieces) == 0 {
		if f.err != nil {
			return 0, f.err
		}
		return 0, io.EOF
	}
	n := copy(p, f.pieces[0])
	if f.pieces[0] = f.pieces[0][n:]; len(f.pieces[0]) == 0 {
		f.pieces = f.pieces[1:]
	}
	return n, nil
}

func (f *feed) Write(p []byte) (int, error) {
	f.writes = append(f.writes, bytes.Clone(p))
	return len(p), nil
}

func (f *feed) Close() error                     { return nil }
func (f *feed) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711} }
func (f *feed) SetDeadline(time.Time) error      { return nil }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// logs collects log lines.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// rig is a server without a listener, its Sink and its log.
type rig struct {
	*forward.Server
	sink   *ft.Sink
	budget *ingest.Budget
	log    *logs
}

func newRig(change func(*forward.Options)) *rig {
	r := &rig{sink: &ft.Sink{}, log: &logs{}}
	opts := forward.Options{
		Config: forward.Config{
			Name: "test", MaxConnections: 100, IdleTimeout: 10 * time.Minute, HandshakeTimeout: 10 * time.Second,
			MaxMessageSize: 16 << 20, MaxDecompressedSize: 32 << 20,
		},
		Sink: r.sink, Budget: ingest.NewBudget(64 << 20), Log: zerolog.New(r.log),
	}
	if change != nil {
		change(&opts)
	}
	r.budget = opts.Budget
	r.Server = forward.NewServer(opts)
	return r
}

// run feeds the pieces to one connection and returns what the server wrote.
func (r *rig) run(pieces ...[]byte) [][]byte {
	f := &feed{pieces: bytes2(pieces)}
	r.Handle(f)
	return f.writes
}

func bytes2(pieces [][]byte) (out [][]byte) {
	for _, p := range pieces {
		if len(p) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// refused returns the reasons for which connections were closed.
func (r *rig) refused() (reasons []string) {
	for reason, n := range r.Stats().Refused {
		if n > 0 {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// cuts are ways to send the same bytes.
func cuts(b []byte, seed uint64) map[string][][]byte {
	ways := map[string][][]byte{"whole": {b}, "random": nil}
	rnd := rand.New(rand.NewPCG(seed, 1))
	for rest := b; len(rest) > 0; {
		n := min(1+rnd.IntN(1+rnd.IntN(200)), len(rest))
		ways["random"] = append(ways["random"], rest[:n])
		rest = rest[n:]
	}
	if len(b) <= 64<<10 { // longer ones differ only in how often the same is done
		for i := range b {
			ways["bytes"] = append(ways["bytes"], b[i:i+1])
		}
	}
	return ways
}

// merged joins neighbours that differ only in how reads have cut them: those of one tag that asked for no ack.
func merged(messages []ft.Message) (out []ft.Message) {
	for _, m := range messages {
		m.Conn = 0
		if n := len(out); n > 0 && m.Chunk == "" && out[n-1].Chunk == "" && out[n-1].Tag == m.Tag && m.Dropped == nil &&
			out[n-1].Dropped == nil &&
			m.Rejected == nil && out[n-1].Rejected == nil {
			out[n-1].Entries = append(bytes.Clone(out[n-1].Entries), m.Entries...)
			out[n-1].Events += m.Events
			out[n-1].Nanos = out[n-1].Nanos || m.Nanos
			continue
		}
		out = append(out, m)
	}
	return out
}

var errBroken = errors.New("connection reset by peer")

func dup(b []byte, n int) []byte { return bytes.Repeat(b, n) }

func quiet(tb testing.TB, r *rig) {
	tb.Helper()
	if used := r.budget.Stats().Used; used != 0 {
		tb.Errorf("%d bytes of the budget were not given back", used)
	}
	if s := r.log.String(); s != "" {
		tb.Errorf("it should not have logged %s", s)
	}
}
