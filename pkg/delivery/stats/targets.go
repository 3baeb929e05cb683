package stats

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

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

// Target counts what became of the events for one target: delivered and refused ones at once, unlike
// Stats.Clusters.
type Target struct {
	// Target may be "": all that are not told apart.
	Target    string
	Delivered uint64
	// Bytes is that of Delivered.
	Bytes uint64
	// Refused is by outputs.Reason, each time.
	Refused   map[string]uint64
	LastError time.Time
	// Status is that of the last refusal.
	Status int
	// Kind is its type in the destination's terms.
	Kind        string
	LastSuccess time.Time
}

// TargetTable counts by target: the busiest, and those in trouble, by name. Safe for concurrent use.
type TargetTable struct {
	mu   sync.Mutex
	all  map[string]*Target
	rest Target
}

func newTargetTable() *TargetTable { return &TargetTable{all: map[string]*Target{}} }

// goOn has t count on where before has ended.
func (t *TargetTable) goOn(before *TargetTable) {
	before.mu.Lock()
	defer before.mu.Unlock()
	t.all, t.rest = before.all, before.rest
}

// Sent counts what a send made of its events: failed are those that were not delivered.
func (t *TargetTable) Sent(sent []outputs.TargetCount, failed []outputs.Failure) {
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
		outcome.AddTo(&one.Refused, string(f.Reason), 1)
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
func (t *TargetTable) of(target string, now time.Time) *Target {
	if one := t.all[target]; one != nil {
		return one
	}
	if len(t.all) >= maxTargets && !t.makePlace(now) {
		return &t.rest
	}
	one := &Target{Target: strings.Clone(target)}
	t.all[one.Target] = one
	return one
}

// makePlace counts the target that was heard of least lately with the rest, if that was long enough ago. t.mu is held.
func (t *TargetTable) makePlace(now time.Time) bool {
	var oldest *Target
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
		outcome.AddTo(&t.rest.Refused, reason, n)
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
func (t *TargetTable) list() []Target {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Target
	for _, one := range t.all {
		row := *one
		row.Target, row.Refused = ShownTarget(row.Target), maps.Clone(row.Refused)
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b Target) int {
		return cmp.Or(cmp.Compare(b.Delivered, a.Delivered), cmp.Compare(a.Target, b.Target))
	})
	if t.rest.Delivered > 0 || len(t.rest.Refused) > 0 {
		rest := t.rest
		rest.Target, rest.Refused = "", maps.Clone(rest.Refused)
		list = append(list, rest)
	}
	return list
}
