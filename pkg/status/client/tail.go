package client

import (
	"encoding/json"
	"time"
)

// TailEvent is an event that a live view shows: a message of GET /tail, as server-sent events called "event".
type TailEvent struct {
	At      string    `json:"at"` // TailArrival, or the output that it was sent to
	Time    time.Time `json:"time"`
	Cluster string    `json:"cluster"`
	Tag     string    `json:"tag"`   // at an output as it is delivered
	Bytes   int       `json:"bytes"` // of msgpack
	ID      string    `json:"id,omitempty"`
	// Record is as it arrived, or after the filters of the routes to the output. Absent where it is not to be seen, and
	// where it is too large for a live view.
	Record json.RawMessage `json:"record,omitempty"`

	// Of an event that was sent to an output: where it went, and what the destination answered.
	Target string `json:"target,omitempty"`
	Answer string `json:"answer,omitempty"` // "delivered", or the reason why it was not
	Status int    `json:"status,omitempty"` // the destination's
	Kind   string `json:"kind,omitempty"`   // of the refusal, in the destination's terms
	Remedy string `json:"remedy,omitempty"`
}

// TailArrival says in TailEvent.At that an event was received.
const TailArrival = "arrival"

// TailMissed says, as server-sent event called "missed", that events fitted and were not shown since the one before:
// there were more than the live view's bound, or it was not read fast enough.
type TailMissed struct {
	Events uint64 `json:"events"`
}

// Bounds of a live view.
const (
	TailRate    = 100  // events a second, where nothing else is said
	TailMaxRate = 1000 // events a second at most
)
