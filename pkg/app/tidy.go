package app

import (
	"context"
	"runtime/debug"
	"time"
)

// quietFor is how long nothing must happen before memory goes back to the system.
const quietFor = 5 * time.Second

// tidy gives memory that a burst or the start has left behind back to the system once the program rests, until ctx ends.
// The runtime would collect every two minutes then and give back more slowly still.
func (a *App) tidy(ctx context.Context) {
	tick := time.NewTicker(quietFor)
	defer tick.Stop()
	var before uint64
	tidied := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := a.activity()
		if now != before {
			before, tidied = now, false
			continue
		}
		if !tidied {
			debug.FreeOSMemory()
			_ = releaseFilePages() // a saving, no more
			tidied = true
		}
	}
}

// activity is a number that grows as long as anything happens.
func (a *App) activity() (n uint64) {
	for _, l := range a.listeners {
		n += l.Activity()
	}
	current, _ := a.loops()
	for _, out := range current {
		n += out.loop.Stats().Sends
	}
	return n
}
