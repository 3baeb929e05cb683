package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// of returns what the statistics say of the cluster.
func of(s *Queue, cluster string) buffer.ClusterUse {
	for _, u := range s.Stats().Clusters {
		if u.Cluster == cluster {
			return u
		}
	}
	return buffer.ClusterUse{}
}

// A cluster at its limit: only it waits, is rejected, or loses chunks.
func TestClusterLimit(t *testing.T) {
	both := []string{"a", "b"} // what both want counts once
	flood := func(i int) message1 {
		return message1{text: text(30<<10, uint64(i)), conn: 1, cluster: "flood", outputs: both}
	}
	for _, tc := range []struct{ ofAll, ofCluster string }{
		{"block", ""},
		{"reject", ""},
		{"drop_oldest", ""},
		{"reject", "block"},
		{"drop_oldest", "reject"},
		{"block", "drop_oldest"},
	} {
		whenFull := cmp.Or(tc.ofCluster, tc.ofAll)
		t.Run(fmt.Sprintf("%s, of the cluster %q", tc.ofAll, tc.ofCluster), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(t.TempDir())
				cfg.WhenFull = tc.ofAll
				s := mustOpen(t, cfg, buffer.Options{
					ClusterLimits:   map[string]int64{"flood": 100 << 10},
					ClusterWhenFull: map[string]string{"flood": tc.ofCluster},
				})
				put(t, s, message1{text: "before", cluster: "quiet", outputs: both})
				var err error
				i := 0
				for ; i < 20 && err == nil; i++ {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					err = flood(i).begin(s).Commit(ctx)
					cancel()
				}
				put(t, s, message1{text: "free", cluster: "quiet", outputs: both})
				u := of(s, "flood")
				if u.Bytes < 90<<10 || u.Bytes > 100<<10 || u.Limit != 100<<10 {
					t.Errorf("%+v: want 3 chunks of 30 KiB", u)
				}
				checkUse(t, s)
				var dropped int64
				for _, w := range s.Stats().Waits {
					if w.Cluster == "quiet" && w.Dropped.Events > 0 {
						t.Errorf("another cluster's were dropped: %+v", w)
					}
					dropped += w.Dropped.Events
				}
				switch whenFull {
				case "block":
					if !errors.Is(err, context.DeadlineExceeded) || i != 4 {
						t.Errorf("commit %d: %v", i, err)
					}
				case "reject":
					if !errors.Is(err, buffer.ErrFull) || i != 4 {
						t.Errorf("commit %d: %v", i, err)
					}
				default:
					if err != nil || dropped != 2*17 {
						t.Errorf("%d were dropped: %v", dropped, err)
					}
					for _, o := range both {
						want := []string{"before", flood(17).text, flood(18).text, flood(19).text, "free"}
						if got := drain(t, s, o); !sameSet(got, want) {
							t.Errorf("output %s got %d chunks, not the last three and the quiet cluster's", o, len(got))
						}
					}
				}
			})
		})
	}
}

func sameSet(a, b []string) bool {
	seen := map[string]int{}
	for _, s := range a {
		seen[s]++
	}
	for _, s := range b {
		seen[s]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return len(a) == len(b)
}

// What is handed out is not dropped, and what was returned is.
func TestClusterDropsWhatNobodyHolds(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.WhenFull = "drop_oldest"
	s := mustOpen(t, cfg, buffer.Options{ClusterLimits: map[string]int64{"c": 100 << 10}})
	chunk := func(i int) message1 { return message1{text: text(30<<10, uint64(i)), outputs: []string{"a", "b"}} }
	for i := range 3 {
		put(t, s, chunk(i))
	}
	held, returned := take(t, s, "a"), take(t, s, "a")
	s.Source("a").Return(returned)
	for i := range 2 {
		put(t, s, chunk(3+i))
	}
	checkUse(t, s)
	s.Source("a").Return(held)
	want := []string{chunk(0).text, chunk(3).text, chunk(4).text}
	for _, o := range []string{"a", "b"} {
		if got := drain(t, s, o); !sameSet(got, want) {
			t.Errorf("output %s: %d chunks, want the one that was held and the last two", o, len(got))
		}
	}
	if u := of(s, "c"); u.Bytes != 0 {
		t.Errorf("all is delivered, but %+v", u)
	}
}

// A batch waits until the last output is done with a chunk, and says why.
func TestClusterLimitWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{ClusterLimits: map[string]int64{"c": 50 << 10}})
		m := message1{text: text(30<<10, 1), outputs: []string{"a", "b"}}
		put(t, s, m)
		done := make(chan error, 1)
		go func() { done <- m.begin(s).Commit(t.Context()) }()
		synctest.Wait()
		drain(t, s, "a")
		synctest.Wait()
		if u := of(s, "c"); u.Waiting != 1 || !strings.Contains(u.Why, "cluster c") ||
			!strings.Contains(u.Why, strconv.Itoa(50<<10)) {
			t.Errorf("one output is not done, but %+v", u)
		}
		if st := s.Stats(); st.Full != "" {
			t.Errorf("the queue is not full, but says %q", st.Full)
		}
		start := time.Now()
		s.Source("b").Done(take(t, s, "b"))
		if err := <-done; err != nil || time.Since(start) > 100*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if u := of(s, "c"); u.Waiting != 0 || u.Why != "" {
			t.Errorf("nothing waits, but %+v", u)
		}
	})
}

