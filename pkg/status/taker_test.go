package status

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestHangingSnapshot has what snapshots are taken from hang: pages, JSON and metrics answer with the last one and say
// how old it is, and the probes with what is true now.
func TestHangingSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var hanging atomic.Bool
		var taken atomic.Int32
		s := New(Options{
			Snapshot: func() Snapshot {
				taken.Add(1)
				if hanging.Load() {
					<-hang
				}
				return Snapshot{Version: "1", Started: time.Now()}
			},
			Ready: func() error {
				if hanging.Load() {
					return errors.New("a commit has waited for 12 s")
				}
				return nil
			},
			Healthy: func() error { return nil },
		})
		first := s.snapshot()
		s.samples.keep(&first)
		hanging.Store(true)
		for range 3 {
			began := time.Now()
			reply := get(s, "/status")
			if took := time.Since(began); took > takePatience {
				t.Errorf("it took %v", took)
			}
			var got Snapshot
			if err := json.Unmarshal(reply.Body.Bytes(), &struct {
				Version  *string   `json:"version"`
				Stale    *float64  `json:"stale_seconds"`
				NotReady *[]string `json:"not_ready"`
			}{&got.Version, &got.Stale, &got.NotReady}); err != nil {
				t.Fatal(err)
			}
			if reply.Code != http.StatusOK || got.Version != "1" || got.Stale < 1 || len(got.NotReady) != 1 {
				t.Errorf("%d, %+v", reply.Code, got)
			}
			time.Sleep(10 * time.Second)
		}
		if n := taken.Load(); n != 2 {
			t.Errorf("%d snapshots were begun: one that hangs is enough", n)
		}
		if reply := get(s, "/metrics"); reply.Code != http.StatusOK {
			t.Errorf("metrics: %d %s", reply.Code, reply.Body)
		}
		hanging.Store(false)
		close(hang)
		synctest.Wait()
		if now := s.snapshot(); now.Stale != 0 || !now.Ready {
			t.Errorf("afterwards: %+v", now)
		}
		s.taker.running.Wait()
	})
}
