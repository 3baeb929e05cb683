package delivery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// What a destination says may quote events: the log and what everybody sees have none of it, dead letters all.
func TestADestinationsWordsAreForDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := "a_type" + outputs.Words(": hunter2", "")
		r := start(t, outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxWait: time.Second}},
			func(_ context.Context, ns []int) error {
				if len(ns) > 1 {
					return &outputs.SendError{
						Reason: outputs.ReasonServer, Err: errors.New(text), Failed: []outputs.Failure{
							{Index: 0, Reason: outputs.ReasonRejected, Status: 400, Detail: text},
							{Index: 1, Reason: outputs.ReasonServer, Detail: text},
						},
					}
				}
				return &outputs.SendError{Reason: outputs.ReasonServer, Err: errors.New(text)}
			}, outputtest.Chunk(1, "a", "t", 2, 0, 10))
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := r.Stats(); !strings.HasSuffix(s.LastError, "a_type") ||
			!strings.HasSuffix(s.LastDetail, "a_type: hunter2") {
			t.Errorf("everybody sees %q, others %q", s.LastError, s.LastDetail)
		}
		r.stop()
		if log := r.log.String(); strings.Contains(log, "hunter2") || !strings.Contains(log, `"error":"`) ||
			!strings.Contains(log, `"detail":"a_type"`) {
			t.Errorf("the log says\n%s", log)
		}
		if letters := r.letterStore.letters; len(letters) != 1 || letters[0].Detail != "a_type: hunter2" {
			t.Errorf("dead letters: %+v", letters)
		}
	})
}
