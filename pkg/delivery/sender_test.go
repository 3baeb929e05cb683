package delivery_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

var errTest = errors.New("no")

func whole(r outputs.Reason) error { return &outputs.SendError{Reason: r, Err: errTest} }

// later returns err with a wish for milliseconds, 0 for none.
func later(err error, wish int) error {
	se := outputs.AsSendError(err)
	se.RetryAfter = time.Duration(wish) * time.Millisecond
	return se
}

func partly(failed ...outputs.Failure) error {
	return &outputs.SendError{Reason: outputs.ReasonServer, Failed: failed, Err: errTest}
}

func TestResults(t *testing.T) {
	const ok = outputs.Reason("")
	rejected := outputs.Failure{Reason: outputs.ReasonRejected, Status: 400, Detail: "mapper_parsing_exception"}
	at := func(i int, f outputs.Failure) outputs.Failure { f.Index = i; return f }
	throttled := outputs.Failure{Reason: outputs.ReasonThrottled, Status: 429}
	for _, tc := range []struct {
		name    string
		set     outputs.Common
		answers []error // of the sends, in order; then nil
		sends   [][]int
		dead    map[string]uint64
		dropped map[string]uint64
		retried map[string]uint64
	}{
		{name: "accepted", sends: [][]int{{0, 1, 2, 3, 4}}},
		{
			name: "one throttled is sent again alone", answers: []error{partly(at(2, throttled))},
			sends: [][]int{{0, 1, 2, 3, 4}, {2}}, retried: map[string]uint64{"throttled": 1},
		},
		{
			name: "one rejected is dead", answers: []error{partly(at(4, rejected))},
			sends: [][]int{{0, 1, 2, 3, 4}}, dead: map[string]uint64{"rejected": 1},
		},
		{
			name: "rejected and dropped", set: outputs.Common{OnReject: outputs.OnRejectDrop},
			answers: []error{partly(at(0, rejected))},
			sends:   [][]int{{0, 1, 2, 3, 4}}, dropped: map[string]uint64{"rejected": 1},
		},
		{
			name:    "mixed",
			answers: []error{partly(at(0, rejected), at(1, throttled), at(4, throttled)), partly(at(1, rejected))},
			sends:   [][]int{{0, 1, 2, 3, 4}, {1, 4}}, dead: map[string]uint64{"rejected": 2},
			retried: map[string]uint64{"throttled": 2},
		},
		{
			name: "all fail", answers: []error{whole(outputs.ReasonServer), errTest},
			sends:   [][]int{{0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}},
			retried: map[string]uint64{"server": 5, "network": 5},
		},
		{
			name: "all rejected", answers: []error{whole(outputs.ReasonRejected)},
			sends: [][]int{{0, 1, 2, 3, 4}}, dead: map[string]uint64{"rejected": 5},
		},
		{
			name: "too large is halved down to the one", answers: []error{
				whole(outputs.ReasonTooLarge), nil, whole(outputs.ReasonTooLarge), whole(outputs.ReasonTooLarge),
			},
			sends: [][]int{{0, 1, 2, 3, 4}, {0, 1}, {2, 3, 4}, {2}, {3, 4}},
			dead:  map[string]uint64{"too_large": 1}, retried: map[string]uint64{"too_large": 8},
		},
		{
			name: "max_attempts", set: outputs.Common{Retry: outputs.RetryConfig{MaxAttempts: 3}},
			answers: []error{whole(outputs.ReasonServer), whole(outputs.ReasonServer), whole(outputs.ReasonServer)},
			sends:   [][]int{{0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}},
			dead:    map[string]uint64{"max_attempts": 5}, retried: map[string]uint64{"server": 10},
		},
		{
			name: "progress starts max_attempts anew", set: outputs.Common{Retry: outputs.RetryConfig{MaxAttempts: 2}},
			answers: []error{whole(outputs.ReasonServer), partly(at(0, throttled)), partly(at(0, throttled))},
			sends:   [][]int{{0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}, {0}},
			dead:    map[string]uint64{"max_attempts": 1}, retried: map[string]uint64{"server": 5, "throttled": 1},
		},
		{
			name:    "max_attempts is no rejection",
			set:     outputs.Common{OnReject: outputs.OnRejectDrop, Retry: outputs.RetryConfig{MaxAttempts: 1}},
			answers: []error{partly(at(0, rejected), at(1, throttled))},
			sends:   [][]int{{0, 1, 2, 3, 4}},
			dead:    map[string]uint64{"max_attempts": 1}, dropped: map[string]uint64{"rejected": 1},
		},
		{
			name: "max_age", set: outputs.Common{Retry: outputs.RetryConfig{MaxAge: time.Nanosecond}},
			answers: []error{partly(at(3, throttled))},
			sends:   [][]int{{0, 1, 2, 3, 4}}, dead: map[string]uint64{"max_age": 1},
		},
		{
			name: "failures out of range", answers: []error{partly(at(5, rejected))},
			sends: [][]int{{0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}}, retried: map[string]uint64{"server": 5},
		},
		{
			name: "failures named twice", answers: []error{partly(at(1, rejected), at(1, rejected))},
			sends: [][]int{{0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}}, retried: map[string]uint64{"server": 5},
		},
		{
			name: "failures named but none", answers: []error{
				&outputs.SendError{Reason: outputs.ReasonServer, Failed: []outputs.Failure{}, Err: errTest},
			},
			sends: [][]int{{0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}}, retried: map[string]uint64{"server": 5},
		},
		{
			name:    "a failure without a reason has the batch's",
			answers: []error{partly(at(1, outputs.Failure{Reason: ok}))},
			sends:   [][]int{{0, 1, 2, 3, 4}, {1}}, retried: map[string]uint64{"server": 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.set.Workers, tc.set.Batch.MaxWait = 1, time.Second
				answers := tc.answers
				r := start(t, tc.set, func(context.Context, []int) error {
					if len(answers) == 0 {
						return nil
					}
					err := answers[0]
					answers = answers[1:]
					return err
				}, outputtest.Chunk(1, "a", "t", 2, 0, 10), outputtest.Chunk(2, "a", "t", 3, 2, 10))
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := r.output.Sends(); !reflect.DeepEqual(got, tc.sends) {
					t.Errorf("sent %v, want %v", got, tc.sends)
				}
				s := r.Stats()
				if got := s.Clusters[0].Dead; !reflect.DeepEqual(got, tc.dead) {
					t.Errorf("dead %v, want %v", got, tc.dead)
				}
				if got := s.Clusters[0].Dropped; !reflect.DeepEqual(got, tc.dropped) {
					t.Errorf("dropped %v, want %v", got, tc.dropped)
				}
				if len(tc.retried) > 0 && !reflect.DeepEqual(s.Retried, tc.retried) ||
					len(tc.retried) != len(s.Retried) {
					t.Errorf("retried %v, want %v", s.Retried, tc.retried)
				}
				if r.source.Events() != 0 {
					t.Errorf("%d events still pending", r.source.Events())
				}
				r.checkLedger(t, 5)
				r.stop()
			})
		})
	}
}

func TestLetterTellsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, failures := 0, 3
		r := &rig{
			source: outputtest.NewBacklog(outputtest.Chunk(7, "a", "app.x", 3, 0, 10)),
			output: &outputtest.Output{OnSend: func(context.Context, []int) error {
				if calls++; calls == 1 {
					return whole(outputs.ReasonServer)
				}
				return partly(outputs.Failure{
					Index: 1, Reason: outputs.ReasonRejected, Status: 400, Detail: "bad date",
				})
			}},
			letterStore: &letterStore{fail: func() error {
				if failures--; failures >= 0 {
					return errTest
				}
				return nil
			}},
		}
		r.start(t, outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxWait: 1}})
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(r.letterStore.letters) != 1 {
			t.Fatalf("%d letters, want 1", len(r.letterStore.letters))
		}
		l := r.letterStore.letters[0]
		if l.Output != "test" || l.Status != 400 || l.Reason != "rejected" || l.Detail != "bad date" ||
			l.Attempts != 2 || l.Events != 1 ||
			l.Chunk.Cluster != "a" || l.Chunk.Tag != "app.x" ||
			!slices.Equal(r.source.Finished(), []uint64{l.Chunk.Seq}) {
			t.Errorf("letter %+v", l)
		}
		if s := r.Stats(); s.LastError != "store dead letters: no" {
			t.Errorf("last error %q", s.LastError)
		}
		r.stop()
		r.checkLedger(t, 3)
	})
}

func TestNothingIsSettledBeforeItsLetterIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{
			source:      outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", 3, 0, 10)),
			letterStore: &letterStore{fail: func() error { return errTest }},
		}
		r.output = &outputtest.Output{
			OnSend: func(context.Context, []int) error { return whole(outputs.ReasonRejected) },
		}
		r.start(t, outputs.Common{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(r.source.Finished()) != 0 || r.source.Events() != 3 {
			t.Error("a chunk is done whose dead letters are not stored")
		}
		r.stop()
		r.checkLedger(t, 3)
	})
}

func TestDamagedChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := outputtest.Chunk(1, "a", "t", 5, 0, 10)
		size := len(c.Entries) / 5
		c.Entries[3*size] = 0xc1
		r := start(t, outputs.Common{Batch: outputs.BatchConfig{MaxWait: 1}}, nil, c)
		time.Sleep(time.Second)
		synctest.Wait()
		r.stop()
		r.checkLedger(t, 5)
		if n := len(r.output.Got()); n != 3 {
			t.Errorf("%d events delivered, want the 3 before the damage", n)
		}
		if len(r.letterStore.letters) != 1 || r.letterStore.letters[0].Events != 2 ||
			len(r.letterStore.letters[0].Raw) != 2*size || r.letterStore.letters[0].Reason != delivery.ReasonDamaged {
			t.Errorf("letters %+v", r.letterStore.letters)
		}
	})
}

