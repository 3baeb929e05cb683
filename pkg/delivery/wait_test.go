package delivery_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// waiting is an output that refuses everything until it is told to work, and knows when it was told not to wait.
type waiting struct {
	preparing
	works atomic.Bool
	told  atomic.Int32
}

func (w *waiting) RetryNow() { w.told.Add(1) }

// Whatever a loop waits for before another try, RetryNow and Resume end it: the wait of a batch, of pooled events, of
// what is paced, of the destination to be prepared, and of the dead letters.
func TestRetryNowEndsEveryWait(t *testing.T) {
	ends := map[string]func(r *rig){
		"retry now": func(r *rig) { r.RetryNow() },
		"resume":    func(r *rig) { r.Pause(); r.Resume() },
	}
	waits := map[string]func(o *waiting, r *rig) func(context.Context, []int) error{
		"a batch": func(o *waiting, _ *rig) func(context.Context, []int) error {
			return func(context.Context, []int) error { return later(whole(outputs.ReasonServer), 3600_000) }
		},
		"pooled events": func(o *waiting, _ *rig) func(context.Context, []int) error {
			return func(context.Context, []int) error {
				return later(partly(outputs.Failure{Reason: outputs.ReasonThrottled}), 3600_000)
			}
		},
		"paced events": func(o *waiting, _ *rig) func(context.Context, []int) error {
			return func(context.Context, []int) error { return later(whole(outputs.ReasonPaced), 3600_000) }
		},
		"to be prepared": func(o *waiting, _ *rig) func(context.Context, []int) error {
			o.prepare = func(context.Context) error {
				if o.works.Load() {
					return nil
				}
				return later(whole(outputs.ReasonServer), 3600_000)
			}
			return nil
		},
		"dead letters": func(o *waiting, r *rig) func(context.Context, []int) error {
			r.letterStore.fail = func() error {
				if o.works.Load() {
					return nil
				}
				return errors.New("the disk is full")
			}
			return func(context.Context, []int) error { return whole(outputs.ReasonRejected) }
		},
	}
	for what, refuse := range waits {
		for how, end := range ends {
			t.Run(what+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := &waiting{}
					o.prepare = func(context.Context) error { return nil }
					r := &rig{
						source:      outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", 1, 0, 10)),
						letterStore: &letterStore{},
					}
					r.output = &o.Output
					answer := refuse(o, r)
					o.OnSend = func(ctx context.Context, ns []int) error {
						if answer != nil && (what == "dead letters" || !o.works.Load()) {
							return answer(ctx, ns)
						}
						return nil
					}
					// The first wait for dead letters is a random one of up to initial: long enough to be sure.
					r.startWith(t, o, outputs.Common{
						Batch: outputs.BatchConfig{MaxWait: 1},
						Retry: outputs.RetryConfig{Initial: 1000 * time.Hour, Max: 1000 * time.Hour},
					})
					time.Sleep(time.Millisecond)
					synctest.Wait()
					o.works.Store(true)
					begin := time.Now()
					end(r)
					synctest.Wait()
					time.Sleep(time.Millisecond) // a batch's max_wait
					synctest.Wait()
					if r.source.Events() > 0 || o.told.Load() != 1 {
						t.Errorf("pending after %s: %d; the output was told %d times", time.Since(begin),
							r.source.Events(), o.told.Load())
					}
					r.stop()
				})
			})
		}
	}
}

// What waits again after RetryNow is told with its own end, not with that of the wait before.
func TestWaitingUntilIsTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t,
			outputs.Common{
				Workers: 1, Batch: outputs.BatchConfig{MaxWait: 1}, Retry: outputs.RetryConfig{Max: time.Hour},
			},
			func(context.Context, []int) error { return later(whole(outputs.ReasonServer), 3600_000) },
			outputtest.Chunk(1, "a", "t", 1, 0, 10))
		for range 3 {
			time.Sleep(10 * time.Minute)
			begin := time.Now()
			r.RetryNow()
			synctest.Wait()
			if d := r.Stats().BackoffUntil.Sub(begin); d != time.Hour {
				t.Errorf("it waits for %s, told are %s", time.Hour, d)
			}
		}
		r.stop()
	})
}

