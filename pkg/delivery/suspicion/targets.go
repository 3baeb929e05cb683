package suspicion

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Alike is how many different events of a target must be refused alike, with none accepted, for that to be its
	// state.
	Alike = 50
	// Settling is how long that takes at least, and how long an event is held whose refusal nobody knows.
	Settling   = 5 * time.Minute
	maxTargets = 1000
)

// About is what a refusal is about that no table knows.
type About int

// What refusals are about.
const (
	// Content is the event.
	Content About = iota
	// Undecided is to be tried again.
	Undecided
	// State is the target: none of its events is to be given up.
	State
)

// Targets tells refusals of single events, of which no table says what they are about, by what becomes of others for
// the same target: where it takes others, it is the event. Safe for concurrent use.
type Targets struct {
	// busy says that all is not empty.
	busy atomic.Bool
	mu   sync.Mutex
	all  map[string]*refused
	// took is when a target that had refused events accepted others.
	took map[string]time.Time
}

// refused is a target's refusals since it last accepted anything.
type refused struct {
	// kind is that of the last one; others are forgotten.
	kind  string
	first time.Time
	last  time.Time
	// events are different ones, up to Alike.
	events map[uint64]struct{}
	state  bool
}

// NewTargets returns Targets that know nothing.
func NewTargets() *Targets { return &Targets{all: map[string]*refused{}, took: map[string]time.Time{}} }

// Watching reports whether Accepted is of use now.
func (t *Targets) Watching() bool { return t.busy.Load() }

// Accepted notes that the target took an event.
func (t *Targets) Accepted(target string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all[target] == nil {
		return
	}
	delete(t.all, target)
	if len(t.took) >= maxTargets {
		// Then some are held for longer.
		clear(t.took)
	}
	t.took[target] = now
	t.busy.Store(len(t.all) > 0)
}

// Refused says what the refusal of an event is about: its kind tells whether it is like others; event tells it from
// others; held is since when it was refused so. accepted says that the target took others with it.
func (t *Targets) Refused(target, kind string, event uint64, held time.Time, accepted bool, now time.Time) About {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.all[target]
	if took, ok := t.took[target]; accepted || known == nil && ok && !held.IsZero() && held.Before(took) {
		// It has accepted others, now or since.
		return Content
	}
	if known == nil || known.kind != kind {
		known = t.watch(target, kind, now)
	}
	known.last = now
	if len(known.events) < Alike {
		known.events[event] = struct{}{}
	}
	known.state = known.state || len(known.events) >= Alike && now.Sub(known.first) >= Settling
	switch {
	case known.state:
		return State
	case len(known.events) < Alike && !held.IsZero() && now.Sub(held) >= Settling && now.Sub(known.first) >= Settling:
		return Content
	default:
		return Undecided
	}
}

// watch begins to look at the refusals of a target. t.mu is held.
func (t *Targets) watch(target, kind string, now time.Time) *refused {
	if len(t.all) >= maxTargets {
		oldest := ""
		for other, known := range t.all {
			if oldest == "" || known.last.Before(t.all[oldest].last) {
				oldest = other
			}
		}
		delete(t.all, oldest)
	}
	t.all[target] = &refused{kind: kind, first: now, events: map[uint64]struct{}{}}
	t.busy.Store(true)
	return t.all[target]
}
