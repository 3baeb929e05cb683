package disk

import (
	"fmt"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// shareBytes is what a cluster stores in one group while others wait too. A cluster alone fills the
// group. So who has much waiting waits long, and the others don't.
const shareBytes = 512 << 10

// line is what waits of one cluster, in order of arrival. Guarded by committer.mu.
type line struct {
	cluster string
	waiting []*batch
	credit  int64  // bytes left of its turn; below 0 after a piece larger than that
	why     string // why its first batch has to wait for room; "": it has not
}

// line returns the line of the batch: its cluster's, since a connection has one cluster. Should it
// have several, the first message's turn is the batch's. c.mu is held.
func (c *committer) line(b *batch) *line {
	name := b.msgs[0].Cluster
	l := c.lines[name]
	if l == nil {
		l = &line{cluster: name}
		c.lines[name] = l
		c.ring = append(c.ring, l)
	}
	return l
}

// choice is a group of batches in the making.
type choice struct {
	c      *committer
	group  []*batch
	left   int64    // bytes until the group is full
	bytes  int64    // that the group's batches take in the end
	full   string   // why there is no room for anything
	quotas []*quota // with something planned
}

// choose takes the batches of the next group out of their lines: one transaction's worth, by deficit
// round robin over the clusters. Those that must not wait are answered. c.mu is held, so that no
// batch leaves, and is used anew, while it is looked at.
func (c *committer) choose() []*batch {
	ch := &choice{c: c, left: int64(c.s.txBytes())}
	for {
		var ready *line // has something to store now, or has to make up for what it took before
		several := false
		for range c.ring {
			if ch.left <= 0 {
				break
			}
			l := c.ring[c.at%len(c.ring)]
			c.at = (c.at + 1) % len(c.ring)
			if len(l.waiting) == 0 {
				l.credit, l.why = min(l.credit, 0), ""
				continue
			}
			l.credit = min(l.credit+shareBytes, shareBytes)
			if l.credit <= 0 || ch.take(l) {
				several, ready = ready != nil, l
			}
		}
		if ready != nil && !several && ch.left > 0 {
			ch.fill(ready)
		}
		if len(ch.group) > 0 || ready == nil {
			break
		}
	}
	c.s.mu.Lock()
	for _, q := range ch.quotas {
		q.planned, q.full = 0, false
	}
	c.s.mu.Unlock()
	c.limits.note(ch.full)
	return ch.group
}

// fill gives l, which alone has something to store, what is left of the group.
func (ch *choice) fill(l *line) {
	if n := len(ch.group); n > 0 && ch.group[n-1].partial() {
		b := ch.group[n-1]
		ch.left += b.took
		b.part(ch.left)
		if ch.left -= b.took; b.partial() {
			return
		}
	}
	l.credit = ch.left
	ch.take(l)
	l.credit = 0
}

// take moves batches of l to the group while l has credit; false: there was nothing to take.
func (ch *choice) take(l *line) bool {
	before := len(ch.group)
	l.why = ""
	var rest []*batch
	for i, b := range l.waiting {
		if l.credit <= 0 || ch.left <= 0 {
			rest = append(rest, l.waiting[i:]...)
			break
		}
		if b.resends.Waiting() {
			rest = append(rest, b)
			continue
		}
		why, cluster := ch.verdict(l.cluster, b)
		if why == "" {
			ch.add(l, b)
			continue
		}
		if l.why == "" {
			l.why = why
		}
		// What is stored in part waits in any case: sent again, that part would be stored twice.
		if (b.eager || ch.c.limits.policyOf(l.cluster) == "reject") && !b.begun() {
			b.answer <- fmt.Errorf("%w: %s", buffer.ErrFull, why)
			continue
		}
		rest = append(rest, b)
		if cluster {
			rest = append(rest, l.waiting[i+1:]...) // else small ones would always pass a large one
			break
		}
	}
	ch.c.count -= len(l.waiting) - len(rest)
	clear(l.waiting)
	l.waiting = append(l.waiting[:0], rest...)
	return len(ch.group) > before
}

// add adds b, or as much of it as there is credit for, to the group.
func (ch *choice) add(l *line, b *batch) {
	b.part(min(l.credit, ch.left))
	l.credit -= b.took
	ch.left -= b.took
	ch.bytes += b.bytes
	ch.group = append(ch.group, b)
	ch.c.s.mu.Lock()
	for _, cl := range b.claims {
		cl.planned += cl.bytes
		ch.quotas = append(ch.quotas, cl.quota)
	}
	ch.c.s.mu.Unlock()
	if b.partial() {
		l.credit = min(l.credit, 0) // what comes after it stays after it
	}
}

// verdict returns why there is no room for b, of the named cluster's line, beside the group; "": there is. cluster: the limit is
// that of its cluster.
func (ch *choice) verdict(name string, b *batch) (why string, cluster bool) {
	if ch.full != "" {
		return ch.full, false
	}
	l := ch.c.limits
	policy, own := l.policy(), l.policyOf(name)
	if b.eager {
		policy, own = "reject", "reject"
	}
	for {
		if why = l.full(b.bytes + ch.bytes); why != "" {
			ch.c.giveBack()
			if policy == "drop_oldest" && l.dropHelps() && ch.c.s.dropSegment() {
				continue
			}
			if own != "reject" {
				ch.full = why // what comes after b doesn't take the room that b waits for
			}
			return why, false
		}
		q := ch.over(b)
		if q == nil {
			return "", false
		}
		if q.tenant {
			policy = own
		}
		if policy == "drop_oldest" && q.drop() {
			continue
		}
		ch.c.s.mu.Lock()
		defer ch.c.s.mu.Unlock()
		if own != "reject" {
			q.full = true
			ch.quotas = append(ch.quotas, q)
		}
		return fmt.Sprintf("%d bytes wait for or of %s, whose max_queue_size is %d", *q.used, q.what, q.limit), q.tenant
	}
}

// over returns a limit that b beside the group would exceed. What is larger than the limit by itself
// must pass some time, and what is stored in part has been let in.
func (ch *choice) over(b *batch) *quota {
	if b.begun() {
		return nil
	}
	ch.c.s.mu.Lock()
	defer ch.c.s.mu.Unlock()
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
	for i := range b.msgs {
		var n int64
		for p := b.msgs[i].piece; p < b.piecesEnd(i); p++ {
			n += b.pieces[p].cost()
		}
		if n == 0 {
			continue
		}
		add(&s.clusters[s.clusterNumber(b.msgs[i].Cluster)].quota, n)
		for _, name := range b.msgs[i].Outputs {
			add(&s.source(name).quota, n)
		}
	}
}
