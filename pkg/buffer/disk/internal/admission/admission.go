// Package admission decides which batches go into the next commit: fair turns of the clusters, limits, and what becomes
// of batches that there is no room for. It looks at what is in memory only.
package admission

import (
	"fmt"
	"slices"
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pace"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
)

// Batch is one that waits to be stored.
type Batch struct {
	pack.Batch
	// Answer is that of who stores it, buffered.
	Answer chan error
	// Member is that of its connection.
	Member pace.Member
	// Rest says that it is left of a chunk that was settled in part: limits do not hold for it.
	Rest bool
	// claims are those of a batch that waits.
	claims []claim
}

// Quota is a limit on what waits of a cluster or for an output. Guarded by Pending.Quotas.
type Quota struct {
	// What is to name it.
	What string
	// Tenant says that it is a cluster's.
	Tenant bool
	// Limit counts bytes on disk; 0: none.
	Limit int64
	Used  *int64
	// Drop makes room; false: there is nothing to drop.
	Drop func() bool
	// planned is that of the group that is being chosen.
	planned int64
	// full says that a batch has been told to wait, so those after it wait too.
	full bool
}

// claim is what a batch takes of a quota, at most.
type claim struct {
	*Quota
	bytes int64
}

// Claim notes that b takes so many bytes more of the quota.
func (b *Batch) Claim(q *Quota, bytes int64) {
	i := slices.IndexFunc(b.claims, func(cl claim) bool { return cl.Quota == q })
	if i < 0 {
		b.claims = append(b.claims, claim{Quota: q})
		i = len(b.claims) - 1
	}
	b.claims[i].bytes += bytes
}

// Reset forgets the batch's messages and claims.
func (b *Batch) Reset() {
	clear(b.claims)
	b.claims = b.claims[:0]
	b.Batch.Reset()
}

// Pending is what waits of all clusters. The fields up to DropOldest must be set. Not safe for concurrent use: its
// owner guards it, so that no batch leaves, and is used anew, while it is looked at.
type Pending struct {
	Limits *limits.Limits
	Quotas sync.Locker
	// GroupBytes is how many bytes a commit takes.
	GroupBytes func() int64
	// GiveBack returns what gives disk back at once; nil: nothing would.
	GiveBack func() func() bool
	// DropOldest drops what waits longest, of all; false: there is nothing to drop.
	DropOldest func() bool

	// Clusters never leave: they are few.
	Clusters []*Cluster
	// Count counts batches.
	Count  int
	byName map[string]*Cluster
	// next is in Clusters.
	next int
}

// Enter adds b behind all others of its cluster.
func (c *Pending) Enter(b *Batch) {
	l := c.of(b)
	l.Waiting = append(l.Waiting, b)
	c.Count++
}

// Leave takes b out; false: it is not there any more.
func (c *Pending) Leave(b *Batch) bool {
	l := c.of(b)
	i := slices.Index(l.Waiting, b)
	if i < 0 {
		return false
	}
	l.Waiting = slices.Delete(l.Waiting, i, i+1)
	c.Count--
	return true
}

// PutBack adds batches again, before all others of their clusters.
func (c *Pending) PutBack(group []*Batch) {
	for _, b := range slices.Backward(group) {
		l := c.of(b)
		l.Waiting = slices.Insert(l.Waiting, 0, b)
		c.Count++
	}
}

// Close answers all that waits, and forgets it.
func (c *Pending) Close() {
	for _, l := range c.Clusters {
		for _, b := range l.Waiting {
			b.Answer <- buffer.ErrClosed
		}
		l.Waiting = nil
	}
	c.Count = 0
}

// Cut reports whether the last decision left something for want of room in the commit.
func (ad *Decision) Cut() bool { return ad.left <= 0 }

// shareBytes is what a cluster stores in one group while others wait too. A cluster alone fills the
// group. So who has much waiting waits long, and the others don't.
const shareBytes = 512 << 10

// Cluster is what waits of one cluster, in order of arrival.
type Cluster struct {
	Name    string
	Waiting []*Batch
	// Why is why its first batch has to wait for room; "": it has not.
	Why string
	// deficit counts bytes left of its turn; below 0 after a piece larger than that.
	deficit int64
}

// of returns what waits of the batch's cluster, which a connection has one of. Should it
// have several, the first message's turn is the batch's.
func (c *Pending) of(b *Batch) *Cluster {
	name := b.Cluster()
	if c.byName == nil {
		c.byName = map[string]*Cluster{}
	}
	l := c.byName[name]
	if l == nil {
		l = &Cluster{Name: name}
		c.byName[name] = l
		c.Clusters = append(c.Clusters, l)
	}
	return l
}

// Decision decides which batches go into the next group. It looks at what is in memory only: what needs the disk is an
// action that the committer carries out between two decisions, with no lock held.
type Decision struct {
	c     *Pending
	group []*Batch
	// left counts bytes until the group is full.
	left int64
	// bytes counts those that the group's batches take in the end.
	bytes int64
	// full is why there is no room for anything.
	full string
	// quotas are with something planned.
	quotas []*Quota
	// Act is what has to be done before more can be decided; nil: nothing.
	Act func() bool

	// refreshed says that the disk has just been asked for its free space.
	refreshed bool
	// inert is limits that nothing can be dropped for; nil stands for the whole queue's.
	inert map[*Quota]bool
}

