package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// shakyGroup is a shared queue whose figures are those of its servers from some moment on.
type shakyGroup struct {
	buffer.Queue
	buffer.Group

	agrees time.Time
}

func (g *shakyGroup) Audit() buffer.Audit { return buffer.Audit{Agrees: !time.Now().Before(g.agrees)} }

// TestAgreed holds how long figures of a shared queue are waited for, and that those of one's own are not.
func TestAgreed(t *testing.T) {
	for name, tc := range map[string]struct {
		after, cancel time.Duration
		want          bool
		took          time.Duration
	}{
		"they fit":                   {0, time.Hour, true, 0},
		"a killed one's last words":  {4 * time.Second, time.Hour, true, 4 * time.Second},
		"others go on":               {time.Hour, time.Hour, false, agreeWithin},
		"whoever asks has no time":   {time.Hour, time.Second, false, time.Second},
		"just before it is given up": {agreeWithin - drainLook, time.Hour, true, agreeWithin - drainLook},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tc.cancel)
				defer cancel()
				began := time.Now()
				if got := agreed(ctx, &shakyGroup{agrees: began.Add(tc.after)}); got != tc.want {
					t.Errorf("agreed: %t", got)
				}
				if took := time.Since(began); took != tc.took {
					t.Errorf("after %v, want %v", took, tc.took)
				}
			})
		})
	}
	alone := struct{ buffer.Queue }{}
	if !agreed(t.Context(), alone) {
		t.Error("a queue of one's own is waited for")
	}
}

// TestDeliverable holds when a drain is done: nothing waits for an output that is configured, and a shared queue
// has servers that say so too.
func TestDeliverable(t *testing.T) {
	waits := func(configured bool, chunks int64) []buffer.Wait {
		return []buffer.Wait{{Output: "es", Configured: configured, Pending: buffer.Count{Chunks: chunks}}}
	}
	for name, tc := range map[string]struct {
		waits []buffer.Wait
		group bool
		after time.Duration
		want  bool
	}{
		"nothing":                                 {nil, false, 0, false},
		"a chunk":                                 {waits(true, 1), false, 0, true},
		"of an output that is not configured":     {waits(false, 1), false, 0, false},
		"delivered":                               {waits(true, 0), false, 0, false},
		"shared, and the servers say the same":    {waits(true, 0), true, 0, false},
		"shared, and the servers have more":       {waits(true, 0), true, time.Hour, true},
		"shared, with something that all know of": {waits(true, 1), true, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := &App{queue: engine{Queue: countedQueue{waits: tc.waits}}, shared: &shared{}}
			if tc.group {
				a.shared.group = &shakyGroup{agrees: time.Now().Add(tc.after)}
			}
			if got := a.deliverable(); got != tc.want {
				t.Errorf("deliverable: %t", got)
			}
		})
	}
}

// countedQueue tells what waits.
type countedQueue struct {
	buffer.Queue
	waits []buffer.Wait
}

func (q countedQueue) Stats() buffer.Stats { return buffer.Stats{Waits: q.waits} }

func (q countedQueue) Ready() error { return nil }
