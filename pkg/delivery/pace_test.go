package delivery_test

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// What the output holds back is sent again after exactly the time that it says, and is no failure.
func TestPaced(t *testing.T) {
	paced := func(d time.Duration, failed ...outputs.Failure) error {
		return &outputs.SendError{Reason: outputs.ReasonPaced, RetryAfter: d, Failed: failed, Err: errTest}
	}
	at := func(r outputs.Reason, is ...int) (failed []outputs.Failure) {
		for _, i := range is {
			failed = append(failed, outputs.Failure{Index: i, Reason: r})
		}
		return failed
	}
	second := time.Second
	for _, tc := range []struct {
		name     string
		answers  []error
		sends    [][]int
		after    []time.Duration // the first send, when the others begin; below 0: at most that long
		failures uint64
		counted  uint64 // of the sends
		retried  map[string]uint64
	}{
		{
			"the whole batch",
			[]error{paced(3 * second), paced(20 * time.Millisecond), paced(2 * second)},
			[][]int{{0, 1, 2}, {0, 1, 2}, {0, 1, 2}, {0, 1, 2}},
			[]time.Duration{3 * second, 3020 * time.Millisecond, 5020 * time.Millisecond},
			0, 1, nil,
		},
		{
			"all events, one by one",
			[]error{paced(3*second, at(outputs.ReasonPaced, 0, 1, 2)...)},
			[][]int{{0, 1, 2}, {0, 1, 2}},
			[]time.Duration{3 * second},
			0, 1, nil,
		},
		{
			"some events",
			[]error{paced(3*second, at(outputs.ReasonPaced, 1, 2)...), paced(second, at(outputs.ReasonPaced, 1)...)},
			[][]int{{0, 1, 2}, {1, 2}, {2}},
			[]time.Duration{3 * second, 4 * second},
			0, 3, nil,
		},
		{
			"apart from what failed",
			[]error{
				paced(20*time.Millisecond, append(at(outputs.ReasonPaced, 0), at(outputs.ReasonThrottled, 2)...)...),
			},
			[][]int{{0, 1, 2}, {0}, {2}},
			[]time.Duration{20 * time.Millisecond, -10 * second},
			1, 3,
			map[string]uint64{"throttled": 1},
		},
		{
			"without a time it is a failure",
			[]error{paced(0)},
			[][]int{{0, 1, 2}, {0, 1, 2}},
			[]time.Duration{-10 * second},
			1, 2,
			map[string]uint64{"server": 3},
		},
		{
			"single events without a time",
			[]error{paced(0, at(outputs.ReasonPaced, 1)...)},
			[][]int{{0, 1, 2}, {1}},
			[]time.Duration{-10 * second},
			1, 2,
			map[string]uint64{"server": 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type send struct {
					events []int
					at     time.Time
				}
				answers, sends := tc.answers, []send(nil)
				set := outputs.Common{
					Workers: 1, Batch: outputs.BatchConfig{MaxWait: second},
					Retry: outputs.RetryConfig{MaxAttempts: 2, Initial: 10 * second, Max: 10 * second},
				}
				r := start(t, set, func(_ context.Context, ns []int) error {
					sends = append(sends, send{slices.Clone(ns), time.Now()})
					if len(answers) == 0 {
						return nil
					}
					err := answers[0]
					answers = answers[1:]
					return err
				}, outputtest.Chunk(1, "a", "t", 3, 0, 10))
				time.Sleep(time.Minute)
				synctest.Wait()
				r.stop()
				// What is sent apart from each other comes in any order, as the waits for what failed are random.
				slices.SortStableFunc(sends, func(a, b send) int {
					return cmp.Or(cmp.Compare(len(b.events), len(a.events)), slices.Compare(a.events, b.events))
				})
				var got [][]int
				for _, s := range sends {
					got = append(got, s.events)
				}
				if !reflect.DeepEqual(got, tc.sends) {
					t.Fatalf("sent %v, want %v", got, tc.sends)
				}
				for i, want := range tc.after {
					got := sends[i+1].at.Sub(sends[0].at)
					if want < 0 && got > -want || want >= 0 && got != want {
						t.Errorf("send %d begins after %v, want %v", i+1, got, want)
					}
				}
				s := r.Stats()
				if s.Failures != tc.failures || s.Sends != tc.counted || s.Latency.Count != tc.counted ||
					s.Failing != "" {
					t.Errorf("%d failures of %d sends, %d timed, failing %q; want %d of %d", s.Failures, s.Sends,
						s.Latency.Count, s.Failing, tc.failures, tc.counted)
				}
				if len(s.Retried) != len(tc.retried) ||
					len(tc.retried) > 0 && !reflect.DeepEqual(s.Retried, tc.retried) {
					t.Errorf("retried %v, want %v", s.Retried, tc.retried)
				}
				if tc.failures == 0 && (s.LastError != "" || r.log.Len() > 0) {
					t.Errorf("told: %q, %s", s.LastError, r.log.String())
				}
				r.checkOnce(t, 3)
				r.checkLedger(t, 3)
			})
		})
	}
}

