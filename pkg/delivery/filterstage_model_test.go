package delivery_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// Random lines, some of which are joined, changed, dropped or killed, go to a destination that refuses
// at random, through loops that end at random: each line has one fate in the counts, and is found
// where they say.
func TestRulesAtRandom(t *testing.T) {
	number := regexp.MustCompile(`#\d+`)
	for seed := range uint64(12) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 7))
				var mu sync.Mutex
				refusals := rand.New(rand.NewPCG(seed, 8))
				reasons := []outputs.Reason{
					outputs.ReasonServer, outputs.ReasonThrottled, outputs.ReasonServer, outputs.ReasonRejected,
				}
				s := &filterRig{source: outputtest.NewBacklog(), letterStore: &texts{}}
				s.refuse = func(string) outputs.Reason {
					mu.Lock()
					defer mu.Unlock()
					if refusals.IntN(5) > 0 {
						return ""
					}
					return reasons[refusals.IntN(len(reasons))]
				}
				set := outputs.Common{
					Workers: 1 + rnd.IntN(3),
					Batch: outputs.BatchConfig{
						MaxBytes: setting.Size(50 << rnd.IntN(8)), MaxEvents: 1 << rnd.IntN(6),
					},
					Retry: outputs.RetryConfig{Initial: time.Second, Max: 10 * time.Second, MaxAttempts: 8},
				}
				launch := func() { s.run(t, rulesOf(joining(t, time.Second), step(byWord)), set) }
				launch()
				total := 0
				for i := range 150 {
					var texts []string
					for range 1 + rnd.IntN(8) {
						text := []string{
							"+", "-", "-", "", "change ", "drop ", "kill ", "- kill ", "+change ",
						}[rnd.IntN(9)]
						texts = append(texts, fmt.Sprint(text, "#", total))
						total++
					}
					s.source.Put(lines(uint64(i), fmt.Sprint("t", rnd.IntN(3)), texts...))
					if rnd.IntN(4) == 0 {
						time.Sleep(time.Duration(rnd.IntN(2000)) * time.Millisecond)
					}
					if rnd.IntN(20) == 0 {
						s.stop()
						launch()
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				s.stop()
				fate := s.fate()
				sum := 0
				for _, n := range fate {
					sum += n
				}
				if sum != total || s.source.Events() > 0 {
					t.Errorf("%d of %d lines are accounted for, %d are pending: %v", sum, total, s.source.Events(),
						fate)
				}
				found := map[string]bool{}
				for _, log := range append(s.taken(), s.letterStore.all...) {
					for _, n := range number.FindAllString(log, -1) {
						found[n] = true
					}
				}
				if n := total - fate["dropped: filter"]; len(found) < n {
					t.Errorf("%d lines arrived or are dead letters, want %d at least", len(found), n)
				}
				if fate["dropped: joined"] == 0 || fate["dead: filter"] == 0 || fate["dead: rejected"] == 0 {
					t.Errorf("too little happened: %v", fate)
				}
			})
		})
	}
}

// The program dies, or ends in good order, in the middle of a trace: what the queue has then is the
// whole trace, and it arrives as one event.
func TestCrashInTheMiddleOfATrace(t *testing.T) {
	dir := t.TempDir()
	open := func(path string) buffer.Queue {
		t.Helper()
		q, err := disk.Open(
			buffer.Config{Path: path, SegmentSize: 1 << 20, MaxSize: 1 << 30, WhenFull: "block", Compression: "s2"},
			buffer.Options{},
		)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	put := func(q buffer.Queue, texts ...string) {
		t.Helper()
		c := lines(0, "t", texts...)
		b := q.NewBatch(1)
		b.Begin(buffer.Message{Cluster: "a", Tag: "t", Outputs: []string{"test"}})
		b.Add(c.Entries, c.Events, true)
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// run delivers from q until that log has arrived, and returns all that has, and how the loop is ended.
	run := func(q buffer.Queue, last string) (got []string, stop func()) {
		t.Helper()
		logs := make(chan string, 100)
		out := &recorder{send: func(b *outputs.Batch) error {
			for i := range b.Events {
				logs <- logOf(&b.Events[i])
			}
			return nil
		}}
		l := delivery.New(delivery.Options{
			Name: "test", Source: q.Source("test"), Output: out, DeadLetters: &texts{},
			Rules: rulesOf(joining(t, time.Hour)), Log: zerolog.Nop(),
			Common: outputs.Common{Batch: outputs.BatchConfig{MaxWait: time.Millisecond}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = l.Run(ctx) // always nil
		}()
		for !slices.Contains(got, last) {
			got = append(got, <-logs)
		}
		return got, func() { cancel(); <-ended }
	}

	q := open(filepath.Join(dir, "first"))
	put(q, "a", "+b", "-c")
	put(q, "-d")
	put(q, "-e")
	got, stop := run(q, "a")
	equal(t, "delivered at first", got, []string{"a"})
	// What is on disk now.
	if err := os.CopyFS(filepath.Join(dir, "crashed"), os.DirFS(filepath.Join(dir, "first"))); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}

	q = open(filepath.Join(dir, "crashed"))
	put(q, "-f", "g")
	got, stop = run(q, "g")
	equal(t, "delivered after the crash", got, []string{"a", "+b -c -d -e -f", "g"})
	stop()
	for _, w := range q.Stats().Waits {
		if w.Pending.Events > 0 {
			t.Errorf("%d events are pending at the end", w.Pending.Events)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}

	q = open(filepath.Join(dir, "first")) // which was stopped in good order: all of it was delivered then
	put(q, "g")
	got, stop = run(q, "g")
	equal(t, "delivered after a stop", got, []string{"g"})
	stop()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}
