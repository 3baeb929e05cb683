package pacing

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

func TestBackoffIsWithinItsBounds(t *testing.T) {
	set := outputs.RetryConfig{Initial: time.Second, Max: time.Minute}
	for _, tc := range []struct {
		name        string
		n           int
		reason      outputs.Reason
		wish        time.Duration
		least, most time.Duration
	}{
		{"first", 1, outputs.ReasonServer, 0, 0, time.Second},
		{"doubles", 3, outputs.ReasonServer, 0, 0, 4 * time.Second},
		{"up to max", 7, outputs.ReasonServer, 0, 0, time.Minute},
		{"also after very many", 1000, outputs.ReasonServer, 0, 0, time.Minute},
		{"a wish is the least", 1, outputs.ReasonThrottled, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		{"but not above max", 1, outputs.ReasonThrottled, time.Hour, time.Minute, time.Minute},
		{"a refused login is tried slowly", 1, outputs.ReasonAuth, 0, authWait, authWait},
	} {
		for range 100 {
			if d := Backoff(set, tc.n, tc.reason, tc.wish); d < tc.least || d > tc.most {
				t.Errorf("%s: %v, want %v to %v", tc.name, d, tc.least, tc.most)
			}
		}
	}
}

func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Pacer{Rate: 100}
		for i, want := range []time.Duration{0, time.Second, 2 * time.Second} {
			if d := p.Reserve(100); d != want {
				t.Errorf("%d: %v, want %v", i, d, want)
			}
		}
		if p.Refund(100); p.Reserve(1) != 2*time.Second {
			t.Error("what was not sent is not given back")
		}
		time.Sleep(time.Hour)
		if p.Reserve(1) != 0 {
			t.Error("what was left unused is not over")
		}
		if free := (&Pacer{}); free.Reserve(1<<40) != 0 || free.Reserve(1) != 0 {
			t.Error("without a rate it waits")
		}
	})
}

func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewControl(10 * time.Second)
		drain, stop := context.WithCancel(t.Context())
		c.Drain, c.Force = drain, t.Context()
		began := time.Now()
		if !c.RetryWait(drain, time.Minute) || time.Since(began) != time.Minute {
			t.Error("a wait is as long as it is")
		}
		go func() { time.Sleep(time.Second); c.Retry() }()
		if began = time.Now(); !c.RetryWait(drain, time.Minute) || time.Since(began) != time.Second {
			t.Error("a retry ends it")
		}
		c.Pause()
		go func() { time.Sleep(time.Second); c.Resume() }()
		began = time.Now()
		if !c.PausedSince().Equal(began) || !c.Unpaused(drain) || time.Since(began) != time.Second ||
			!c.PausedSince().IsZero() {
			t.Error("a pause ends with resume")
		}
		c.Pause()
		stop()
		if c.Unpaused(drain) || c.RetryWait(drain, 0) {
			t.Error("nothing goes on after the end")
		}
		if began = time.Now(); !c.Rest(5*time.Second, Wait) || time.Since(began) != 5*time.Second {
			t.Error("what is over within the grace may end")
		}
		if began = time.Now(); c.Rest(time.Minute, Wait) || time.Since(began) != 0 {
			t.Error("what is not ends at once")
		}
	})
}
