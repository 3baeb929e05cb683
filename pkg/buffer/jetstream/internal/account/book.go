// Package account is what waits in a queue that several processes share, as this one knows it: what was counted, what
// is on its way, and whether limits leave room for more.
package account

import (
	"cmp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// Book is what was counted. Not safe for concurrent use: who has it guards it.
type Book struct {
	// own is what this process has counted.
	own ledger.Table
	// others is what all others have, and those that are gone.
	others ledger.Table
	// baseline is what all had when this process began.
	baseline ledger.Table
	flight   map[subject.Place]int64
	usage    usage
}

// usage is how many bytes wait, or are about to: of the whole group, but for what others have stored since they told
// last.
type usage struct {
	total    int64
	clusters map[string]int64
	// outputs is without what waits aside.
	outputs map[string]int64
}

// NewBook returns a Book in which nothing was counted.
func NewBook() *Book {
	return &Book{
		own: ledger.Table{}, others: ledger.Table{}, baseline: ledger.Table{}, flight: map[subject.Place]int64{},
		usage: newUsage(),
	}
}

func newUsage() usage { return usage{clusters: map[string]int64{}, outputs: map[string]int64{}} }

func (u *usage) add(p subject.Place, bytes int64) {
	u.total += bytes
	u.clusters[p.Cluster] += bytes
	if p.Target == "" {
		u.outputs[p.Output] += bytes
	}
}

// Own returns what this process has counted. It is the Book's.
func (b *Book) Own() ledger.Table { return b.own }

// Count notes n more of the kind, and reports whether less waits now.
func (b *Book) Count(p subject.Place, k ledger.Kind, n buffer.Count) (less bool) {
	c := b.own.At(p)
	c[k] = ledger.Plus(c[k], n, 1)
	more := k.Sign() * n.Bytes
	if more != 0 {
		b.usage.add(p, more)
	}
	return more < 0
}

// Begin notes what all had counted when this process began, which is what others have.
func (b *Book) Begin(others ledger.Table) {
	b.baseline = others.Clone()
	b.Learn(others)
}

// Learn takes over what others have counted.
func (b *Book) Learn(others ledger.Table) {
	b.others = others
	b.usage = newUsage()
	b.Places(func(p subject.Place) { b.usage.add(p, b.Pending(p).Bytes) })
	for p, bytes := range b.flight {
		b.usage.add(p, bytes)
	}
}

// Known reports whether anything was ever counted at the place.
func (b *Book) Known(p subject.Place) bool { return b.own[p] != nil || b.others[p] != nil }

// Places calls f for each place that was ever counted.
func (b *Book) Places(f func(subject.Place)) {
	for p := range b.own {
		f(p)
	}
	for p := range b.others {
		if b.own[p] == nil {
			f(p)
		}
	}
}

// Pending returns what waits at the place.
func (b *Book) Pending(p subject.Place) buffer.Count {
	var n buffer.Count
	for _, t := range []ledger.Table{b.own, b.others} {
		if c := t[p]; c != nil {
			n = ledger.Plus(n, c.Pending(), 1)
		}
	}
	if n.Chunks <= 0 {
		// Who has stored the last of it has not told yet.
		return buffer.Count{}
	}
	return buffer.Count{Chunks: n.Chunks, Events: max(0, n.Events), Bytes: max(0, n.Bytes)}
}

// PendingOf returns what waits for an output, or aside for a target of it, of all clusters.
func (b *Book) PendingOf(output, target string) (sum buffer.Count) {
	b.Places(func(p subject.Place) {
		if p.Output == output && p.Target == target {
			sum = ledger.Plus(sum, b.Pending(p), 1)
		}
	})
	return sum
}

// Aside returns how much waits aside, and for how many targets.
func (b *Book) Aside() (bytes int64, targets int) {
	seen := map[[2]string]bool{}
	b.Places(func(p subject.Place) {
		if p.Target == "" {
			return
		}
		n := b.Pending(p)
		if bytes += n.Bytes; n.Chunks > 0 {
			seen[[2]string{p.Output, p.Target}] = true
		}
	})
	return bytes, len(seen)
}

// Most returns the place that has the most, of those that may be taken.
func (b *Book) Most(may func(subject.Place) bool) (most subject.Place, ok bool) {
	bytes := int64(0)
	b.Places(func(p subject.Place) {
		if n := b.Pending(p).Bytes; may(p) && n > bytes {
			most, bytes, ok = p, n, true
		}
	})
	return most, ok
}

// sum returns what all have counted of a place.
func (b *Book) sum(p subject.Place) (all ledger.Counts) {
	for _, t := range []ledger.Table{b.own, b.others} {
		if c := t[p]; c != nil {
			for k := range all {
				all[k] = ledger.Plus(all[k], c[k], 1)
			}
		}
	}
	return all
}

// Bytes returns how many bytes wait or are about to, and how many of them of each cluster.
func (b *Book) Bytes() (total int64, clusters map[string]int64) {
	return b.usage.total, b.usage.clusters
}

// Wait returns what was counted of a place since this process began.
func (b *Book) Wait(p subject.Place) buffer.Wait {
	all, found := b.sum(p), buffer.Count{}
	if c := b.baseline[p]; c != nil {
		found = c.Pending()
		for k := range all {
			all[k] = ledger.Plus(all[k], c[k], -1)
		}
	}
	w := waitOf(p, &all)
	w.Found, w.Pending = ledger.Plus(found, all[ledger.Found], 1), b.Pending(p)
	return w
}

// OwnWaits returns what this process alone has counted, by output, target and cluster.
func (b *Book) OwnWaits() (waits []buffer.Wait) {
	for p, c := range b.own {
		waits = append(waits, waitOf(p, c))
	}
	SortWaits(waits)
	return waits
}

// waitOf returns counts as Stats has them, without what is found and what is pending.
func waitOf(p subject.Place, c *ledger.Counts) buffer.Wait {
	return buffer.Wait{
		Output: p.Output, Target: p.Target, Cluster: p.Cluster, Appended: c[ledger.Appended],
		Returned: c[ledger.Returned], Rest: c[ledger.Rest], Adopted: c[ledger.Adopted], Done: c[ledger.Done],
		Moved: c[ledger.Moved], Dropped: c[ledger.Dropped], Purged: c[ledger.Purged], Lost: c[ledger.Lost],
		Given: c[ledger.Given],
	}
}

// SortWaits sorts by output, target and cluster.
func SortWaits(waits []buffer.Wait) {
	slices.SortFunc(waits, func(a, b buffer.Wait) int {
		return cmp.Or(strings.Compare(a.Output, b.Output), strings.Compare(a.Target, b.Target),
			strings.Compare(a.Cluster, b.Cluster))
	})
}