func TestBackoff(t *testing.T) {
	for _, tc := range []struct {
		name     string
		err      error
		min, max []int // of the waits, in seconds
	}{
		{"full jitter", whole(outputs.ReasonServer), []int{0, 0, 0, 0, 0}, []int{1, 2, 4, 8, 8}},
		{
			"a wish wins", &outputs.SendError{
				Reason: outputs.ReasonThrottled, RetryAfter: 7 * time.Second, Err: errTest,
			}, []int{7, 7, 7}, []int{7, 7, 7},
		},
		{"auth is slow", whole(outputs.ReasonAuth), []int{5, 5, 5, 5}, []int{5, 5, 5, 8}},
		{
			"a wish for more than retry.max", &outputs.SendError{
				Reason: outputs.ReasonThrottled, RetryAfter: time.Hour, Err: errTest,
			}, []int{8}, []int{8},
		},
		{
			"for a pace of more than retry.max",
			&outputs.SendError{Reason: outputs.ReasonPaced, RetryAfter: time.Hour, Err: errTest},
			[]int{8},
			[]int{8},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				set := outputs.Common{
					Workers: 1, Batch: outputs.BatchConfig{MaxWait: 1},
					Retry: outputs.RetryConfig{Initial: time.Second, Max: 8 * time.Second},
				}
				r := start(t, set, func(context.Context, []int) error {
					if at = append(at, time.Now()); len(at) <= len(tc.min) {
						return tc.err
					}
					return nil
				}, outputtest.Chunk(1, "a", "t", 1, 0, 10))
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				r.stop()
				if len(at) != len(tc.min)+1 {
					t.Fatalf("%d sends", len(at))
				}
				for i := range tc.min {
					if d := at[i+1].Sub(at[i]); d.Seconds() < float64(tc.min[i]) || d.Seconds() > float64(tc.max[i]) {
						t.Errorf("wait %d: %v, want %d to %d s", i, d, tc.min[i], tc.max[i])
					}
				}
				if s := r.Stats(); s.Failing != "" || s.LastError == "" && s.Failures > 0 || s.LastSuccess.IsZero() ||
					!s.BackoffUntil.IsZero() {
					t.Errorf("after recovery: %+v", s)
				}
			})
		})
	}
}

// TestEveryEventOnce gives random answers, stops and starts, and checks that every event is delivered
// or dead, exactly once as long as no chunk was given back, and that the counters add up.
func TestEveryEventOnce(t *testing.T) {
	reasons := []outputs.Reason{
		outputs.ReasonThrottled, outputs.ReasonServer, outputs.ReasonNetwork, outputs.ReasonAuth, outputs.ReasonPaced,
		outputs.ReasonRejected, outputs.ReasonTooLarge,
	}
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			pick := rand.New(rand.NewPCG(seed, 2))
			var chunks []*event.Chunk
			total := 0
			for i := range 30 {
				n := 1 + rnd.IntN(40)
				chunks = append(chunks, outputtest.Chunk(uint64(i), string(rune('a'+i%3)), "t", n, total, rnd.IntN(50)))
				total += n
			}
			answer := make(chan struct{}, 1) // guards pick
			answer <- struct{}{}
			onSend := func(_ context.Context, ns []int) error {
				<-answer
				defer func() { answer <- struct{}{} }()
				time.Sleep(time.Duration(pick.IntN(1000)) * time.Millisecond)
				switch pick.IntN(4) {
				case 0:
					return nil
				case 1:
					return later(whole(reasons[pick.IntN(5)]), pick.IntN(2000))
				case 2:
					return whole(outputs.ReasonTooLarge)
				}
				var failed []outputs.Failure
				for i := range ns {
					if pick.IntN(3) == 0 {
						failed = append(failed, outputs.Failure{Index: i, Reason: reasons[pick.IntN(len(reasons))]})
					}
				}
				return later(partly(failed...), pick.IntN(2000))
			}
			set := outputs.Common{
				Workers: 1 + rnd.IntN(4), Batch: outputs.BatchConfig{MaxEvents: 1 + rnd.IntN(60), MaxWait: time.Second},
			}
			if seed%3 > 0 { // little is pooled, or nothing
				set.Batch.MaxBytes = setting.Size(1 + rnd.IntN(2000))
			}
			r := start(t, set, onSend, chunks...)
			restarted := seed%4 == 0
			if restarted { // the counters of the first run are no longer asked
				time.Sleep(20 * time.Second)
				r.stop()
				total0 := r.source.Events()
				r.start(t, set)
				defer func() { r.checkLedger(t, total0) }()
			}
			for i := 0; r.source.Events() > 0; i++ {
				if i == 100_000 {
					t.Fatalf("seed %d: %d events still pending", seed, r.source.Events())
				}
				time.Sleep(time.Second)
			}
			synctest.Wait()
			r.stop()
			if !restarted {
				r.checkLedger(t, total)
			}
			got := r.output.Got()
			for n := range total {
				times := got[n] + r.letterStore.dead[n]
				if times == 0 || times > 1 && !restarted {
					t.Errorf("seed %d: event %d was delivered %d times and added %d times", seed, n, got[n],
						r.letterStore.dead[n])
				}
			}
		})
	}
}