// Limits change under what waits.
func TestSetLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*buffer.Limits)
		want   error
	}{
		"raised":      {func(l *buffer.Limits) { l.Clusters = map[string]int64{"c": 100 << 10} }, nil},
		"gone":        {func(l *buffer.Limits) { l.Clusters = nil }, nil},
		"drop_oldest": {func(l *buffer.Limits) { l.WhenFull = "drop_oldest" }, nil},
		"reject":      {func(l *buffer.Limits) { l.WhenFull = "reject" }, buffer.ErrFull},
		"of an output": {func(l *buffer.Limits) {
			l.WhenFull, l.Clusters, l.Outputs = "reject", nil, map[string]int64{"o": 40 << 10}
		}, buffer.ErrFull},
		"of the queue": {
			func(l *buffer.Limits) { l.WhenFull, l.Clusters, l.MaxSize = "reject", nil, 20<<10 }, buffer.ErrFull,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(t.TempDir())
				limits := cfg.Limits(nil, map[string]int64{"c": 50 << 10}, nil)
				s := mustOpen(t, cfg, buffer.Options{ClusterLimits: limits.Clusters})
				m := message1{text: text(30<<10, 1)}
				put(t, s, m)
				done := make(chan error, 1)
				go func() { done <- m.begin(s).Commit(t.Context()) }()
				synctest.Wait()
				tc.change(&limits)
				s.SetLimits(limits)
				if err := <-done; !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
			})
		})
	}
}

// Dead letters over a new limit go; the next segment has the new size.
func TestSetLimitsOfFiles(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	for i := range 20 {
		if err := s.DeadLetters().Add(t.Context(), []deadletter.Letter{
			{Reason: "rejected", Events: 1, Entry: []byte(text(200<<10, uint64(i)))},
		}); err != nil {
			t.Fatal(err)
		}
	}
	to := cfg.Limits(nil, nil, nil)
	to.DeadLetters.MaxSize, to.SegmentSize = 1<<20, 8<<20
	s.SetLimits(to)
	if d := s.Stats().Dead; d.Bytes > 1<<20 || d.Evicted == 0 {
		t.Errorf("%d bytes of dead letters, the limit is 1 MiB: %+v", d.Bytes, d)
	}
	for i := range 10 {
		put(t, s, message1{text: text(400<<10, uint64(i))})
	}
	if st := s.Stats(); st.Disk.Segments != 1 {
		t.Errorf("4 MiB are in %d segments of 8 MiB", st.Disk.Segments)
	}
}

// After Purge the sum is at most what the others want, and right once the index is read.
func TestPurgeFreesClusters(t *testing.T) {
	cfg := testConfig(t.TempDir())
	s := mustOpen(t, cfg, buffer.Options{})
	for i, outputs := range [][]string{{"a"}, {"a", "b"}, {"b"}} {
		put(t, s, message1{text: text(30<<10, uint64(i)), outputs: outputs})
	}
	mustClose(t, s)
	s = mustOpen(t, cfg, buffer.Options{}) // the index is not in memory
	s.Purge("b")
	if u := of(s, "c"); u.Bytes < 60<<10 || u.Bytes > 62<<10 {
		t.Errorf("%+v: two chunks of 30 KiB are wanted", u)
	}
	checkUse(t, s)
	s.Purge("a")
	if u := of(s, "c"); u.Bytes != 0 {
		t.Errorf("nothing is wanted, but %+v", u)
	}
}