// What the output holds back was not sent, and so does not count for the rate limit: else it would take 50 s.
func TestPacedEventsAreNotRated(t *testing.T) {
	const events, size = 100, 974 + 15 + 11
	for name, answer := range map[string]func(n int) error{
		"whole": func(int) error {
			return &outputs.SendError{Reason: outputs.ReasonPaced, RetryAfter: time.Millisecond, Err: errTest}
		},
		"one by one": func(n int) error {
			se := &outputs.SendError{Reason: outputs.ReasonPaced, RetryAfter: time.Millisecond, Err: errTest}
			for i := range n {
				se.Failed = append(se.Failed, outputs.Failure{Index: i, Reason: outputs.ReasonPaced})
			}
			return se
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sends := 0
				begin, set := time.Now(),
					outputs.Common{Workers: 1, RateLimit: 10 * size, Batch: outputs.BatchConfig{MaxWait: time.Second}}
				r := start(t, set, func(_ context.Context, ns []int) error {
					if sends++; sends%5 > 0 {
						return answer(len(ns))
					}
					return nil
				}, outputtest.Chunk(1, "a", "t", events, 0, 974))
				for r.source.Events() > 0 {
					time.Sleep(10 * time.Millisecond)
				}
				if d := time.Since(begin); d < 8900*time.Millisecond || d > 30*time.Second {
					t.Errorf("100 events at 10 a second took %v", d)
				}
				r.stop()
			})
		})
	}
}

// preparing is an output that must be prepared.
type preparing struct {
	outputtest.Output
	prepare func(ctx context.Context) error
}

func (p *preparing) Prepare(ctx context.Context) error { return p.prepare(ctx) }

func TestPrepare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		out := &preparing{}
		out.prepare = func(ctx context.Context) error {
			switch calls.Add(1) {
			case 1:
				<-ctx.Done() // at its time-out
				return ctx.Err()
			case 2, 3:
				return &outputs.SendError{Reason: outputs.ReasonAuth, Err: errTest}
			}
			return nil
		}
		r := &rig{source: outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", 3, 0, 10)), letterStore: &letterStore{}}
		r.startWith(t, out, outputs.Common{
			Timeout: 7 * time.Second, Retry: outputs.RetryConfig{Initial: time.Millisecond},
		})
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := calls.Load(); n != 1 {
			t.Fatalf("%d calls at once", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := r.Stats(); s.Failing != string(outputs.ReasonAuth) || s.Sends != 0 || s.BackoffUntil.IsZero() ||
			!strings.HasPrefix(s.LastError, "prepare the destination: ") {
			t.Errorf("after two failures: %+v", s)
		}
		if len(out.Sends()) > 0 || r.source.Out() > 0 {
			t.Error("events were taken before the output was prepared")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := r.Stats(); calls.Load() != 4 || s.Failing != "" || s.LastErrorOver.IsZero() || len(out.Got()) != 3 {
			t.Errorf("after %d calls: %+v", calls.Load(), s)
		}
		r.stop()
		r.checkLedger(t, 3)
	})
}

func TestStopWhilePreparing(t *testing.T) {
	for name, prepare := range map[string]func(ctx context.Context) error{
		"in a call": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"between two": func(
			context.Context,
		) error {
			return &outputs.SendError{Reason: outputs.ReasonAuth, Err: errTest}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &rig{
					source: outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", 3, 0, 10)), letterStore: &letterStore{},
				}
				r.startWith(t, &preparing{prepare: prepare}, outputs.Common{})
				time.Sleep(time.Second)
				synctest.Wait()
				begin := time.Now()
				r.stop()
				if d := time.Since(begin); d > 0 {
					t.Errorf("took %v to end", d)
				}
				r.checkLedger(t, 3)
			})
		})
	}
}

// A refused login is told once an hour, as an error, with what to do.
func TestAuthIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, outputs.Common{}, func(context.Context, []int) error {
			return &outputs.SendError{Reason: outputs.ReasonAuth, Err: errors.New("401 Unauthorized")}
		}, outputtest.Chunk(1, "a", "t", 3, 0, 10))
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		r.stop()
		n := 0
		for line := range strings.Lines(r.log.String()) {
			if n++; !strings.Contains(line, `"level":"error"`) || !strings.Contains(line, "401") ||
				!strings.Contains(line, "set them right") {
				t.Errorf("logged: %s", line)
			}
		}
		if n != 10 {
			t.Errorf("%d lines in ten hours", n)
		}
	})
}
