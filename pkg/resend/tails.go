package resend

import (
	"slices"
	"time"
)

// maxAhead bounds how many messages of a connection's commits before the last are unconfirmed after a restart.
const maxAhead = 256

// Tail is the end of a connection's messages in a segment: what is unconfirmed where the program ends there.
type Tail struct {
	// Commit is its last commit; numbers ascend.
	Commit uint64
	// Ahead says that the client had not waited for the acks of the segments before.
	Ahead bool
	// Stored is in nanoseconds since 1970.
	Stored int64
	Keys   []Key
}

// Tails is the ends of connections, by their numbers, which are unique over restarts.
type Tails map[uint64]*Tail

// Add notes that the connection stored a whole message in the commit. ahead: its client did not wait for the acks of
// the commit before. What comes after later commits is passed over.
func (t Tails) Add(conn, commit uint64, ahead bool, stored int64, k Key) {
	tail := t[conn]
	if tail == nil {
		tail = &Tail{Ahead: ahead}
		t[conn] = tail
	}
	switch {
	case commit < tail.Commit:
		return
	case commit > tail.Commit:
		keep := 0
		if ahead {
			keep = min(len(tail.Keys), maxAhead)
		} else {
			tail.Ahead = false
		}
		tail.Commit, tail.Keys = commit, slices.Delete(tail.Keys, 0, len(tail.Keys)-keep)
	}
	tail.Stored = stored
	tail.Keys = append(tail.Keys, k)
}

// Join adds the ends in the next segment, which it takes over.
func (t Tails) Join(other Tails) {
	for conn, tail := range other {
		switch last := t[conn]; {
		case last == nil || last.Commit < tail.Commit:
			if last != nil && tail.Ahead {
				tail.Keys = slices.Concat(last.Keys[max(0, len(last.Keys)-maxAhead):], tail.Keys)
			}
			t[conn] = tail
		case last.Commit == tail.Commit:
			last.Keys = append(last.Keys, tail.Keys...)
		}
	}
}

// Unconfirmed returns the messages that are unconfirmed after a restart, for as long as the window would remember them.
func (t Tails) Unconfirmed(window time.Duration) []Saved {
	var saved []Saved
	for _, tail := range t {
		for _, k := range tail.Keys {
			saved = append(saved, Saved{k, time.Unix(0, tail.Stored).Add(window)})
		}
	}
	return saved
}
