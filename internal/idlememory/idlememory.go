// Package idlememory gives memory back to the system while a program rests.
package idlememory

import (
	"context"
	"runtime/debug"
	"time"
)

// quietFor is how long nothing must happen before memory goes back to the system.
const quietFor = 5 * time.Second

// againAfter is after how many times quietFor memory goes back once more while the program rests: what little happens
// then, such as samples for the status page, takes some again, pages of the program's file above all.
const againAfter = 6

// Release gives memory back to the system until ctx ends: at once what the start has left behind, so that load does not
// come on top of it, and what a burst has once the program rests. It rests while activity, a number that grows as long
// as anything happens, stays the same. The runtime would collect every two minutes then, and give back more slowly.
func Release(ctx context.Context, activity func() uint64) {
	release(ctx, activity, func() {
		debug.FreeOSMemory()
		// A saving, no more.
		_ = releaseFilePages()
	})
}

// release calls giveBack at once, when the program begins to rest, and now and then while it does.
func release(ctx context.Context, activity func() uint64, giveBack func()) {
	giveBack()
	tick := time.NewTicker(quietFor)
	defer tick.Stop()
	var before uint64
	rests := 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := activity()
		if now != before {
			before, rests = now, 0
			continue
		}
		if rests%againAfter == 0 {
			giveBack()
		}
		rests++
	}
}
