package delivery

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Stats is a snapshot of a Loop. Events are counted once, when the chunk that they came in is Done:
// what the queue took in for the output is the sum of delivered, dropped, dead and what it has pending.
type Stats struct {
	Output   string
	Clusters []ClusterStats    // ascending by name
	Sends    uint64            // that ended, well or not
	Failures uint64            // of Sends: those that did not deliver all of their events
	Retried  map[string]uint64 // events to be sent again, by reason
	InFlight int               // sends under way
	// Oldest is when the first of these began; zero: there are none.
	Oldest time.Time
	// Concurrency is how many sends may be under way now, 1 to Common.Workers: see concurrencyLimiter.
	Concurrency int
	// Targets is those with the most events first, at most about 200, and the rest together at the end.
	Targets []TargetStats
	Waiting []WaitingTarget // targets that take no events, ascending
	Held    []string        // clusters that wait until what was refused of them is taken, ascending
	Latency metric.Snapshot // of sends
	Paused  bool

	// Failing is the reason why nothing is delivered: events wait to be sent again, and for steady none got through. ""
	// where any does: then what waits is the destination's trouble with these events.
	Failing      string
	FailingSince time.Time // zero where Failing is ""
	// BackoffUntil is when a batch is sent again; zero when none waits.
	BackoffUntil time.Time
	LastError    string // for everybody
	// LastDetail is the same with the destination's words, for who may see records.
	LastDetail  string
	LastErrorAt time.Time
	// LastErrorOver is when it was past; zero while it is not.
	LastErrorOver time.Time
	LastSuccess   time.Time // of a send that delivered anything
}

// ClusterStats counts the events of one cluster. Bytes are msgpack.
type ClusterStats struct {
	Cluster   string
	Delivered uint64
	Bytes     uint64            // of Delivered
	Dropped   map[string]uint64 // by reason
	Dead      map[string]uint64 // by reason; on disk as dead letters
}

const (
	// maxTargets is how many targets are told apart by name; the others are counted together.
	maxTargets = 200
	// targetShown is how many bytes of a target's name are shown.
	targetShown = 200
	// targetQuiet is for how long a target must not have been sent anything to make place for another.
	targetQuiet = time.Minute
)

// ShownTarget returns a target's name as everybody may see it: of one line, and not longer than is of use.
func ShownTarget(name string) string { return safetext.Clip(safetext.Line(name, ' '), targetShown) }

// TargetStats counts what became of the events for one target: delivered and refused ones at once, unlike
// Stats.Clusters.
type TargetStats struct {
	Target    string // "": all that are not told apart
	Delivered uint64
	Bytes     uint64            // of Delivered
	Refused   map[string]uint64 // by outputs.Reason, each time
	LastError time.Time
	Status    int // of the last refusal
	// Kind is its type in the destination's terms.
	Kind        string
	LastSuccess time.Time
}

// targetTable counts by target: the busiest, and those in trouble, by name. Safe for concurrent use.
type targetTable struct {
	mu   sync.Mutex
	all  map[string]*TargetStats
	rest TargetStats
}

func newTargetTable() *targetTable { return &targetTable{all: map[string]*TargetStats{}} }

// goOn has t count on where before has ended.
func (t *targetTable) goOn(before *targetTable) {
	before.mu.Lock()
	defer before.mu.Unlock()
	t.all, t.rest = before.all, before.rest
}

// sent counts what a send made of its events: failed are those that were not delivered.
func (t *targetTable) sent(sent []outputs.TargetCount, failed []outputs.Failure) {
	if len(sent) == 0 && len(failed) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	not := map[string]int{}
	for i := range failed {
		f := &failed[i]
		not[f.Target]++
		if f.Reason == outputs.ReasonPaced || f.Untried {
			continue
		}
		one := t.of(f.Target, now)
		addTo(&one.Refused, string(f.Reason), 1)
		one.LastError, one.Status, one.Kind = now, f.Status, f.Kind
	}
	for i := range sent {
		s := &sent[i]
		n := s.Events - min(s.Events, not[s.Target])
		not[s.Target] -= s.Events - n
		if n > 0 {
			one := t.of(s.Target, now)
			one.Delivered += uint64(n)
			one.Bytes += uint64(s.Bytes / s.Events * n)
			one.LastSuccess = now
		}
	}
}

// of returns the target's row. t.mu is held.
func (t *targetTable) of(target string, now time.Time) *TargetStats {
	if one := t.all[target]; one != nil {
		return one
	}
	if len(t.all) >= maxTargets && !t.makePlace(now) {
		return &t.rest
	}
	one := &TargetStats{Target: strings.Clone(target)}
	t.all[one.Target] = one
	return one
}

// makePlace counts the target that was heard of least lately with the rest, if that was long enough ago. t.mu is held.
func (t *targetTable) makePlace(now time.Time) bool {
	var oldest *TargetStats
	var at time.Time
	for _, one := range t.all {
		if last := later(one.LastError, one.LastSuccess); oldest == nil || last.Before(at) {
			oldest, at = one, last
		}
	}
	if now.Sub(at) < targetQuiet {
		return false
	}
	delete(t.all, oldest.Target)
	t.rest.Delivered += oldest.Delivered
	t.rest.Bytes += oldest.Bytes
	for reason, n := range oldest.Refused {
		addTo(&t.rest.Refused, reason, n)
	}
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// list returns the rows, those with the most events first, and the rest last where there is any.
func (t *targetTable) list() []TargetStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []TargetStats
	for _, one := range t.all {
		row := *one
		row.Target, row.Refused = ShownTarget(row.Target), maps.Clone(row.Refused)
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b TargetStats) int {
		return cmp.Or(cmp.Compare(b.Delivered, a.Delivered), cmp.Compare(a.Target, b.Target))
	})
	if t.rest.Delivered > 0 || len(t.rest.Refused) > 0 {
		rest := t.rest
		rest.Target, rest.Refused = "", maps.Clone(rest.Refused)
		list = append(list, rest)
	}
	return list
}
