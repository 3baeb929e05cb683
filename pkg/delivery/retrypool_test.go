package delivery_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// refuse returns a Send that refuses, one by one, the events that no is true for.
func refuse(reason outputs.Reason, no func(n int) bool) func(context.Context, []int) error {
	return func(_ context.Context, ns []int) error {
		var failed []outputs.Failure
		for i, n := range ns {
			if no(n) {
				failed = append(failed, outputs.Failure{Index: i, Reason: reason, Status: 429})
			}
		}
		if len(failed) == 0 {
			return nil
		}
		return &outputs.SendError{Reason: reason, Failed: failed, Err: errTest}
	}
}

// checkOnce checks that the destination has the events below total, each once.
func (r *rig) checkOnce(t *testing.T, total int) {
	t.Helper()
	got := r.output.Got()
	for n := range total {
		if got[n] != 1 {
			t.Fatalf("event %d was delivered %d times", n, got[n])
		}
	}
}

// A destination refuses all events of cluster a for an hour. It has a backlog, and cluster b's chunks
// that come behind it are delivered as if nothing was.
func TestRefusedClusterStopsOnlyItself(t *testing.T) {
	for _, tc := range []struct {
		name   string
		reason outputs.Reason
		size   int // of a batch
	}{
		{"throttled", outputs.ReasonThrottled, 256 << 10},
		{"no privileges", outputs.ReasonAuth, 256 << 10},
		{"batches of single chunks", outputs.ReasonServer, 40 << 10},
		{"large batches", outputs.ReasonThrottled, 8 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const events, pad, chunksOfA, chunksOfB, first = 20, 1500, 300, 720, 300 * 20
				var mu sync.Mutex
				refusing, sends := true, 0
				r := &rig{source: outputtest.NewBacklog(), letterStore: &letterStore{}}
				answer := refuse(tc.reason, func(n int) bool { return refusing && n < first })
				r.output = &outputtest.Output{OnSend: func(ctx context.Context, ns []int) error {
					time.Sleep(20 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					if ns[0] < first {
						sends++
					}
					return answer(ctx, ns)
				}}
				for i := range chunksOfA {
					r.source.Put(outputtest.Chunk(uint64(i), "a", "t", events, i*events, pad))
				}
				r.start(t, outputs.Common{
					Workers: 2,
					Batch:   outputs.BatchConfig{MaxBytes: setting.Size(tc.size), MaxWait: 50 * time.Millisecond},
				})
				for i := range chunksOfB {
					r.source.Put(outputtest.Chunk(uint64(1000+i), "b", "t", events, first+i*events, pad))
					time.Sleep(5 * time.Second)
					if i%60 == 2 && r.output.Got()[first+i*events] != 1 {
						t.Errorf("chunk %d of cluster b is not delivered after 5 s; %+v", i, r.Stats())
					}
				}
				s := r.Stats()
				if !reflect.DeepEqual(s.Held, []string{"a"}) || s.Failing != "" || s.LastError == "" ||
					!s.LastErrorOver.IsZero() {
					t.Errorf("held %v, failing %q though cluster b is delivered, last error %q", s.Held, s.Failing,
						s.LastError)
				}
				if out := r.source.Out(); out*events*pad > 5*max(tc.size, 100<<10) {
					t.Errorf("%d chunks are out", out)
				}
				mu.Lock()
				if refusing = false; sends > 3600 {
					t.Errorf("%d sends of refused events in an hour", sends)
				}
				mu.Unlock()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if s := r.Stats(); len(s.Held) > 0 || r.source.Held() > 0 || s.Failing != "" {
					t.Errorf("still held %v, failing %q", s.Held, s.Failing)
				}
				r.stop()
				r.checkOnce(t, (chunksOfA+chunksOfB)*events)
				r.checkLedger(t, (chunksOfA+chunksOfB)*events)
			})
		})
	}
}

// One event in twenty is refused at random, over and over: the others are not slower for it. When the refused ones are
// through is up to the random waits between their attempts.
func TestRandomRefusalsSlowNothing(t *testing.T) {
	const events, chunks = 100, 400
	took := func(t *testing.T, reason outputs.Reason, percent int) (d time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var begin time.Time
			tried := make([]bool, chunks*events)
			rnd := rand.New(rand.NewPCG(1, 2))
			answer := refuse(reason, func(int) bool { return rnd.IntN(100) < percent })
			r := &rig{source: outputtest.NewBacklog(), letterStore: &letterStore{}}
			r.output = &outputtest.Output{OnSend: func(ctx context.Context, ns []int) error {
				time.Sleep(20*time.Millisecond + time.Duration(len(ns))*50*time.Microsecond)
				mu.Lock()
				defer mu.Unlock()
				for _, n := range ns {
					if !tried[n] {
						tried[n], d = true, time.Since(begin)
					}
				}
				return answer(ctx, ns)
			}}
			for i := range chunks {
				r.source.Put(outputtest.Chunk(uint64(i), "a", "t", events, i*events, 300))
			}
			begin = time.Now()
			r.start(t, outputs.Common{Workers: 2, Batch: outputs.BatchConfig{MaxBytes: 512 << 10}})
			for r.source.Events() > 0 {
				time.Sleep(10 * time.Millisecond)
			}
			r.stop()
			r.checkOnce(t, chunks*events)
			r.checkLedger(t, chunks*events)
		})
		return d
	}
	calm := took(t, outputs.ReasonServer, 0)
	// The attempts at the refused ones take time too; where they hold the others up it is four times calm.
	most := calm * 5 / 2
	if d := took(t, outputs.ReasonServer, 5); d > most {
		t.Errorf("with 5 %% refused it took %v, without %v", d, calm)
	}
	if d := took(t, outputs.ReasonThrottled, 5); d > most {
		t.Errorf("with 5 %% throttled it took %v, without %v", d, calm)
	}
}