// Decide takes the batches of the next group out of what waits: one transaction's worth, by deficit round robin over
// the clusters. Those that must not wait are answered. Where it needs the disk first, ad.Act says for what, and the
// group ends there.
func (c *Pending) Decide(ad *Decision) []*Batch {
	ad.c, ad.group, ad.left, ad.bytes, ad.full, ad.quotas, ad.Act = c, nil, c.GroupBytes(), 0, "", nil, nil
	for {
		// Ready has something to store now, or has to make up for what it took before.
		var ready *Cluster
		several := false
		for range c.Clusters {
			if ad.left <= 0 || ad.Act != nil {
				break
			}
			l := c.Clusters[c.next%len(c.Clusters)]
			c.next = (c.next + 1) % len(c.Clusters)
			if len(l.Waiting) == 0 {
				l.deficit, l.Why = min(l.deficit, 0), ""
				continue
			}
			l.deficit = min(l.deficit+shareBytes, shareBytes)
			if l.deficit <= 0 || ad.admit(l) {
				several, ready = ready != nil, l
			}
		}
		if ready != nil && !several && ad.left > 0 && ad.Act == nil {
			ad.fill(ready)
		}
		if len(ad.group) > 0 || ready == nil || ad.Act != nil {
			break
		}
	}
	c.Quotas.Lock()
	for _, q := range ad.quotas {
		q.planned, q.full = 0, false
	}
	c.Quotas.Unlock()
	if ad.Act == nil {
		c.Limits.Note(ad.full)
	} else {
		// The turn is still that cluster's.
		c.next = (c.next + len(c.Clusters) - 1) % len(c.Clusters)
	}
	return ad.group
}

// fill gives l, which alone has something to store, what is left of the group.
func (ad *Decision) fill(l *Cluster) {
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
func (ad *Decision) admit(l *Cluster) bool {
	before := len(ad.group)
	l.Why = ""
	var rest []*Batch
	for i, b := range l.Waiting {
		if l.deficit <= 0 || ad.left <= 0 {
			rest = append(rest, l.Waiting[i:]...)
			break
		}
		if b.Resends.Waiting() {
			rest = append(rest, b)
			continue
		}
		why, cluster := ad.refusal(l.Name, b)
		if ad.Act != nil {
			rest = append(rest, l.Waiting[i:]...)
			break
		}
		if why == "" {
			ad.add(l, b)
			continue
		}
		if l.Why == "" {
			l.Why = why
		}
		// What is stored in part waits in any case: sent again, that part would be stored twice.
		if (b.NonBlocking || ad.c.Limits.PolicyOf(l.Name) == "reject") && !b.Begun() {
			b.Answer <- fmt.Errorf("%w: %s", buffer.ErrFull, why)
			continue
		}
		rest = append(rest, b)
		if cluster {
			// Else small ones would always pass a large one.
			rest = append(rest, l.Waiting[i+1:]...)
			break
		}
	}
	ad.c.Count -= len(l.Waiting) - len(rest)
	clear(l.Waiting)
	l.Waiting = append(l.Waiting[:0], rest...)
	return len(ad.group) > before
}

// add adds b, or as much of it as its cluster has bytes left for, to the group.
func (ad *Decision) add(l *Cluster, b *Batch) {
	b.Part(min(l.deficit, ad.left))
	l.deficit -= b.Took
	ad.left -= b.Took
	ad.bytes += b.Bytes
	ad.group = append(ad.group, b)
	ad.c.Quotas.Lock()
	for _, cl := range b.claims {
		cl.planned += cl.bytes
		ad.quotas = append(ad.quotas, cl.Quota)
	}
	ad.c.Quotas.Unlock()
	if b.Partial() {
		// What comes after it stays after it.
		l.deficit = min(l.deficit, 0)
	}
}

// refusal returns why there is no room for b, of the named cluster, beside the group; "": there is. cluster: the
// limit is that of its cluster. Where the disk has to be asked, or something may be dropped, it sets ad.Act instead.
func (ad *Decision) refusal(name string, b *Batch) (why string, cluster bool) {
	c, l := ad.c, ad.c.Limits
	if b.Rest {
		why, old := l.DiskFull(b.Bytes + ad.bytes)
		if old && !ad.refreshed {
			ad.Act = func() bool { ad.refreshed = true; l.Refresh(); return true }
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
		ad.Act = func() bool { ad.refreshed = true; l.Refresh(); return true }
		return "", false
	case why != "" && c.GiveBack() != nil:
		ad.Act = c.GiveBack()
		return "", false
	case why != "" && policy == "drop_oldest" && !ad.inert[nil] && l.DropHelps():
		ad.drop(nil, c.DropOldest)
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
	if q.Tenant {
		policy = own
	}
	if policy == "drop_oldest" && !ad.inert[q] {
		ad.drop(q, q.Drop)
		return "", false
	}
	c.Quotas.Lock()
	defer c.Quotas.Unlock()
	if own != "reject" {
		q.full = true
		ad.quotas = append(ad.quotas, q)
	}
	return fmt.Sprintf("%d bytes wait for or of %s, whose max_queue_size is %d", *q.Used, q.What, q.Limit), q.Tenant
}

// drop has drop make room under the limit q before more is decided. Where there is nothing to drop, it is not tried
// again.
func (ad *Decision) drop(q *Quota, drop func() bool) {
	ad.Act = func() bool {
		dropped := drop()
		if !dropped {
			if ad.inert == nil {
				ad.inert = map[*Quota]bool{}
			}
			ad.inert[q] = true
		}
		return dropped
	}
}

// over returns a limit that b beside the group would exceed. What is larger than the limit by itself
// must pass some time, and what is stored in part has been let in.
func (ad *Decision) over(b *Batch) *Quota {
	if b.Begun() {
		return nil
	}
	ad.c.Quotas.Lock()
	defer ad.c.Quotas.Unlock()
	for _, cl := range b.claims {
		if taken := *cl.Used + cl.planned; cl.Limit > 0 && (cl.full || taken > 0 && taken+cl.bytes > cl.Limit) {
			return cl.Quota
		}
	}
	return nil
}
