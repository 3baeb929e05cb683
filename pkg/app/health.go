package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// lookEvery is how often it is looked whether the loops turn.
const lookEvery = time.Second

// beats returns what every loop is at: those of the listeners, the queue and the outputs. It waits for no disk.
func (a *App) beats() []heartbeat.Beat {
	all := a.queue.Beats()
	for _, l := range a.listeners.servers {
		all = append(all, l.Beat())
	}
	current, _ := a.outputs.loops()
	for _, out := range current {
		all = append(all, out.loop.Beat())
		if w, ok := out.Output.(outputs.DiskWriter); ok {
			all = append(all, writeBeat(out.name, w.WritesTo(), out.loop.Stats()))
		}
	}
	return all
}

// writeBeat is the beat of an output's writes to a disk: of the one that has been under way longest.
func writeBeat(output, path string, st stats.Stats) heartbeat.Beat {
	b := heartbeat.Beat{Loop: "output " + output + ": write"}
	if !st.Oldest.IsZero() {
		b.State = heartbeat.State{
			Doing: heartbeat.InDiskCall, What: fmt.Sprintf("a write of output %s to %s", output, path),
			Since: st.Oldest,
		}
	}
	return b
}

// healthy returns an error where only a restart helps: a loop hangs that waits for no disk.
func (a *App) healthy() error { return heartbeat.Stalled(a.beats(), time.Now()) }

// Healthy reports whether all loops turn; where one hangs that waits for no disk, only a restart helps. It is the
// answer of /healthz, for a supervisor that asks the process itself.
func (a *App) Healthy() bool { return a.healthy() == nil }

// readiness returns why agents should not be sent here, nil where they may be. It waits for no disk.
func (a *App) readiness() error {
	var why []error
	switch {
	case a.opts.Drain:
		why = append(why, errors.New("draining: nothing is accepted"))
	case !a.ready.Load():
		why = append(why, errors.New("starting or stopping"))
	}
	if err := a.queue.Ready(); err != nil {
		why = append(why, fmt.Errorf("nothing can be stored: %w", err))
	}
	return errors.Join(why...)
}

// watchLoops logs calls to disks that take long, until ctx ends.
func (a *App) watchLoops(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	w := heartbeat.Watcher{Log: a.opts.Log}
	for {
		select {
		case <-tick.C:
			w.Look(a.beats(), time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// loopStates returns the beats for the status.
func loopStates(beats []heartbeat.Beat, now time.Time) []status.Loop {
	all := make([]status.Loop, len(beats))
	for i := range beats {
		b := &beats[i]
		all[i] = status.Loop{Name: b.Loop, Doing: [...]string{"resting", "turning", "disk"}[b.Doing], What: b.What}
		if !b.Since.IsZero() {
			all[i].Seconds = max(0, now.Sub(b.Since).Seconds())
		}
	}
	return all
}
