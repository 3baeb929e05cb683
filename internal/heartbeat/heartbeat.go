// Package heartbeat lets loops tell that they turn, and what keeps them where they do not: whoever looks at a program
// from outside can't tell a loop that waits for a disk from one that will never turn again.
package heartbeat

import (
	"sync/atomic"
	"time"
)

// Doing is what a loop is at.
type Doing int

// A loop is at one of these.
const (
	// Resting loops wait for work, or until they may go on, for as long as that takes.
	Resting Doing = iota
	// Turning loops work, and come round within StallsAfter.
	Turning
	// InDiskCall loops wait for a disk to answer, for as long as that takes.
	InDiskCall
)

const (
	// StallsAfter is how long a turn may take: a loop that needs longer hangs.
	StallsAfter = time.Minute
	// SlowAfter is how long a call to a disk may take before it is told.
	SlowAfter = 10 * time.Second
)

// Loop is what one goroutine tells of itself. The zero value rests. Turn, Rest and Disk are called by that goroutine,
// State by any.
type Loop struct{ state atomic.Pointer[State] }

// State is what a loop is at.
type State struct {
	Doing Doing
	What  string // the call to the disk, such as "a commit to /var/lib/aggregator"; "" where it is in none
	// Since may be zero where it rests.
	Since time.Time
}

// Turn tells that a turn begins.
func (l *Loop) Turn() { l.state.Store(&State{Doing: Turning, Since: time.Now()}) }

// Rest tells that the loop waits, for something that may take any time.
func (l *Loop) Rest() { l.state.Store(nil) }

// Disk tells that the loop calls a disk; Turn or Rest tells that this is over. what names the call with an article and
// the place, for a sentence that goes on with "has waited for 12 s".
func (l *Loop) Disk(what string) {
	l.state.Store(&State{Doing: InDiskCall, What: what, Since: time.Now()})
}

// State returns what the loop is at.
func (l *Loop) State() State {
	if s := l.state.Load(); s != nil {
		return *s
	}
	return State{}
}
