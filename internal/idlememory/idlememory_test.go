package idlememory

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestRelease gives memory back at the start, when nothing happens any more, not before, and again while it stays so.
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
		var want []time.Duration
		for _, seconds := range []int{0, 20, 50, 70, 100, 130, 160, 190, 220, 250, 280} {
			want = append(want, time.Duration(seconds)*time.Second)
		}
		if !slices.Equal(given, want) {
			t.Errorf("memory was given back after %v, want %v", given, want)
		}
	})
}
