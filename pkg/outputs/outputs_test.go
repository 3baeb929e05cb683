package outputs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

func TestOr(t *testing.T) {
	c := outputs.Common{Workers: 7, Batch: outputs.BatchConfig{MaxWait: time.Minute}}
	got := c.Or(outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxBytes: 4 << 20}}).Or(outputs.Defaults())
	if got.Workers != 7 ||
		got.Batch != (outputs.BatchConfig{MaxBytes: 4 << 20, MaxEvents: 50_000, MaxWait: time.Minute}) ||
		got.Retry.Max != time.Minute || got.Timeout != time.Minute || got.OnReject != outputs.OnRejectDeadLetter {
		t.Errorf("got %+v", got)
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		set  outputs.Common
		keys []string
	}{
		{outputs.Common{}, nil},
		{outputs.Defaults(), nil},
		{
			outputs.Common{Workers: -1, Retry: outputs.RetryConfig{MaxAge: -1}, Timeout: -1},
			[]string{"workers", "retry.max_age", "timeout"},
		},
		{outputs.Common{Workers: 100_000}, []string{"workers"}},
	} {
		var r setting.Report
		tc.set.Check(&r)
		var keys []string
		for _, p := range r.Problems {
			keys = append(keys, p.Key)
		}
		if fmt.Sprint(keys) != fmt.Sprint(tc.keys) {
			t.Errorf("%+v: problems with %v, want %v", tc.set, keys, tc.keys)
		}
	}
}

func TestAsSendError(t *testing.T) {
	cause := errors.New("connection reset")
	if se := outputs.AsSendError(cause); se.Reason != outputs.ReasonNetwork || !errors.Is(se, cause) ||
		len(se.Failed) != 0 {
		t.Errorf("plain error: %+v", se)
	}
	want := &outputs.SendError{Reason: outputs.ReasonThrottled, Err: cause}
	if se := outputs.AsSendError(fmt.Errorf("bulk: %w", want)); se != want {
		t.Errorf("wrapped: %+v", se)
	}
}
