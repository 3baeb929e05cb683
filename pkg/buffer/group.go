package buffer

import (
	"context"
	"time"
)

// Group is the processes that share one replicated queue. An engine that has one implements it beside Queue. Safe for
// concurrent use.
type Group interface {
	// Self returns this process's own name, which no other one has or had.
	Self() string
	// Share replaces what the others see of this process, within a few seconds: see Peer.State. It is kept, not copied.
	Share(state []byte)
	// Peers returns all processes of the group, this one among them, sorted by name, those that ended for as long as
	// they are remembered. It waits for no network.
	Peers() []Peer
	// Ask sends a request to all others that are alive, and returns what those answer that do so until ctx ends. It
	// returns early once all have.
	Ask(ctx context.Context, request []byte) []Answer
	// Answer has requests of others answered by f, which is called by one goroutine and may be nil.
	Answer(f func(request []byte) []byte)
	// Tell sends data to all that listen to the topic now, this process among them. It is not stored, and lost on the
	// way where the network is.
	Tell(topic string, data []byte)
	// Listen calls f with what is told about the topic, until stop is called. f is called by one goroutine, and may not
	// keep data.
	Listen(topic string, f func(data []byte)) (stop func(), err error)
	// Audit returns how what the processes have counted compares with what the engine's servers have.
	Audit() Audit
}

// Audit is how what the processes of a group have counted as pending compares with what the servers have.
type Audit struct {
	// Agrees says that it was the same when the servers were asked last.
	Agrees bool
	// Corrections grows whenever the counts were corrected by what the servers had.
	Corrections uint64
	// Found is how many events these corrections have added, beside what the processes have counted.
	Found int64
}

// Peer is a process of a group.
type Peer struct {
	// Name is as Group.Self says.
	Name string
	// Host is where it runs, such as the pod's name.
	Host string
	// Started is by its own clock.
	Started time.Time
	// Seen is when it was last heard of, by the clock of who asks.
	Seen time.Time
	// Alive says that it has neither ended nor been silent for long.
	Alive bool
	// State is what it shared last; it stays after its end.
	State []byte
}

// Answer is what a process of a group answered.
type Answer struct {
	Name string
	Data []byte
}
