package group

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

const (
	// rests is how long no figure may have changed for an account to be closed: longer than states take to arrive.
	rests = 4 * time.Second
	// unheard is how long ago a pod that counts as alive may have been heard of for its figures to be the last ones.
	unheard = 5 * time.Second
)

// Books are the group's accounts as this pod keeps them. Safe for concurrent use. The zero Books are new.
type Books struct {
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	mu    sync.Mutex
	begun bool
	// due says that the accounts are to be closed, and killed that a pod may have settled events without a word.
	due, killed bool
	// corrections is buffer.Audit.Corrections of the last time, and found its Found when the accounts were closed.
	corrections uint64
	found       int64
	// known are pods by name; true: it has ended, however.
	known map[string]bool
	// figures are those of the last time.
	figures map[account]figures
	// since is when they changed last, or might have.
	since time.Time
	// entries are what was entered to close accounts: recovered events, or, where negative, unreported ones.
	entries map[account]int64
}

// account is a cluster's (Output "") or that of an output and a cluster.
type account struct{ output, cluster string }

// figures are what decides whether an account rests, and what is left over.
type figures struct{ in, out, pending uint64 }

// left is what is in no counter.
func (f figures) left() int64 { return int64(f.in - f.out - f.pending) }

// enter enters in s what was found earlier, and what is found now.
func (b *Books) enter(s *snapshot.Snapshot, self string, peers []peer, audit buffer.Audit) {
	now := time.Now
	if b.Now != nil {
		now = b.Now
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watch(self, peers)
	if audit.Corrections != b.corrections {
		b.due, b.corrections = true, audit.Corrections
	}
	current, at := countsOf(s), now()
	open := unsettled(self, peers, at)
	// While the servers are away all figures rest, and what was done last is told only afterwards.
	if open || !maps.Equal(current, b.figures) {
		b.figures, b.since = current, at
	}
	moving := open || !audit.Agrees
	if b.due && !moving && at.Sub(b.since) >= rests {
		b.close(current, audit.Found)
	}
	s.Group.Closing = b.due || moving
	for i := range s.Clusters {
		c := &s.Clusters[i]
		c.Unreported = uint64(max(0, -b.entries[account{"", c.Name}]))
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		for j := range o.Clusters {
			c := &o.Clusters[j]
			e := b.entries[account{o.Name, c.Cluster}]
			c.Recovered, c.Unreported = uint64(max(0, e)), uint64(max(0, -e))
		}
	}
}

// unsettled reports whether a pod may have done more than it has told, or is about to do something once more: while the
// queue's servers are away, what was delivered can't be taken off the queue, and is delivered again.
func unsettled(self string, peers []peer, now time.Time) bool {
	return slices.ContainsFunc(peers, func(p peer) bool {
		return p.Alive && (len(p.state.NotReady) > 0 ||
			p.Name != self && !p.state.Final && now.Sub(p.Seen) > unheard)
	})
}

// watch notes which pods there are. The accounts are to be closed after the start, after a pod has fallen silent
// without having ended in good order, or is heard of again after that, after one is not remembered any more, and after
// one was not ready.
func (b *Books) watch(self string, peers []peer) {
	if !b.begun {
		b.begun, b.due, b.killed = true, true, true
		b.entries = map[account]int64{}
	}
	now := map[string]bool{}
	for i := range peers {
		p := &peers[i]
		gone := p.Name != self && !p.Alive
		now[p.Name] = gone
		if gone != b.known[p.Name] && !p.state.Final {
			b.due, b.killed = true, true
		}
		if p.Alive && len(p.state.NotReady) > 0 {
			b.due = true
		}
	}
	for name := range b.known {
		if _, there := now[name]; !there {
			b.due, b.killed = true, true
		}
	}
	b.known = now
}

// close enters what is left over; found is buffer.Audit.Found. That more was settled than was told is believed of pods
// that were killed, and where the servers had counted too much as found: what is missing otherwise is a mistake, and
// stays one.
func (b *Books) close(all map[account]figures, found int64) {
	entries := map[account]int64{}
	for a, f := range all {
		e := -f.left()
		if !b.killed {
			e = max(e, b.entries[a]-max(0, b.found-found))
		}
		if a.output == "" {
			e = min(e, 0)
		}
		entries[a] = e
	}
	b.entries, b.found, b.due, b.killed = entries, found, false, false
}

// countsOf returns the figures of all accounts of s, without what was entered. What was found at the start, as this pod
// saw it, is what others have told.
func countsOf(s *snapshot.Snapshot) map[account]figures {
	all := map[account]figures{}
	for i := range s.Clusters {
		c := &s.Clusters[i]
		out := c.StoredEvents + c.DuplicateEvents + c.Dropped.Sum() + c.Dead.Sum()
		all[account{"", c.Name}] = figures{c.ReceivedEvents, out, 0}
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		for j := range o.Clusters {
			c := &o.Clusters[j]
			in := c.Queued + c.Returned + c.Adopted
			out := c.Delivered + c.Dropped.Sum() + c.Purged + c.Dead.Sum()
			all[account{o.Name, c.Cluster}] = figures{in, out, c.Pending}
		}
	}
	return all
}
