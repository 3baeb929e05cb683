package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// A destination that was away and is back, and goes on refusing one event, takes events: the output does not fail any
// more, and the log says so, for each reason that is not final.
func TestAnOutputThatDeliversDoesNotFail(t *testing.T) {
	for _, reason := range []outputs.Reason{
		outputs.ReasonThrottled, outputs.ReasonServer, outputs.ReasonNetwork, outputs.ReasonAuth,
	} {
		t.Run(string(reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var away atomic.Bool
				away.Store(true)
				r := start(t, outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxWait: time.Second}},
					func(_ context.Context, ns []int) error {
						if away.Load() {
							return whole(reason)
						}
						if i := slices.Index(ns, 0); i >= 0 {
							return partly(outputs.Failure{Index: i, Reason: reason})
						}
						return nil
					}, outputtest.Chunk(1, "a", "t", 5, 0, 10))
				began := time.Now()
				time.Sleep(time.Minute)
				synctest.Wait()
				if s := r.Stats(); s.Failing != string(reason) || s.FailingSince.Sub(began) > 2*time.Second ||
					!s.LastErrorOver.IsZero() || s.LastError == "" {
					t.Errorf("while the destination is away: %+v", s)
				}
				away.Store(false)
				for i := range 300 {
					r.source.Put(outputtest.Chunk(uint64(2+i), "a", "t", 1, 5+i, 10))
					time.Sleep(time.Second)
					synctest.Wait()
					if s := r.Stats(); i > 70 && (s.Failing != "" || !s.FailingSince.IsZero()) {
						t.Fatalf("after %d s it fails for %s, though it delivers", i, s.Failing)
					}
				}
				r.stop()
				if log := r.log.String(); strings.Count(log, "delivers again") != 1 {
					t.Errorf("the log does not say that it delivers again:\n%s", log)
				}
			})
		})
	}
}

// An error of the destination is past with the next event that gets through, one of a single event when that is
// settled.
func TestErrorsEnd(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer func(try int) error
	}{
		{"of all", func(try int) error {
			if try < 4 {
				return whole(outputs.ReasonNetwork)
			}
			return nil
		}},
		{"of one that is sent again", func(try int) error {
			if try < 4 {
				return partly(outputs.Failure{Index: 0, Reason: outputs.ReasonServer})
			}
			return nil
		}},
		{"of one that is refused for good", func(try int) error {
			if try == 1 {
				return partly(outputs.Failure{Index: 0, Reason: outputs.ReasonRejected})
			}
			return nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				try := 0
				r := start(t, outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxWait: time.Second}},
					func(context.Context, []int) error {
						try++
						return tc.answer(try)
					}, outputtest.Chunk(1, "a", "t", 2, 0, 10))
				time.Sleep(time.Hour)
				synctest.Wait()
				if s := r.Stats(); s.LastError == "" || s.LastErrorOver.IsZero() ||
					s.LastErrorOver.Before(s.LastErrorAt) || s.Failing != "" {
					t.Errorf("%+v", s)
				}
				r.stop()
			})
		})
	}
}

// An output that has given its events up fails for nothing: none waits.
func TestGivenUpIsNotFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := outputs.Common{
			Workers: 1, Batch: outputs.BatchConfig{MaxWait: time.Second}, Retry: outputs.RetryConfig{MaxAttempts: 3},
		}
		r := start(t, set, func(context.Context, []int) error { return whole(outputs.ReasonServer) },
			outputtest.Chunk(1, "a", "t", 2, 0, 10))
		time.Sleep(time.Hour)
		synctest.Wait()
		if s := r.Stats(); s.Failing != "" || r.source.Events() != 0 {
			t.Errorf("%+v", s)
		}
		r.stop()
	})
}

// Each kind of error has a line an hour, whatever numbers, fields and values stand in it.
func TestOneLineForEachKindOfErrorAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := start(t, outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxWait: time.Millisecond}}, func(
			context.Context, []int,
		) error {
			n++
			switch n % 4 {
			case 0:
				return &outputs.SendError{
					Reason: outputs.ReasonNetwork, Err: fmt.Errorf("https://es-%d:9200: the connection was refused", n),
				}
			case 1:
				return &outputs.SendError{
					Reason: outputs.ReasonNetwork,
					Err:    errors.New("its certificate is signed by \"x\", which is not trusted"),
				}
			case 2:
				return partly(outputs.Failure{
					Index: 0, Reason: outputs.ReasonRejected, Status: 400,
					Detail: fmt.Sprintf("failed to parse field [f%d] in document '%d'", n, n),
				})
			}
			return partly(outputs.Failure{
				Index: 0, Reason: outputs.ReasonRejected, Status: 400, Detail: "strict_dynamic_mapping_exception",
			})
		})
		for i := range 130 {
			r.source.Put(outputtest.Chunk(uint64(i), "a", "t", 1, i, 10))
			time.Sleep(time.Minute)
		}
		r.stop()
		log := r.log.String()
		for _, words := range []string{"was refused", "not trusted", "failed to parse", "strict_dynamic"} {
			if n := strings.Count(log, words); n != 3 {
				t.Errorf("%q is logged %d times in two hours and a bit, want 3", words, n)
			}
		}
	})
}
