package disk

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/admission"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
)

// lined returns a committer that nobody runs, with the batches waiting.
func lined(t *testing.T, batches ...func(*Queue) *batch) *committer {
	t.Helper()
	cfg := testConfig(t.TempDir())
	cfg.SegmentSize, cfg.Compression = 64<<20, "none"
	s := mustOpen(t, cfg, buffer.Options{})
	c := newCommitter(s)
	c.Limits = s.commit.Limits
	for _, b := range batches {
		enter(t, c, b(s))
	}
	return c
}

func enter(t *testing.T, c *committer, b *batch) {
	t.Helper()
	b.prepare()
	if err := c.enter(&b.Batch); err != nil {
		t.Fatal(err)
	}
}

func waiting(cluster string, pieces, size int) func(*Queue) *batch {
	return func(s *Queue) *batch {
		b := s.NewBatch(1).(*batch)
		b.Begin(buffer.Message{Cluster: cluster, Tag: "t", Outputs: []string{"o"}})
		for range pieces {
			b.Add([]byte(text(size, 1)), 1, true)
		}
		return b
	}
}

// round chooses a group as the committer would, and says what it stores of each cluster, in KiB.
func round(c *committer) map[string]int {
	var group []*admission.Batch
	for ad := (&admission.Decision{}); ; {
		c.mu.Lock()
		group = c.Decide(ad)
		c.mu.Unlock()
		if ad.Act == nil {
			break
		}
		c.execute(ad) // it asks for the free space, which is known for a while only
	}
	took := map[string]int{}
	var rest []*admission.Batch
	for _, b := range group {
		took[b.Cluster()] += int(b.Took >> 10)
		if b.Partial() {
			b.Advance()
			rest = append(rest, b)
		}
	}
	c.putBack(rest)
	return took
}

func many(n int, b func(*Queue) *batch) []func(*Queue) *batch {
	return slices.Repeat([]func(*Queue) *batch{b}, n)
}

// What a group takes of each cluster, in KiB, round after round.
func TestGroupTurns(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []func(*Queue) *batch
		want  []string
	}{
		{
			"alone, a group is full", many(50, waiting("flood", 1, 256<<10)),
			[]string{"map[flood:2048]", "map[flood:2048]"},
		},
		{
			"who comes last is in the next group",
			append(many(50, waiting("flood", 1, 256<<10)), waiting("quiet", 1, 20<<10)),
			[]string{"map[flood:512 quiet:20]", "map[flood:2048]"},
		},
		{
			"a batch larger than a group is stored in parts",
			[]func(*Queue) *batch{waiting("flood", 40, 256<<10), waiting("quiet", 1, 20<<10)},
			[]string{
				"map[flood:512 quiet:20]", "map[flood:2048]", "map[flood:2048]", "map[flood:2048]", "map[flood:2048]",
				"map[flood:1536]", "map[]",
			},
		},
		{
			"large pieces pay for their turn later",
			append(many(9, waiting("flood", 1, 2<<20)), many(20, waiting("busy", 1, 256<<10))...),
			[]string{
				"map[flood:2048]", "map[busy:512]", "map[busy:512]", "map[busy:512]", "map[busy:512 flood:2048]",
			},
		},
		{
			"small batches share what large ones do",
			append(append(many(99, waiting("a", 1, 64<<10)), many(9, waiting("b", 8, 128<<10))...), many(
				9, waiting("c", 1, 1<<20),
			)...),
			[]string{"map[a:512 b:512 c:1024]", "map[a:512 b:512]", "map[a:512 b:512 c:1024]"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := lined(t, tc.lines...)
			for i, want := range tc.want {
				if got := fmt.Sprint(round(c)); got != want {
					t.Errorf("group %d: %s, want %s", i, got, want)
				}
			}
		})
	}
}

// More clusters than a group has shares: each has its turn.
func TestGroupTurnsOfMany(t *testing.T) {
	var lines []func(*Queue) *batch
	for i := range 20 {
		lines = append(lines, many(8, waiting(fmt.Sprint("c", i), 1, 256<<10))...)
	}
	c := lined(t, lines...)
	sum := map[string]int{}
	for range 10 {
		for cluster, n := range round(c) {
			sum[cluster] += n
		}
	}
	for i := range 20 {
		if n := sum[fmt.Sprint("c", i)]; n != 1024 {
			t.Errorf("cluster %d stored %d KiB in ten groups of 2 MiB, want 1024", i, n)
		}
	}
}

// A batch of many transactions, one of which fails: it is acknowledged when all of it is stored, and
// nothing is stored twice.
func TestLargeBatchFails(t *testing.T) {
	for failing := range 4 {
		commits := 0
		cfg := testConfig(t.TempDir())
		clock := newClock()
		now := func() time.Time { // a failed write is let be for some time, but not here
			clock.move(limits.PollFull)
			return clock.now()
		}
		s := mustOpen(t, cfg, buffer.Options{Now: now, Fault: func(op string) error {
			if op == "commit" {
				if commits++; commits == failing+1 {
					return errors.New("disk fails")
				}
			}
			return nil
		}})
		b := s.NewBatch(1)
		var want []string
		for m := range 3 {
			b.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: strconv.Itoa(m), Outputs: []string{"o"}})
			for i := range 4 {
				want = append(want, text(400<<10, uint64(4*m+i)))
				b.Add([]byte(want[len(want)-1]), 1, true)
			}
		}
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, s, "o"); strings.Join(got, "") != strings.Join(want, "") {
			t.Errorf("failure %d: %d chunks are stored, or not in order; want %d", failing, len(got), len(want))
		}
		if commits < 5 {
			t.Errorf("%d transactions for 5 MiB in segments of 1 MiB", commits)
		}
	}
}