// What is in the pool when the loop ends is sent within the grace time or given back, and every event is
// delivered in the end.
func TestStopWithPooledEvents(t *testing.T) {
	for _, tc := range []struct {
		name     string
		wish     time.Duration
		atOnce   bool // it ends without waiting for the grace time
		finished bool // all is delivered by then
	}{
		{"due within the grace time", 3 * time.Second, false, true},
		{"not due within it", time.Minute, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				until := time.Now().Add(4 * time.Second)
				answer := refuse(outputs.ReasonThrottled, func(
					n int,
				) bool {
					return n%3 == 0 && time.Now().Before(until)
				})
				r := start(t, outputs.Common{Batch: outputs.BatchConfig{MaxWait: time.Second}},
					func(ctx context.Context, ns []int) error {
						err := answer(ctx, ns)
						if se := (*outputs.SendError)(nil); errors.As(err, &se) {
							se.RetryAfter = tc.wish
						}
						return err
					}, outputtest.Chunk(1, "a", "t", 100, 0, 10), outputtest.Chunk(2, "b", "t", 100, 100, 10))
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if n := len(r.output.Got()); n != 133 {
					t.Fatalf("%d events delivered at first, want 133", n)
				}
				begin := time.Now()
				r.stop()
				if d := time.Since(begin); tc.atOnce && d > 0 || d > 10*time.Second {
					t.Errorf("took %v to end", d)
				}
				if done := r.source.Events() == 0; done != tc.finished {
					t.Errorf("%d events are pending", r.source.Events())
				}
				r.checkLedger(t, 200)
				if r.source.Held() > 0 {
					t.Error("a cluster is held by a loop that has ended")
				}
				r.start(t, outputs.Common{Batch: outputs.BatchConfig{MaxWait: time.Second}})
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				r.stop()
				if n := len(r.output.Got()); n != 200 || r.source.Events() != 0 {
					t.Errorf("%d events arrived, %d are pending", n, r.source.Events())
				}
			})
		})
	}
}

// Parked events have all that the output may ask for, though their chunk's memory is given back.
func TestPooledEventsAreWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := outputtest.Chunk(1, "a", "t", 4, 0, 10)
		group := []byte("\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x81\xa1g\x01")
		c.Entries = append(append(append([]byte(nil), c.Entries[:len(c.Entries)/2]...), group...),
			c.Entries[len(c.Entries)/2:]...)
		var first, again []event.Event
		var ids []string
		out := &recorder{send: func(b *outputs.Batch) error {
			if first == nil {
				for i := range b.Events {
					first = append(first, clone(&b.Events[i]))
					ids = append(ids, string(b.Events[i].AppendID(nil)))
				}
				return partly(outputs.Failure{Index: 1, Reason: outputs.ReasonServer},
					outputs.Failure{Index: 2, Reason: outputs.ReasonServer},
					outputs.Failure{Index: 3, Reason: outputs.ReasonServer})
			}
			for i := range b.Events {
				ev := &b.Events[i]
				again = append(again, clone(ev))
				if want := ids[ev.Pos]; string(ev.AppendID(nil)) != want || ev.Chunk != first[0].Chunk ||
					ev.Chunk.Entries != nil {
					t.Errorf("event %d: id %s, want %s; chunk %+v", ev.Pos, ev.AppendID(nil), want, ev.Chunk)
				}
			}
			return nil
		}}
		r := &rig{source: outputtest.NewBacklog(c), letterStore: &letterStore{}}
		r.startWith(t, out, outputs.Common{Batch: outputs.BatchConfig{MaxWait: time.Second}})
		time.Sleep(time.Minute)
		synctest.Wait()
		r.stop()
		if len(first[2].Group) == 0 || !reflect.DeepEqual(again, first[1:]) {
			t.Errorf("sent again:\n%+v, want\n%+v", again, first[1:])
		}
	})
}

// recorder is an output that shows the events themselves.
type recorder struct {
	send func(b *outputs.Batch) error
}

func (o *recorder) Send(_ context.Context, b *outputs.Batch) error { return o.send(b) }
func (o *recorder) Close() error                                   { return nil }

func clone(ev *event.Event) event.Event {
	c := *ev
	c.Record, c.Group = append([]byte(nil), ev.Record...), append([]byte(nil), ev.Group...)
	return c
}
