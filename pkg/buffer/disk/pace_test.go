package disk

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// commitEvent commits one event with b.
func commitEvent(t *testing.T, b buffer.Batch) error {
	t.Helper()
	b.Begin(buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"o"}})
	b.Add([]byte("event"), 1, false)
	return b.Commit(t.Context())
}

// TestCommitsPaceThemselves lets connections commit small batches, on a disk that takes a millisecond for each commit,
// in a bubble, whose clock stands still while something runs.
func TestCommitsPaceThemselves(t *testing.T) {
	const cost = time.Millisecond
	for _, tc := range []struct {
		name        string
		connections int
		pause       time.Duration // of a connection between an ack and its next batch
		rounds      int
		most        uint64        // commits
		ack         time.Duration // the longest
		cause       string        // of most commits
	}{
		{"a fleet", 256, 100 * time.Millisecond, 10, 200, 10 * time.Millisecond, "limit"},
		{"one that waits for its acks", 1, 200 * time.Microsecond, 50, 50, cost, "complete"},
		{"sixteen that wait for their acks", 16, 200 * time.Microsecond, 50, 60, 3 * cost, "complete"},
		{"one that seldom sends", 1, time.Second, 5, 5, cost, "idle"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{Fault: func(op string) error {
					if op == "commit" {
						time.Sleep(cost)
					}
					return nil
				}})
				var longest time.Duration
				var mu sync.Mutex
				var sending sync.WaitGroup
				for i := range tc.connections {
					sending.Go(func() {
						time.Sleep(time.Duration(i) * tc.pause / time.Duration(tc.connections)) // not all at once
						b, random := s.NewBatch(uint64(i)), rand.New(rand.NewPCG(uint64(i), 1))
						for range tc.rounds {
							start := time.Now()
							if err := commitEvent(t, b); err != nil {
								t.Error(err)
							}
							mu.Lock()
							longest = max(longest, time.Since(start))
							mu.Unlock()
							time.Sleep(tc.pause/2 + time.Duration(random.Float64()*float64(tc.pause)))
						}
					})
				}
				sending.Wait()
				st := s.Stats()
				if st.Commits > tc.most || st.Batches != uint64(tc.connections*tc.rounds) {
					t.Errorf("%d commits of %d batches, for %v", st.Commits, st.Batches, st.CommitCauses)
				}
				if longest > tc.ack {
					t.Errorf("an ack took %v", longest)
				}
				total := uint64(0)
				for _, n := range st.CommitCauses {
					total += n
					if n > st.CommitCauses[tc.cause] {
						t.Errorf("causes %v, want mostly %s", st.CommitCauses, tc.cause)
						break
					}
				}
				if total != st.Commits || st.CommitWait.Count != total {
					t.Errorf("%d commits, %d causes, %d waits", st.Commits, total, st.CommitWait.Count)
				}
				mustClose(t, s)
			})
		})
	}
}

// TestCloseEndsTheWait closes the queue while a commit waits for company: what waits is stored at once.
func TestCloseEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(op string) error {
			if op == "commit" {
				time.Sleep(time.Millisecond)
			}
			return nil
		}
		s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{Fault: slow})
		batches := make([]buffer.Batch, 64)
		send := func(i int) error {
			if batches[i] == nil {
				batches[i] = s.NewBatch(uint64(i))
			}
			return commitEvent(t, batches[i])
		}
		// A fleet comes, and comes again after longer than can be foretold: then commits wait for more of it.
		for range 3 {
			var sending sync.WaitGroup
			for i := range batches {
				sending.Go(func() {
					time.Sleep(20*time.Millisecond + time.Duration(i)*50*time.Microsecond)
					if err := send(i); err != nil {
						t.Error(err)
					}
				})
			}
			sending.Wait()
		}
		time.Sleep(15 * time.Millisecond)
		stored := make(chan error, 1)
		for i := range 4 {
			go func() { stored <- send(i) }()
		}
		synctest.Wait()
		mustClose(t, s)
		for range 4 {
			if err := <-stored; err != nil {
				t.Errorf("a batch that waited for company: %v", err)
			}
		}
	})
}
