package status

import (
	"sync"
	"time"
)

// takePatience is how long a snapshot may take before the last one has to do.
const takePatience = time.Second

// taker takes snapshots without waiting for one that hangs.
type taker struct {
	running sync.WaitGroup
	// patience is takePatience, but for tests in which time is no matter.
	patience time.Duration

	mu sync.Mutex
	// hanging counts calls that nobody waits for any more.
	hanging int
}

// take returns what snapshot does, unless that takes too long, or an earlier call still does: false.
func (t *taker) take(snapshot func() Snapshot) (Snapshot, bool) {
	t.mu.Lock()
	hanging := t.hanging > 0
	t.mu.Unlock()
	if hanging {
		return Snapshot{}, false
	}
	taken, left := make(chan Snapshot), make(chan struct{})
	t.running.Go(func() {
		s := snapshot()
		select {
		case taken <- s:
		case <-left:
			t.mu.Lock()
			t.hanging--
			t.mu.Unlock()
		}
	})
	patience := time.NewTimer(t.patience)
	defer patience.Stop()
	select {
	case s := <-taken:
		return s, true
	case <-patience.C:
		t.mu.Lock()
		t.hanging++
		t.mu.Unlock()
		close(left)
		return Snapshot{}, false
	}
}
