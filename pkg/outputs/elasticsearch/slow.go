package elasticsearch

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	maxSlow = 1000 // targets that are known to be slow
	// probeWait is how long the server may wait for a target that was slow before, so that a few of them don't keep
	// all workers busy.
	probeWait = 5 * time.Second
)

// slowTargets are the indices and data streams that made a request wait: their events are sent apart from others'. One
// whose own request was as slow is tried by one request at a time, of all such targets; one that was only among
// several of a request that took too long is tried at once. Safe for concurrent use.
type slowTargets struct {
	max time.Duration // between two tries
	now func() time.Time

	n  atomic.Int32 // of all; so that nobody asks while there is none
	mu sync.Mutex
	// all is bounded by maxSlow: what finds no room is sent among others.
	all   map[string]*slowTarget
	tries bool // a target with fails is being tried
}

// slowTarget is one of them.
type slowTarget struct {
	fails int // requests for it alone that were slow, in a row
	due   time.Time
	busy  bool // it is being tried
	last  outputs.Failure
}

// suspect notes that a request for the targets took too long.
func (s *slowTargets) suspect(names []string, last outputs.Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.all[name] == nil && len(s.all) < maxSlow {
			s.all[name] = &slowTarget{last: last}
		}
	}
	s.n.Store(int32(len(s.all)))
}

// slow notes that a request with one event or more for the target took so long because of it.
func (s *slowTargets) slow(name string, last outputs.Failure) {
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

// works notes that the target answered in time.
func (s *slowTargets) works(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, name)
	s.n.Store(int32(len(s.all)))
}

// has reports whether the target is slow.
func (s *slowTargets) has(name string) bool {
	if s.n.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[name] != nil
}

// held returns why events for the target are not sent now, and how long to wait.
func (s *slowTargets) held(name string) (last outputs.Failure, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.all[name]
	if t == nil {
		return outputs.Failure{Reason: outputs.ReasonServer}, 0
	}
	return t.last, t.due.Sub(s.now())
}

// begin reports whether the target may be tried now, for how long the server may wait for it at most, and has others
// wait until end.
func (s *slowTargets) begin(name string) (most time.Duration, ok bool) {
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
	return probeWait, true
}

// end ends what begin began.
func (s *slowTargets) end(name string, most time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most > 0 {
		s.tries = false
	}
	if t := s.all[name]; t != nil {
		t.busy = false
	}
}

// tryNow ends all waits.
func (s *slowTargets) tryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.all {
		t.due = time.Time{}
	}
}
