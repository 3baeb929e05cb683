package pressure

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// ProbeWait is how long the server may wait for a target that was slow before, so that a few of them don't keep all
// workers busy.
const ProbeWait = 5 * time.Second

// maxSlow is how many targets are known to be slow at most.
const maxSlow = 1000

// SlowTargets are the indices and data streams that made a request wait: their events are sent apart from others'. One
// whose own request was as slow is tried by one request at a time, of all such targets; one that was only among
// several of a request that took too long is tried at once. Safe for concurrent use.
type SlowTargets struct {
	// max is the longest time between two tries.
	max time.Duration
	now func() time.Time

	// n is the size of all, so that nobody waits for mu while there is none.
	n  atomic.Int32
	mu sync.Mutex
	// all is bounded by maxSlow: what finds no room is sent among others.
	all map[string]*slowTarget
	// tries says that a target with fails is being tried.
	tries bool
}

// NewSlowTargets returns targets of which none is slow yet; one that is will be tried again after most at the latest.
func NewSlowTargets(most time.Duration, now func() time.Time) *SlowTargets {
	return &SlowTargets{max: most, now: now, all: map[string]*slowTarget{}}
}

// slowTarget is one of them.
type slowTarget struct {
	// fails is how many requests for it alone were slow, in a row.
	fails int
	due   time.Time
	// busy says that it is being tried.
	busy bool
	last outputs.Failure
}

// Suspect notes that a request for the targets took too long.
func (s *SlowTargets) Suspect(names []string, last outputs.Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.all[name] == nil && len(s.all) < maxSlow {
			s.all[name] = &slowTarget{last: last}
		}
	}
	s.n.Store(int32(len(s.all)))
}

// Slow notes that a request with one event or more for the target took so long because of it.
func (s *SlowTargets) Slow(name string, last outputs.Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.all[name]
	if t == nil {
		if len(s.all) >= maxSlow {
			return
		}
		t = &slowTarget{}
		s.all[name] = t
	}
	t.last = last
	t.fails++
	wait := min(time.Second<<min(t.fails-1, 10), s.max)
	t.due = s.now().Add(wait/2 + rand.N(wait/2+1))
	s.n.Store(int32(len(s.all)))
}

// Works notes that the target answered in time.
func (s *SlowTargets) Works(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, name)
	s.n.Store(int32(len(s.all)))
}

// Some reports whether there are any.
func (s *SlowTargets) Some() bool { return s.n.Load() > 0 }

// Has reports whether the target is slow.
func (s *SlowTargets) Has(name string) bool {
	if s.n.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[name] != nil
}

// Held returns why events for the target are not sent now, and how long to wait.
func (s *SlowTargets) Held(name string) (last outputs.Failure, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.all[name]
	if t == nil {
		return outputs.Failure{Reason: outputs.ReasonServer}, 0
	}
	return t.last, t.due.Sub(s.now())
}

// Begin reports whether the target may be tried now, for how long the server may wait for it at most, and has others
// wait until End.
func (s *SlowTargets) Begin(name string) (most time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.all[name]
	if t == nil || t.busy || s.now().Before(t.due) || t.fails > 0 && s.tries {
		return 0, false
	}
	t.busy = true
	if t.fails == 0 {
		return 0, true
	}
	s.tries = true
	return ProbeWait, true
}

// End ends what Begin began.
func (s *SlowTargets) End(name string, most time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most > 0 {
		s.tries = false
	}
	if t := s.all[name]; t != nil {
		t.busy = false
	}
}

// TryNow ends all waits.
func (s *SlowTargets) TryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.all {
		t.due = time.Time{}
	}
}
