package app

import (
	"context"
	"runtime/debug"
	"time"
)

// quietFor is how long nothing must happen before memory goes back to the system.
const quietFor = 5 * time.Second

// releaseIdleMemory gives memory that a burst or the start has left behind back to the system once the program rests, until ctx ends.
// The runtime would collect every two minutes then and give back more slowly still.
func (a *App) releaseIdleMemory(ctx context.Context) {
	tick := time.NewTicker(quietFor)
	defer tick.Stop()
	var before uint64
	released := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := a.listeners.activity() + a.outputs.sends()
		if now != before {
			before, released = now, false
			continue
		}
		if !released {
			debug.FreeOSMemory()
			_ = releaseFilePages() // a saving, no more
			released = true
		}
	}
}
