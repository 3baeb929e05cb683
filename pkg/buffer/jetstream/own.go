package jetstream

import (
	"cmp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
)

// Own implements buffer.Group.
func (q *Queue) Own() (waits []buffer.Wait) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p, c := range q.own {
		waits = append(waits, buffer.Wait{
			Output: p.Output, Target: p.Target, Cluster: p.Cluster, Appended: c[ledger.Appended],
			Returned: c[ledger.Returned], Rest: c[ledger.Rest], Adopted: c[ledger.Adopted], Done: c[ledger.Done],
			Moved: c[ledger.Moved], Dropped: c[ledger.Dropped], Purged: c[ledger.Purged], Lost: c[ledger.Lost],
		})
	}
	slices.SortFunc(waits, func(a, b buffer.Wait) int {
		return cmp.Or(strings.Compare(a.Output, b.Output), strings.Compare(a.Target, b.Target),
			strings.Compare(a.Cluster, b.Cluster))
	})
	return waits
}
