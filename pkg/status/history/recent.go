// Package history remembers, within bounds, what snapshots were like in the last hour: how much counters have grown
// lately, and the lines that a page draws.
package history

import (
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

const (
	markEvery = time.Minute
	// maxMarks has an hour lie between the first and the last.
	maxMarks = 61

	tenMinutes = 10 * time.Minute
	quarter    = 15 * time.Minute
)

// Recent remembers what some counters were at in each minute of the last hour, and when the queue last committed. The
// zero value remembers nothing yet. Safe for concurrent use.
type Recent struct {
	mu sync.Mutex
	// marks are oldest first.
	marks   []mark
	commits uint64
	// lastCommit may be zero: none was seen.
	lastCommit time.Time
}

// mark is what the counters were at.
type mark struct {
	at time.Time
	of map[counter]uint64
}

// counter names one: what it counts, of whom.
type counter struct {
	kind kind
	of   string
}

type kind uint8

const (
	droppedOnArrival kind = iota
	droppedByOutput
	throttled
	redirected
	evicted
	loginsRefused
	loginsRefusedByPod
)

// meant reports whether events that are dropped for reason are what filters are for.
func meant(reason string) bool {
	return reason == "filter" || reason == "when" || reason == "joined" || reason == "moved"
}

// each calls add for all counters that are remembered.
func each(s *snapshot.Snapshot, add func(c counter, value uint64)) {
	for i := range s.Clusters {
		add(counter{droppedOnArrival, s.Clusters[i].Name}, s.Clusters[i].Dropped.Sum())
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		dropped, slowed := uint64(0), o.Retries["throttled"]
		for j := range o.Clusters {
			for reason, n := range o.Clusters[j].Dropped {
				if !meant(reason) {
					dropped += n
				}
			}
		}
		for j := range o.Paces {
			slowed += o.Paces[j].Throttled
		}
		add(counter{droppedByOutput, o.Name}, dropped)
		add(counter{throttled, o.Name}, slowed)
		add(counter{redirected, o.Name}, o.Redirected)
	}
	for i := range s.Listeners {
		add(counter{loginsRefused, s.Listeners[i].Name}, s.Listeners[i].LoginsRefused())
	}
	if g := s.Group; g != nil {
		for i := range g.Pods {
			add(counter{loginsRefusedByPod, g.Pods[i].Name}, g.Pods[i].LoginsRefused)
		}
	}
	add(counter{kind: evicted}, s.DeadLetters.EvictedEvents)
}

// Keep notes s, which is taken once a second or so.
func (r *Recent) Keep(s *snapshot.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Queue.Commits != r.commits {
		r.commits, r.lastCommit = s.Queue.Commits, s.At
	}
	if n := len(r.marks); n > 0 && s.At.Sub(r.marks[n-1].at) < markEvery {
		return
	}
	m := mark{at: s.At, of: map[counter]uint64{}}
	each(s, func(c counter, value uint64) {
		c.of = strings.Clone(c.of)
		m.of[c] = value
	})
	if len(r.marks) == maxMarks {
		copy(r.marks, r.marks[1:])
		r.marks = r.marks[:maxMarks-1]
	}
	r.marks = append(r.marks, m)
}

// before returns the newest mark that is within old; nil: the program is younger, and its counters began with 0.
func (r *Recent) before(at time.Time, within time.Duration) map[counter]uint64 {
	for i := len(r.marks) - 1; i >= 0; i-- {
		if at.Sub(r.marks[i].at) >= within {
			return r.marks[i].of
		}
	}
	return nil
}

// first returns what a counter of another program was at ten minutes ago, or where it was heard of later than that, at
// first; now where it was not heard of yet.
func (r *Recent) first(c counter, at time.Time, now uint64) uint64 {
	value := now
	for i := len(r.marks) - 1; i >= 0; i-- {
		then, known := r.marks[i].of[c]
		if known {
			value = min(then, now)
		}
		if at.Sub(r.marks[i].at) >= tenMinutes {
			break
		}
	}
	return value
}

// Fill fills in what happened in s lately.
func (r *Recent) Fill(s *snapshot.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Queue.Commits == r.commits && !r.lastCommit.IsZero() {
		s.Queue.CommitAge = max(0, s.At.Sub(r.lastCommit).Seconds())
	}
	ten, fifteen, hour := r.before(s.At, tenMinutes), r.before(s.At, quarter), r.before(s.At, time.Hour)
	grown := map[counter]uint64{}
	each(s, func(c counter, value uint64) {
		then := fifteen[c]
		switch c.kind {
		case redirected, evicted:
			then = hour[c]
		case loginsRefused:
			then = ten[c]
		default:
		}
		if value < then {
			// It began anew, as an output's do when a reload changes it.
			then = 0
		}
		grown[c] = value - then
	})
	for i := range s.Clusters {
		s.Clusters[i].DroppedLately = grown[counter{droppedOnArrival, s.Clusters[i].Name}]
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		o.DroppedLately = grown[counter{droppedByOutput, o.Name}]
		o.ThrottledLately = grown[counter{throttled, o.Name}]
		o.RedirectedLately = grown[counter{redirected, o.Name}]
	}
	for i := range s.Listeners {
		s.Listeners[i].LoginsRefusedLately = grown[counter{loginsRefused, s.Listeners[i].Name}]
	}
	if g := s.Group; g != nil {
		for i := range g.Pods {
			p := &g.Pods[i]
			was := r.first(counter{loginsRefusedByPod, p.Name}, s.At, p.LoginsRefused)
			p.LoginsRefusedLately = p.LoginsRefused - was
		}
	}
	s.DeadLetters.EvictedLately = grown[counter{kind: evicted}]
}
