package disk

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/buffertest"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestMain(m *testing.M) {
	buffertest.RunChild(openForSuite)
	goleak.VerifyTestMain(m)
}

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_800_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func testConfig(dir string) buffer.Config {
	return buffer.Config{
		Path: dir, SegmentSize: 1 << 20, DedupeWindow: 10 * time.Minute, MaxSize: 1 << 30, WhenFull: "block",
		Sync: true, Compression: "s2", DeadLetters: deadletter.Config{MaxSize: 8 << 20},
	}
}

func mustOpen(tb testing.TB, cfg buffer.Config, o buffer.Options) *Queue {
	tb.Helper()
	if testing.Verbose() {
		o.Log = zerolog.New(zerolog.ConsoleWriter{Out: tb.Output(), NoColor: true})
	} else {
		o.Log = zerolog.New(io.Discard)
	}
	s, err := Open(cfg, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func mustClose(tb testing.TB, s *Queue) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

// message1 is one message for a test: entries are text, which the queue does not look into.
type message1 struct {
	conn    uint64
	cluster string
	tag     string
	chunk   string
	outputs []string
	text    string
	events  int
	nanos   bool
}

func (m message1) defaults() message1 {
	if m.cluster == "" {
		m.cluster = "c"
	}
	if m.tag == "" {
		m.tag = "t"
	}
	if m.outputs == nil {
		m.outputs = []string{"o"}
	}
	if m.events == 0 {
		m.events = 1
	}
	return m
}

func (m message1) begin(s *Queue) buffer.Batch {
	m = m.defaults()
	b := s.NewBatch(m.conn)
	b.Begin(buffer.Message{Cluster: m.cluster, Tag: m.tag, Chunk: m.chunk, Outputs: m.outputs})
	b.Add([]byte(m.text), m.events, m.nanos)
	return b
}

func put(tb testing.TB, s *Queue, m message1) {
	tb.Helper()
	if err := m.begin(s).Commit(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

// take returns the next chunk that waits, or nil where none does.
func take(tb testing.TB, s *Queue, output string) *event.Chunk {
	tb.Helper()
	c, err := next(s, output)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// next is take without a test.
func next(s *Queue, output string) (*event.Chunk, error) {
	src := s.Source(output).(*source)
	ready := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, l := range src.partitions {
			if l.pending.Chunks > int64(len(l.inFlight)) {
				return true
			}
		}
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var c *event.Chunk
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err = src.Next(ctx)
	}()
	for {
		select {
		case <-done:
		case <-time.After(time.Millisecond):
			if !ready() { // nothing waits, or what waited is damaged
				cancel()
			}
			continue
		}
		if err != nil && ready() {
			return nil, fmt.Errorf("output %s has chunks, but Next says: %w", output, err)
		}
		return c, nil
	}
}

// drain delivers all that waits and returns its entries.
func drain(tb testing.TB, s *Queue, output string) (texts []string) {
	tb.Helper()
	for c := take(tb, s, output); c != nil; c = take(tb, s, output) {
		texts = append(texts, string(c.Entries))
		s.Source(output).Done(c)
	}
	return texts
}

// saved waits until what is finished is saved and segments that nobody wants are gone.
func saved(tb testing.TB, s *Queue) {
	tb.Helper()
	if err := s.clean.save(false); err != nil {
		tb.Fatal(err)
	}
}

// sealed waits until the segments before the current one are sealed, which goes on beside what is acknowledged. Nobody
// may store meanwhile.
func sealed(s *Queue) {
	if done := s.commit.sealing; done != nil {
		<-done
	}
}

// checkUse compares what is counted for each cluster with what the segments hold.
func checkUse(tb testing.TB, s *Queue) {
	tb.Helper()
	s.mu.Lock()
	segs := slices.Clone(s.segs)
	s.mu.Unlock()
	want := map[string]int64{}
	for _, seg := range segs {
		for cluster, n := range wantedOf(s, seg) {
			want[cluster] += n
		}
	}
	for _, u := range s.Stats().Clusters {
		if u.Bytes != want[u.Cluster] {
			tb.Fatalf("%d bytes are counted for cluster %s, the segments hold %d", u.Bytes, u.Cluster, want[u.Cluster])
		}
	}
}

// wantedOf adds up the chunks of the segment that an output still wants.
func wantedOf(s *Queue, seg *segmentState) map[string]int64 {
	for {
		s.mu.Lock()
		if seg.loaded || seg.gone {
			break
		}
		s.mu.Unlock()
		s.load(seg)
	}
	defer s.mu.Unlock()
	want := map[string]int64{}
	for _, e := range seg.entries {
		for _, src := range s.sets[e.Set].sources {
			if !seg.done[src].Has(e.Seq) {
				want[s.clusters[e.Cluster].name] += int64(e.Size)
				break
			}
		}
	}
	return want
}

// text returns n bytes that hardly compress.
func text(n int, seed uint64) string {
	b := make([]byte, n+8)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return string(b[:n])
}
