package client

import (
	"encoding/json"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/stepdiff"
)

// TailEvent is an event that a live view shows: a message of GET /tail, as server-sent events called "event".
type TailEvent struct {
	// At is TailArrival, or the output or route that is looked at.
	At string `json:"at"`
	// Pod is the host of the aggregator that the event was at, where several share a queue.
	Pod     string    `json:"pod,omitempty"`
	Time    time.Time `json:"time"`
	Cluster string    `json:"cluster"`
	// Tag is at an output as it is delivered.
	Tag string `json:"tag"`
	// Bytes is that of msgpack.
	Bytes int    `json:"bytes"`
	ID    string `json:"id,omitempty"`
	// Record is as it arrived, or after the filters of the routes to the output. Absent where it is not to be seen, and
	// where it is too large for a live view.
	Record json.RawMessage `json:"record,omitempty"`

	// Of an event on its way to an output: the route that took it there, routes[0], "" where that is not known, and
	// what its steps did with it, absent where they did so before anybody looked. The values of fields that changed are
	// not told to who may not see records as they arrive.
	Output string          `json:"output,omitempty"`
	Route  string          `json:"route,omitempty"`
	Steps  []stepdiff.Step `json:"steps,omitempty"`
	// Result is what becomes of it: one of the results.
	Result string `json:"result,omitempty"`
	// Joined is how many events it stands for, where it is more than one.
	Joined int `json:"joined,omitempty"`
	// Step is the one that dropped it, or made it a dead letter: "nginx[1] grep".
	Step string `json:"step,omitempty"`

	// Of one that was sent: where it went, and what the destination answered.
	Target string `json:"target,omitempty"`
	// Answer is "delivered", or the reason why it was not.
	Answer string `json:"answer,omitempty"`
	// Status is the destination's.
	Status int `json:"status,omitempty"`
	// Kind is that of the refusal, in the destination's terms.
	Kind   string `json:"kind,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Detail is the destination's own words, or a step's: for who may see records as they arrive.
	Detail string `json:"detail,omitempty"`
}

// Results of an event that is on its way to an output.
const (
	TailDelivered = "delivered"
	// TailRetry: it is sent again.
	TailRetry = "retry"
	// TailWaits: it waits aside, for its target.
	TailWaits = "waits"
	// TailDropped: by a step, or by on_reject.
	TailDropped = "dropped"
	// TailDeadLetter: it was refused for good.
	TailDeadLetter = "dead_letter"
	// TailJoined: it is a part of another event.
	TailJoined = "joined"
)

// TailArrival says in TailEvent.At that an event was received.
const TailArrival = "arrival"

// TailMissed says, as server-sent event called "missed", that events fitted and were not shown since the one before:
// there were more than the live view's bound, or it was not read fast enough.
type TailMissed struct {
	Events uint64 `json:"events"`
}

// TailPods says, as server-sent event called "pods", whose events are shown, where several aggregators share a queue.
// It comes at the beginning, and when that changes.
type TailPods struct {
	// Pods are ascending by host.
	Pods []TailPod `json:"pods"`
}

// TailPod is an aggregator that is asked for its events.
type TailPod struct {
	// Name is one that no other has or had.
	Name string `json:"name"`
	Host string `json:"host"`
	// State is TailLive, TailSilent or TailRefused.
	State string `json:"state"`
	// Why is the reason of TailRefused.
	Why string `json:"why,omitempty"`
}

// States of a TailPod.
const (
	// TailLive says that its events are shown.
	TailLive = "live"
	// TailSilent says that it does not answer: it is of an older version, or can't be reached.
	TailSilent = "silent"
	// TailRefused says that it can't show what is asked for.
	TailRefused = "refused"
)

// Bounds of a live view.
const (
	// TailRate is how many events a second, where nothing else is said. Aggregators that share a queue share it out.
	TailRate = 100
	// TailMaxRate is how many events a second at most.
	TailMaxRate = 1000
)
