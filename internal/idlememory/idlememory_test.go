package idlememory

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRelease gives memory back once for each time that nothing happens, and not before.
func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		busy := func(from, to time.Duration) bool {
			at := time.Since(began)
			return at >= from && at < to
		}
		n := uint64(1)
		var given []time.Duration
		go release(ctx, func() uint64 {
			if busy(0, 20*time.Second) || busy(60*time.Second, 70*time.Second) {
				n++
			}
			return n
		}, func() { given = append(given, time.Since(began)) })
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if len(given) != 2 || given[0] != 20*time.Second || given[1] != 70*time.Second {
			t.Errorf("memory was given back after %v", given)
		}
	})
}
