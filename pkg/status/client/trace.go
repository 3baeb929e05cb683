package client

import (
	"errors"
	"time"
)

// Trace says where an event is: GET /trace?id=ID, and the command trace.
type Trace struct {
	ID string `json:"id"`
	// Places are none where it is not known here.
	Places []TracePlace `json:"places"`
	// Unread says that the queue or the dead letters could not be looked through to the end, "" where they were.
	Unread string `json:"unread,omitempty"`
}

// TracePlace is a place where an event is, or was.
type TracePlace struct {
	// State is one of those below.
	State string `json:"state"`
	// Output is whose; "": it was refused before any output.
	Output string `json:"output,omitempty"`
	// Target is for which it waits aside.
	Target  string `json:"target,omitempty"`
	Cluster string `json:"cluster"`
	Tag     string `json:"tag"`
	// Time is when it was stored, became a dead letter or was settled.
	Time   time.Time `json:"time"`
	Letter uint64    `json:"letter,omitempty"`
	// Reason is that of the dead letter.
	Reason string `json:"reason,omitempty"`
}

// States of an event.
const (
	// TracePending: it waits for its output, or is under way.
	TracePending = "pending"
	// TraceWaiting: it waits aside until its target takes events again.
	TraceWaiting = "waiting"
	// TraceDead: it is a dead letter.
	TraceDead = "dead"
	// TraceSettled: its output is done with it: it was delivered or dropped, or became a dead letter.
	TraceSettled = "settled"
)

// ErrTraceRequest is wrapped where what was asked for is no event's id.
var ErrTraceRequest = errors.New("")
