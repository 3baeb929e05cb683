package heartbeat

import (
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// Beat is the state of a loop that has a name.
type Beat struct {
	Loop string // such as "committer" or "output es"
	State
}

// Stalled returns an error that names every loop which has not come round for StallsAfter and is in no call to a disk;
// nil: none. Only a restart helps those.
func Stalled(beats []Beat, now time.Time) error {
	var all []error
	for _, b := range beats {
		if age := now.Sub(b.Since); b.Doing == Turning && age >= StallsAfter {
			all = append(all, fmt.Errorf("the loop %q has not turned for %s", b.Loop, seconds(age)))
		}
	}
	return errors.Join(all...)
}

// Slow returns an error where the loop has been in a call to a disk for SlowAfter; nil: it has not.
func (b *Beat) Slow(now time.Time) error {
	if age := now.Sub(b.Since); b.Doing == InDiskCall && age >= SlowAfter {
		return fmt.Errorf("%s has waited for %s", b.What, seconds(age))
	}
	return nil
}

// seconds writes an age as people say it.
func seconds(age time.Duration) string { return fmt.Sprintf("%d s", int64(age.Seconds())) }

// Watcher logs calls to a disk that take long: one line when that shows, one when the call has ended.
type Watcher struct {
	Log zerolog.Logger
	// noted is by loop, while its call is slow.
	noted map[string]State
}

// Look looks at all loops, about once a second.
func (w *Watcher) Look(beats []Beat, now time.Time) {
	if w.noted == nil {
		w.noted = map[string]State{}
	}
	there := map[string]bool{}
	for i := range beats {
		b := &beats[i]
		there[b.Loop] = true
		was, noted := w.noted[b.Loop]
		if noted && was != b.State {
			w.ended(b.Loop, was, now)
			noted = false
		}
		if err := b.Slow(now); err != nil && !noted {
			w.noted[b.Loop] = b.State
			w.Log.Error().Str("loop", b.Loop).
				Msg(err.Error() + ": the disk does not answer; look at the volume, and at the kernel's log")
		}
	}
	for loop, was := range w.noted {
		if !there[loop] {
			w.ended(loop, was, now)
		}
	}
}

func (w *Watcher) ended(loop string, was State, now time.Time) {
	delete(w.noted, loop)
	w.Log.Warn().Str("loop", loop).Msgf("%s has ended, after %s", was.What, seconds(now.Sub(was.Since)))
}
