package group

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

const (
	// rests is how long no figure may have changed for an account to be closed: longer than states take to arrive.
	rests = 4 * time.Second
	// unheard is how long ago a pod that counts as alive may have been heard of for its figures to be the last ones.
	unheard = 5 * time.Second
	// corrects is for how long after the end of a pod the queue may find that other chunks are pending than was told.
	corrects = time.Minute
)

// Books are the group's accounts as this pod keeps them. Safe for concurrent use. The zero Books are new.
type Books struct {
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	mu    sync.Mutex
	begun bool
	// due says that an account is to be closed.
	due bool
	// doubted is when that was so last because of a pod.
	doubted time.Time
	known   map[string]bool // pods by name; true: it has ended, however
	// figures are those of the last time.
	figures map[account]figures
	// since is when they changed last.
	since   time.Time
	entries map[account]entry
}

// account is a cluster's (Output "") or that of an output and a cluster.
type account struct{ output, cluster string }

// figures are what decides whether an account rests, and what is left over.
type figures struct{ in, out, pending uint64 }

// left is what is in no counter.
func (f figures) left() int64 { return int64(f.in - f.out - f.pending) }

// corrected reports whether nothing but what is pending differs between b and a.
func corrected(a, b map[account]figures) bool {
	return maps.EqualFunc(a, b, func(x, y figures) bool { return x.in == y.in && x.out == y.out })
}

// entry is what was entered to close an account.
type entry struct{ recovered, unreported uint64 }

// enter enters in s what was found earlier, and what is found now.
func (b *Books) enter(s *snapshot.Snapshot, self string, peers []peer) {
	now := time.Now
	if b.Now != nil {
		now = b.Now
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watch(self, peers, now())
	current := tally(s)
	if at := now(); !maps.Equal(current, b.figures) {
		if corrected(current, b.figures) && at.Sub(b.doubted) < corrects {
			b.due = true
		}
		b.figures, b.since = current, at
	} else if b.due && at.Sub(b.since) >= rests && at.Sub(b.doubted) >= rests {
		b.due = false
		b.close(current)
	}
	s.Group.Closing = b.due || quiet(self, peers, now())
	for i := range s.Clusters {
		c := &s.Clusters[i]
		c.Unreported = b.entries[account{"", c.Name}].unreported
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		for j := range o.Clusters {
			c := &o.Clusters[j]
			e := b.entries[account{o.Name, c.Cluster}]
			c.Recovered, c.Unreported = e.recovered, e.unreported
		}
	}
}

// quiet reports whether a pod may have done more than it has told.
func quiet(self string, peers []peer, now time.Time) bool {
	return slices.ContainsFunc(peers, func(p peer) bool {
		return p.Name != self && p.Alive && !p.state.Final && now.Sub(p.Seen) > unheard
	})
}

// watch notes which pods there are. An account is to be closed after the start, after a pod has fallen silent without
// having ended in good order, after one is not remembered any more, and after one was not ready.
func (b *Books) watch(self string, peers []peer, at time.Time) {
	doubt := func() { b.due, b.doubted = true, at }
	if !b.begun {
		b.begun = true
		doubt()
		b.entries = map[account]entry{}
	}
	now := map[string]bool{}
	for i := range peers {
		p := &peers[i]
		gone := p.Name != self && !p.Alive
		now[p.Name] = gone
		if gone && !b.known[p.Name] && !p.state.Final {
			doubt()
		}
		if p.Alive && len(p.state.NotReady) > 0 {
			// While the queue's servers are away, what was delivered can't be taken off the queue, and is delivered
			// again.
			doubt()
		}
	}
	for name := range b.known {
		if _, there := now[name]; !there {
			doubt()
		}
	}
	b.known = now
}

// close enters what is left over.
func (b *Books) close(all map[account]figures) {
	b.entries = map[account]entry{}
	for a, f := range all {
		switch left := f.left(); {
		case left > 0:
			b.entries[a] = entry{unreported: uint64(left)}
		case left < 0 && a.output != "":
			b.entries[a] = entry{recovered: uint64(-left)}
		}
	}
}

// tally returns the figures of all accounts of s, without what was entered. What was found at the start, as this pod
// saw it, is what others have told.
func tally(s *snapshot.Snapshot) map[account]figures {
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
