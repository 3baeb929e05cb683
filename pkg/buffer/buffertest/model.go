package buffertest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// model is the queue as slices of records, in the order in which they were stored.
type model struct {
	s     *suite
	r     *rand.Rand
	n     int
	waits map[string][]string // output/cluster → records that are not done
	held  map[*event.Chunk]string
}

func (s *suite) model() {
	seed := uint64(time.Now().UnixNano()) ^ rand.Uint64()
	s.Logf("seed %d", seed)
	m := &model{s: s, r: rand.New(rand.NewPCG(seed, 0)), waits: map[string][]string{}, held: map[*event.Chunk]string{}}
	for range 300 {
		switch n := m.r.IntN(100); {
		case n < 40:
			m.store()
		case n < 65:
			m.take()
		case n < 85:
			m.settle("done")
		case n < 92:
			m.settle("return")
		case n < 98:
			m.settle("part")
		case s.q.Capabilities().Durable:
			s.close()
			s.start()
			clear(m.held)
		}
	}
	for c, key := range m.held {
		m.source(key).Return(c)
	}
	s.balance()
	for _, output := range []string{"a", "b"} {
		left := map[string][]string{}
		src := s.q.Source(output)
		for c := s.next(src); c != nil; c = s.next(src) {
			left[c.Cluster] = append(left[c.Cluster], records(c)...)
			src.Done(c)
		}
		for i := range 3 {
			cluster := fmt.Sprint("c", i)
			got, want := left[cluster], m.waits[output+"/"+cluster]
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				s.Errorf("%s of %s: %d records are left, want %d", output, cluster, len(got), len(want))
			}
		}
	}
	s.balance()
}

func (m *model) source(key string) buffer.Source {
	output, _, _ := strings.Cut(key, "/")
	return m.s.q.Source(output)
}

func records(c *event.Chunk) []string { return strings.SplitAfter(string(c.Entries), "\n")[:c.Events] }

func (m *model) store() {
	cluster := fmt.Sprint("c", m.r.IntN(3))
	outputs := [][]string{{"a"}, {"b"}, {"a", "b"}}[m.r.IntN(3)]
	b := m.s.q.NewBatch(1)
	var all []string
	for range 1 + m.r.IntN(4) {
		b.Begin(buffer.Message{Cluster: cluster, Tag: "t", Chunk: fmt.Sprint("id", m.n), Outputs: outputs})
		for range 1 + m.r.IntN(3) {
			m.n++
			record := fmt.Sprintf("%d%s\n", m.n, strings.Repeat("x", []int{1, 1000, 30_000}[m.r.IntN(3)]))
			b.Add([]byte(record), 1, m.r.IntN(2) == 0)
			all = append(all, record)
		}
	}
	if err := b.Commit(context.Background()); err != nil {
		m.s.Fatal(err)
	}
	for _, o := range outputs {
		m.waits[o+"/"+cluster] = append(m.waits[o+"/"+cluster], all...)
	}
}

func (m *model) take() {
	output := []string{"a", "b"}[m.r.IntN(2)]
	c := m.s.next(m.s.q.Source(output))
	if c == nil {
		return
	}
	key := output + "/" + c.Cluster
	m.held[c] = key
	for _, r := range records(c) {
		if !slices.Contains(m.waits[key], r) {
			m.s.Fatalf("%s: %.20q is handed out, and nobody wants it", key, r)
		}
	}
}

// settle ends the lease of any chunk that is held.
func (m *model) settle(how string) {
	for c, key := range m.held {
		src, all := m.source(key), records(c)
		done := len(all)
		var err error
		switch how {
		case "return":
			src.Return(c)
			done = 0
		case "done":
			src.Done(c)
		case "part":
			done = m.r.IntN(len(all) + 1)
			var rests []buffer.Rest
			if done < len(all) {
				rest := buffer.Rest{
					Entries: []byte(strings.Join(all[done:], "")),
					Parts:   []event.Part{{Key: c.Parts[0].Key, First: done, Events: len(all) - done}},
				}
				rests = append(rests, rest)
			}
			err = src.SettlePart(context.Background(), c, rests)
		}
		if err != nil {
			m.s.Fatal(err)
		}
		m.waits[key] = slices.DeleteFunc(m.waits[key], func(r string) bool { return slices.Contains(all[:done], r) })
		delete(m.held, c)
		return
	}
}

// childDir names the directory for a process that stores until it is killed.
const childDir = "AGG_BUFFERTEST_DIR"

// RunChild stores until the process is killed, where the suite has started it for that. TestMain calls it first.
func RunChild(open Open) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	q, err := open(
		buffer.Config{
			Path: dir, SegmentSize: 1 << 20, MaxSize: 1 << 30, WhenFull: "block", Sync: true, Compression: "s2",
		}, buffer.Options{},
	)
	for n := 0; err == nil; n++ {
		b := q.NewBatch(1)
		b.Begin(buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"o"}})
		b.Add(fmt.Appendf(nil, "%d%s\n", n, strings.Repeat("x", n%5*10_000)), 1, true)
		if err = b.Commit(context.Background()); err == nil {
			_, err = fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// kill kills a process that stores, a few times, and expects all that it was told to be stored.
func (s *suite) kill() {
	durable := s.q.Capabilities().Durable
	s.close()
	if !durable {
		return
	}
	for round := range 3 {
		cmd := exec.CommandContext(s.Context(), os.Args[0], "-test.run=^$") //nolint:gosec // the test itself
		cmd.Env = append(os.Environ(), childDir+"="+s.cfg.Path)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			s.Fatal(err)
		}
		acked := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if acked++; acked == 20+17*round {
				break
			}
		}
		_ = cmd.Process.Kill()
		// It was killed.
		_ = cmd.Wait()
		s.start()
		src, seen := s.q.Source("o"), map[string]bool{}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		for len(seen) < acked {
			c, err := src.Next(ctx)
			if err != nil {
				s.Fatalf("%d of %d that were acknowledged are there: %v\n%s", len(seen), acked, err, &stderr)
			}
			for _, r := range records(c) {
				seen[r] = true
			}
			src.Done(c)
		}
		cancel()
		for n := range acked {
			if !seen[fmt.Sprintf("%d%s\n", n, strings.Repeat("x", n%5*10_000))] {
				s.Errorf("record %d is missing", n)
			}
		}
		s.q.Purge("o")
		s.close()
	}
}