// A rate limit is no wait for another try: RetryNow leaves it.
func TestRetryNowKeepsTheRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, outputs.Common{Workers: 1, RateLimit: setting.Rate(1000), Batch: outputs.BatchConfig{MaxWait: 1}},
			nil,
			outputtest.Chunk(1, "a", "t", 10, 0, 900))
		time.Sleep(2500 * time.Millisecond)
		for range 10 {
			r.RetryNow()
			synctest.Wait()
		}
		if n := len(r.output.Got()); n != 3 {
			t.Errorf("%d events in 2.5 s", n)
		}
		r.stop()
	})
}

// Events that are to be sent apart are sent target by target, and what was not tried counts no attempt; what is tried
// is told to be no first attempt.
func TestApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		targets := []string{"good", "slow", "good", "other", "slow"}
		var mu sync.Mutex // the parts are sent at once
		var sends [][]int
		var first []bool
		r := &rig{
			source:      outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", len(targets), 0, 10)),
			letterStore: &letterStore{},
		}
		out := &recorder{send: func(b *outputs.Batch) error {
			var ns []int
			for i := range b.Events {
				ns = append(ns, outputtest.Number(&b.Events[i]))
			}
			mu.Lock()
			defer mu.Unlock()
			sends, first = append(sends, ns), append(first, b.First(0))
			if len(sends) > 1 {
				return nil
			}
			se := &outputs.SendError{Reason: outputs.ReasonNetwork, Apart: true, Err: errTest}
			for i, n := range ns {
				se.Failed = append(se.Failed, outputs.Failure{
					Index: i, Reason: outputs.ReasonNetwork, Target: targets[n], Untried: targets[n] == "other",
				})
			}
			return se
		}}
		r.startWith(t, out, outputs.Common{
			Batch: outputs.BatchConfig{MaxWait: 1}, Retry: outputs.RetryConfig{MaxAttempts: 2},
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		r.stop()
		slices.SortFunc(sends[1:], func(a, b []int) int { return a[0] - b[0] })
		if want := [][]int{{0, 1, 2, 3, 4}, {0, 2}, {1, 4}, {3}}; !slices.EqualFunc(sends, want, slices.Equal[[]int]) {
			t.Errorf("sends %v, want %v", sends, want)
		}
		n := 0
		for _, is := range first {
			if is {
				n++
			}
		}
		if n != 2 || !first[0] {
			t.Errorf("first attempts: %v, want the first send and the one of the event that was not tried", first)
		}
		r.checkLedger(t, len(targets))
	})
}

// What is not tried because others of its target fail is no attempt of its own, but grows old.
func TestUntried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t,
			outputs.Common{
				Batch: outputs.BatchConfig{MaxWait: 1}, Retry: outputs.RetryConfig{MaxAttempts: 2, MaxAge: time.Hour},
			},
			func(context.Context, []int) error {
				return partly(outputs.Failure{Reason: outputs.ReasonServer, Untried: true})
			}, outputtest.Chunk(1, "a", "t", 1, 0, 10))
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		if len(r.letterStore.letters) > 0 || r.Stats().Failing == "" {
			t.Fatalf("after 50 minutes: dead %+v, failing %q", r.letterStore.letters, r.Stats().Failing)
		}
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		r.stop()
		if len(r.letterStore.letters) != 1 || r.letterStore.letters[0].Reason != delivery.ReasonMaxAge ||
			r.letterStore.letters[0].Attempts != 0 {
			t.Errorf("after an hour: %+v", r.letterStore.letters)
		}
	})
}

// Only an event that was surely never sent before is at its first attempt.
func TestFirstAttempts(t *testing.T) {
	for _, tc := range []struct {
		name  string
		chunk event.Chunk
		again bool
		want  bool
	}{
		{"new", event.Chunk{}, false, true},
		{"tried before", event.Chunk{}, true, false},
		{"found at the start, or given back", event.Chunk{Again: true}, false, false},
		{"a dead letter", event.Chunk{Returned: true}, false, false},
	} {
		b := outputs.Batch{Events: []event.Event{{Chunk: &tc.chunk}}, Again: tc.again}
		if got := b.First(0); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}
