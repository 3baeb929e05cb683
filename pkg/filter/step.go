// Package filter is what steps are that drop, change, join and make events between the queue and an output, and the
// conditions and expressions on events. Package rules below it runs them; each kind of step has a package, too.
package filter

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Verdict is what becomes of an event.
type Verdict uint8

// The verdicts.
const (
	// Keep: it goes on to the next step.
	Keep Verdict = iota
	// Drop: it is dropped, and counted.
	Drop
	// Dead: it becomes a dead letter, with Event.Detail as the reason's words.
	Dead
)

// Step decides on events and changes them, one at a time. Steps of one kind share nothing; one
// goroutine uses a Step at a time.
type Step interface {
	// Apply changes ev in place and says what becomes of it. After an error ev goes on as it was
	// before, for which Apply cares, and the error is counted.
	Apply(ev *Event) (Verdict, error)
}

// Joiner is what makes one event of several, or more events than it is given. It is used instead of
// a Step.
type Joiner interface {
	// Join takes ev. Events that go on are given to emit: ev itself, or others that it has held back
	// or made. To hold ev back it keeps ev.Clone(); every event that it was given must be emitted
	// sooner or later, or be absorbed by one that is (Event.Absorb). One that is emitted with a Detail
	// is Dead.
	Join(ev *Event, now time.Time, emit func(*Event)) error
	// Due returns when Flush must be called at the latest; zero: nothing is held back.
	Due() time.Time
	// Flush emits what is due at now, or everything.
	Flush(now time.Time, everything bool, emit func(*Event))
}

// Event is an event on its way through the steps. The embedded event's Record is what it came with;
// Get, Set and the other methods are how steps see and change it. One goroutine uses it at a time.
type Event struct {
	event.Event
	// Detail is why it is Dead.
	Detail string

	// Origins are the caller's marks of the stored events that this one stands for: the first is
	// its own (its id), others were absorbed. None: a step made it, such as a summary.
	Origins []any

	// fields are those of the record, in order; valid where read.
	fields []field
	// read says that fields stand for the record.
	read bool
	// looked says that the next look-up reads all fields: one is not the only one, or a change follows.
	looked bool
	// changed says that Record is older than fields.
	changed bool
	// memory is behind what was set, only appended to until Reset.
	memory []byte
	// rendered is behind Record once it was changed.
	rendered []byte
}

// ReadAhead has the next look-up read all fields: others follow.
func (e *Event) ReadAhead() { e.looked = true }
