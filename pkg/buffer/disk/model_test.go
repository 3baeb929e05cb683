package disk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// model is the queue as a slice of records for each output, cluster and tag, in the order in which
// they were appended.
type model struct {
	t        *testing.T
	r        *rand.Rand
	s        *Queue
	cfg      buffer.Config
	waits    map[string][]string // output/cluster/tag → records
	inFlight map[string]map[string]bool
	held     []heldChunk
	n        int
}

type heldChunk struct {
	output  string
	chunk   *event.Chunk
	records []string
}

func (h *heldChunk) key() string { return h.output + "/" + h.chunk.Cluster + "/" + h.chunk.Tag }

// Random Append, Next, Done, Return and reopening against the model. AGG_SEED repeats a run.
func TestModel(t *testing.T) {
	for i, seed := range boltfiletest.Seeds(t, 3) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			cfg.Compression = []string{"none", "s2", "zstd"}[i%3]
			cfg.Sync = i%2 == 0
			m := &model{
				t: t, r: rand.New(rand.NewPCG(seed, 0)), cfg: cfg, waits: map[string][]string{},
				inFlight: map[string]map[string]bool{},
			}
			m.s = mustOpen(t, cfg, buffer.Options{})
			for range 200 {
				m.step()
			}
			m.end()
		})
	}
}

func (m *model) step() {
	switch n := m.r.IntN(100); {
	case n < 40:
		m.append()
	case n < 70:
		m.next()
	case n < 88:
		m.release(true)
	case n < 97:
		m.release(false)
	case n < 99:
		m.reopen()
	default:
		checkUse(m.t, m.s)
		sealed(m.s)
		saved(m.t, m.s)
		m.s.mu.Lock()
		segs := slices.Clone(m.s.segs) // what is saved beside this may remove some
		segs = slices.DeleteFunc(segs, func(seg *segmentState) bool { return !seg.sealed })
		m.s.mu.Unlock()
		for _, seg := range segs {
			if err := m.s.compact(seg); err != nil {
				m.t.Fatal(err)
			}
		}
	}
}

var sets = [][]string{{"a"}, {"b"}, {"a", "b"}, {"a", "b", "gone"}, {}}

func (m *model) append() {
	b := m.s.NewBatch(m.r.Uint64N(3))
	for range 1 + m.r.IntN(6) {
		i := m.r.IntN(len(sets)) // routes give a cluster's tag the same outputs each time
		cluster, tag, outputs := fmt.Sprint("c", i%3), fmt.Sprint("t", i), sets[i]
		msg := buffer.Message{Cluster: cluster, Tag: tag, Outputs: outputs}
		if m.r.IntN(2) == 0 {
			msg.Chunk = fmt.Sprint("id", m.n)
		}
		b.Begin(msg)
		var records []string
		for range m.r.IntN(4) {
			size := []int{10, 300, 20 << 10, 120 << 10}[min(m.r.IntN(12), 3)]
			m.n++
			record := fmt.Sprintf("%d:%x\n", m.n, text(size/2, uint64(m.n)))
			records = append(records, record)
			b.Add([]byte(record), 1, m.r.IntN(2) == 0)
		}
		if m.r.IntN(10) == 0 {
			b.Abandon()
			continue
		}
		for _, o := range outputs {
			k := o + "/" + cluster + "/" + tag
			m.waits[k] = append(m.waits[k], records...)
		}
	}
	if err := b.Commit(context.Background()); err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) next() {
	output := []string{"a", "b"}[m.r.IntN(2)]
	c := take(m.t, m.s, output)
	if c == nil {
		for k, records := range m.waits {
			if strings.HasPrefix(k, output+"/") && len(records) > len(m.inFlight[k]) {
				m.t.Fatalf("%s: nothing to deliver, but %d records wait", k, len(records)-len(m.inFlight[k]))
			}
		}
		return
	}
	h := heldChunk{
		output: output, chunk: c, records: strings.SplitAfter(strings.TrimSuffix(string(c.Entries), "\n"), "\n"),
	}
	h.records[len(h.records)-1] += "\n"
	k := h.key()
	if m.inFlight[k] == nil {
		m.inFlight[k] = map[string]bool{}
	}
	if c.Events != len(h.records) {
		m.t.Fatalf("%s: chunk %d has %d events, says %d", k, c.Seq, len(h.records), c.Events)
	}
	events := 0
	for _, p := range c.Parts {
		events += p.Events
	}
	if events != c.Events {
		m.t.Fatalf("%s: chunk %d has parts of %d events, says %d", k, c.Seq, events, c.Events)
	}
	i := 0
	for _, r := range m.waits[k] {
		if m.inFlight[k][r] {
			continue
		}
		if i == len(h.records) {
			break
		}
		if r != h.records[i] {
			m.t.Fatalf("%s: chunk %d has %.20q at %d, want %.20q", k, c.Seq, h.records[i], i, r)
		}
		i++
	}
	if i != len(h.records) {
		m.t.Fatalf("%s: chunk %d has %d records, only %d wait", k, c.Seq, len(h.records), i)
	}
	for _, r := range h.records {
		m.inFlight[k][r] = true
	}
	m.held = append(m.held, h)
}

func (m *model) release(done bool) {
	if len(m.held) == 0 {
		return
	}
	i := m.r.IntN(len(m.held))
	h := m.held[i]
	m.held = append(m.held[:i], m.held[i+1:]...)
	k := h.key()
	for _, r := range h.records {
		delete(m.inFlight[k], r)
	}
	src := m.s.Source(h.output)
	if !done {
		src.Return(h.chunk)
		return
	}
	gone := map[string]bool{}
	for _, r := range h.records {
		gone[r] = true
	}
	var rest []string
	for _, r := range m.waits[k] {
		if !gone[r] {
			rest = append(rest, r)
		}
	}
	m.waits[k] = rest
	src.Done(h.chunk)
}

func (m *model) reopen() {
	mustClose(m.t, m.s)
	m.held, m.inFlight = nil, map[string]map[string]bool{}
	m.s = mustOpen(m.t, m.cfg, buffer.Options{})
	m.check()
}

// check compares the sums.
func (m *model) check() {
	checkUse(m.t, m.s)
	events := map[string]int64{}
	for _, w := range m.s.Stats().Waits {
		events[w.Output+"/"+w.Cluster] += w.Pending.Events
	}
	want := map[string]int64{}
	for k, records := range m.waits {
		want[k[:strings.LastIndex(k, "/")]] += int64(len(records))
	}
	for k := range want {
		if events[k] != want[k] {
			m.t.Fatalf("%s: %d events are pending, want %d", k, events[k], want[k])
		}
	}
}

func (m *model) end() {
	m.check()
	for len(m.held) > 0 {
		m.release(m.r.IntN(2) == 0)
	}
	for range 800 { // next chooses the output by chance
		m.next()
		m.release(true)
	}
	for k, records := range m.waits {
		if len(records) > 0 && !strings.HasPrefix(k, "gone/") {
			m.t.Errorf("%s: %d records were never handed out", k, len(records))
		}
	}
	m.s.Purge("gone")
	mustClose(m.t, m.s)
	m.s = mustOpen(m.t, m.cfg, buffer.Options{})
	st := m.s.Stats()
	if st.Disk.Segments != 0 {
		m.t.Errorf("%d segments are left though all is delivered: %+v", st.Disk.Segments, st.Waits)
	}
}
