package forward

import (
	"sync"
	"time"
)

// goneAfter is how long messages wait for room in the queue, or to be read while their cluster is over its rate, before
// it matters whether their client is still there. One that only closed its sending side has that long to get its acks.
const goneAfter = 5 * time.Second

// departure notices that a client has closed its connection while what it sent waits to be stored for long. Its timer
// goes on over many commits: one is armed once in a while, not for each of them.
type departure struct {
	// gone looks at the connection, and is safe for concurrent use.
	gone func() bool
	// leave is called once gone has said so.
	leave func()

	mu sync.Mutex
	// since is when the commit in hand began; zero: there is none.
	since time.Time
	// timer may be nil: none was ever needed.
	timer *time.Timer
	armed bool
	ended bool
}

// begin tells that a commit begins.
func (d *departure) begin(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = now
	switch {
	case d.armed || d.ended:
		return
	case d.timer == nil:
		d.timer = time.AfterFunc(goneAfter, d.look)
	default:
		d.timer.Reset(goneAfter)
	}
	d.armed = true
}

// done tells that the commit has ended.
func (d *departure) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = time.Time{}
}

// end ends the watch, with the connection.
func (d *departure) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended = true; d.timer != nil {
		d.timer.Stop()
	}
}

// look is what the timer does.
func (d *departure) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed = false
	if d.ended || d.since.IsZero() {
		// The next commit arms it.
		return
	}
	wait := goneAfter
	if left := goneAfter - time.Since(d.since); left > 0 {
		// That commit has not taken long yet.
		wait = left
	} else if d.gone() {
		d.leave()
		return
	}
	d.timer.Reset(wait)
	d.armed = true
}
