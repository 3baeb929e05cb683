package disk

import (
	"fmt"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// shareBytes is what a cluster stores in one group while others wait too. A cluster alone fills the
// group. So who has much waiting waits long, and the others don't.
const shareBytes = 512 << 10

// clusterPending is what waits of one cluster, in order of arrival. Guarded by committer.mu.
type clusterPending struct {
	cluster string
	waiting []*batch
	deficit int64  // bytes left of its turn; below 0 after a piece larger than that
	why     string // why its first batch has to wait for room; "": it has not
}

// pendingOf returns what waits of the batch's cluster, which a connection has one of. Should it
// have several, the first message's turn is the batch's. c.mu is held.
func (c *committer) pendingOf(b *batch) *clusterPending {
	name := b.Cluster()
	l := c.pending[name]
	if l == nil {
		l = &clusterPending{cluster: name}
		c.pending[name] = l
		c.clusters = append(c.clusters, l)
	}
	return l
}

// admission decides which batches go into the next group. It looks at what is in memory only: what needs the disk is an
// action that the committer carries out between two decisions, with no lock held.
type admission struct {
	c      *committer
	group  []*batch
	left   int64    // bytes until the group is full
	bytes  int64    // that the group's batches take in the end
	full   string   // why there is no room for anything
	quotas []*quota // with something planned
	// act is what has to be done before more can be decided; nil: nothing.
	act func() bool

	refreshed bool            // the disk has just been asked for its free space
	inert     map[*quota]bool // limits that nothing can be dropped for; nil stands for the whole queue's
}

// decide takes the batches of the next group out of what waits: one transaction's worth, by deficit round robin over
// the clusters. Those that must not wait are answered. Where it needs the disk first, ad.act says for what, and the
// group ends there. c.mu is held, so that no batch leaves, and is used anew, while it is looked at.
func (c *committer) decide(ad *admission) []*batch {
	ad.c, ad.group, ad.left, ad.bytes, ad.full, ad.quotas, ad.act = c, nil, int64(c.txBytes()), 0, "", nil, nil
	for {
		var ready *clusterPending // has something to store now, or has to make up for what it took before
		several := false
		for range c.clusters {
			if ad.left <= 0 || ad.act != nil {
				break
			}
			l := c.clusters[c.next%len(c.clusters)]
			c.next = (c.next + 1) % len(c.clusters)
			if len(l.waiting) == 0 {
				l.deficit, l.why = min(l.deficit, 0), ""
				continue
			}
			l.deficit = min(l.deficit+shareBytes, shareBytes)
			if l.deficit <= 0 || ad.admit(l) {
				several, ready = ready != nil, l
			}
		}
		if ready != nil && !several && ad.left > 0 && ad.act == nil {
			ad.fill(ready)
		}
		if len(ad.group) > 0 || ready == nil || ad.act != nil {
			break
		}
	}
	c.s.mu.Lock()
	for _, q := range ad.quotas {
		q.planned, q.full = 0, false
	}
	c.s.mu.Unlock()
	if ad.act == nil {
		c.limits.Note(ad.full)
	} else {
		// The turn is still that cluster's.
		c.next = (c.next + len(c.clusters) - 1) % len(c.clusters)
	}
	return ad.group
}

// fill gives l, which alone has something to store, what is left of the group.
func (ad *admission) fill(l *clusterPending) {
	if n := len(ad.group); n > 0 && ad.group[n-1].Partial() {
		b := ad.group[n-1]
		ad.left += b.Took
		b.Part(ad.left)
		if ad.left -= b.Took; b.Partial() {
			return
		}
	}
	l.deficit = ad.left
	ad.admit(l)
	l.deficit = 0
}

// admit moves batches of l to the group while bytes of its turn are left; false: there was nothing to take.
func (ad *admission) admit(l *clusterPending) bool {
	before := len(ad.group)
	l.why = ""
	var rest []*batch
	for i, b := range l.waiting {
		if l.deficit <= 0 || ad.left <= 0 {
			rest = append(rest, l.waiting[i:]...)
			break
		}
		if b.Resends.Waiting() {
			rest = append(rest, b)
			continue
		}
		why, cluster := ad.refusal(l.cluster, b)
		if ad.act != nil {
			rest = append(rest, l.waiting[i:]...)
			break
		}
		if why == "" {
			ad.add(l, b)
			continue
		}
		if l.why == "" {
			l.why = why
		}
		// What is stored in part waits in any case: sent again, that part would be stored twice.
		if (b.NonBlocking || ad.c.limits.PolicyOf(l.cluster) == "reject") && !b.Begun() {
			b.answer <- fmt.Errorf("%w: %s", buffer.ErrFull, why)
			continue
		}
		rest = append(rest, b)
		if cluster {
			rest = append(rest, l.waiting[i+1:]...) // else small ones would always pass a large one
			break
		}
	}
	ad.c.count -= len(l.waiting) - len(rest)
	clear(l.waiting)
	l.waiting = append(l.waiting[:0], rest...)
	return len(ad.group) > before
}

// add adds b, or as much of it as its cluster has bytes left for, to the group.
func (ad *admission) add(l *clusterPending, b *batch) {
	b.Part(min(l.deficit, ad.left))
	l.deficit -= b.Took
	ad.left -= b.Took
	ad.bytes += b.Bytes
	ad.group = append(ad.group, b)
	ad.c.s.mu.Lock()
	for _, cl := range b.claims {
		cl.planned += cl.bytes
		ad.quotas = append(ad.quotas, cl.quota)
	}
	ad.c.s.mu.Unlock()
	if b.Partial() {
		// What comes after it stays after it.
		l.deficit = min(l.deficit, 0)
	}
}

// refusal returns why there is no room for b, of the named cluster, beside the group; "": there is. cluster: the
// limit is that of its cluster. Where the disk has to be asked, or something may be dropped, it sets ad.act instead.
func (ad *admission) refusal(name string, b *batch) (why string, cluster bool) {
	c, l := ad.c, ad.c.limits
	if b.rest {
		why, old := l.DiskFull(b.Bytes + ad.bytes)
		if old && !ad.refreshed {
			ad.act = func() bool { ad.refreshed = true; l.Refresh(); return true }
			return "", false
		}
		return why, false
	}
	if ad.full != "" {
		return ad.full, false
	}
	policy, own := l.Policy(), l.PolicyOf(name)
	if b.NonBlocking {
		policy, own = "reject", "reject"
	}
	why, old := l.Full(b.Bytes + ad.bytes)
	switch {
	case old && !ad.refreshed:
		ad.act = func() bool { ad.refreshed = true; l.Refresh(); return true }
		return "", false
	case why != "" && c.current != nil:
		ad.act = c.giveBack
		return "", false
	case why != "" && policy == "drop_oldest" && !ad.inert[nil] && l.DropHelps():
		ad.drop(nil, c.s.dropSegment)
		return "", false
	case why != "":
		if own != "reject" {
			// What comes after b doesn't take the room that b waits for.
			ad.full = why
		}
		return why, false
	}
	q := ad.over(b)
	if q == nil {
		return "", false
	}
	if q.tenant {
		policy = own
	}
	if policy == "drop_oldest" && !ad.inert[q] {
		ad.drop(q, q.drop)
		return "", false
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if own != "reject" {
		q.full = true
		ad.quotas = append(ad.quotas, q)
	}
	return fmt.Sprintf("%d bytes wait for or of %s, whose max_queue_size is %d", *q.used, q.what, q.limit), q.tenant
}

// drop has drop make room under the limit q before more is decided. Where there is nothing to drop, it is not tried
// again.
func (ad *admission) drop(q *quota, drop func() bool) {
	ad.act = func() bool {
		dropped := drop()
		if !dropped {
			if ad.inert == nil {
				ad.inert = map[*quota]bool{}
			}
			ad.inert[q] = true
		}
		return dropped
	}
}

// over returns a limit that b beside the group would exceed. What is larger than the limit by itself
// must pass some time, and what is stored in part has been let in.
func (ad *admission) over(b *batch) *quota {
	if b.Begun() {
		return nil
	}
	ad.c.s.mu.Lock()
	defer ad.c.s.mu.Unlock()
	for _, cl := range b.claims {
		if taken := *cl.used + cl.planned; cl.limit > 0 && (cl.full || taken > 0 && taken+cl.bytes > cl.limit) {
			return cl.quota
		}
	}
	return nil
}

// claim is what a batch takes of a quota, at most.
type claim struct {
	*quota
	bytes int64
}

// claim notes what b takes of the clusters' and the outputs' limits.
func (s *Queue) claim(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add := func(q *quota, n int64) {
		i := slices.IndexFunc(b.claims, func(cl claim) bool { return cl.quota == q })
		if i < 0 {
			b.claims = append(b.claims, claim{quota: q})
			i = len(b.claims) - 1
		}
		b.claims[i].bytes += n
	}
	for i := range b.Len() {
		m, n := b.Message(i)
		if n == 0 {
			continue
		}
		add(&s.clusters[s.clusterNumber(m.Cluster)].quota, n)
		for _, name := range m.Outputs {
			add(&s.source(name).quota, n)
		}
	}
}
