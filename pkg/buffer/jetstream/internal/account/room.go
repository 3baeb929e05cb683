package account

import (
	"cmp"
	"fmt"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// Need is how many bytes are to be stored, by place: of few places, mostly of one.
type Need []Bytes

// Bytes is how many are to be stored at a place.
type Bytes struct {
	subject.Place

	N int64
}

// Add adds bytes for a place.
func (n *Need) Add(p subject.Place, bytes int64) {
	for i := range *n {
		if (*n)[i].Place == p {
			(*n)[i].N += bytes
			return
		}
	}
	*n = append(*n, Bytes{p, bytes})
}

// total returns the bytes, and those of a cluster.
func (n Need) total(cluster string) (all, of int64) {
	for i := range n {
		if all += n[i].N; n[i].Cluster == cluster {
			of += n[i].N
		}
	}
	return all, of
}

// Shortage is why something has no room.
type Shortage struct {
	Why string
	// Cluster is whose batches wait.
	Cluster string
	// Policy is what is done about it: see buffer.Limits.WhenFull.
	Policy string
	// Whole says that it is the whole queue that is full.
	Whole bool
	// Drops reports what may be dropped to make room.
	Drops func(subject.Place) bool
}

// Reserve counts what is on its way: see Unreserve.
func (b *Book) Reserve(n Need) {
	for i := range n {
		b.flight[n[i].Place] += n[i].N
		b.usage.add(n[i].Place, n[i].N)
	}
}

// Unreserve gives back what was reserved and is counted now, or not stored.
func (b *Book) Unreserve(n Need) {
	for i := range n {
		p := n[i].Place
		if b.flight[p] -= n[i].N; b.flight[p] == 0 {
			delete(b.flight, p)
		}
		b.usage.add(p, -n[i].N)
	}
}

// Short returns why there is no room for n; nil: there is. What is larger than a limit finds room where nothing else
// is.
func (b *Book) Short(n Need, limits *buffer.Limits, maxSize int64) *Shortage {
	for i := range n {
		p := &n[i]
		all, of := n.total(p.Cluster)
		policy := cmp.Or(limits.ClusterWhenFull[p.Cluster], limits.WhenFull)
		if b.usage.total > 0 && b.usage.total+all > maxSize {
			return &Shortage{
				fmt.Sprintf("%s wait, and buffer.max_size is %s", humanize.Bytes(float64(b.usage.total)),
					humanize.Bytes(float64(maxSize))),
				p.Cluster, policy, true, func(subject.Place) bool { return true },
			}
		}
		used, limit := b.usage.clusters[p.Cluster], limits.Clusters[p.Cluster]
		if limit > 0 && used > 0 && used+of > limit {
			return &Shortage{
				fmt.Sprintf("cluster %s's max_queue_size is %s", p.Cluster, humanize.Bytes(float64(limit))),
				p.Cluster, policy, false, func(o subject.Place) bool { return o.Cluster == p.Cluster },
			}
		}
		used, limit = b.usage.outputs[p.Output], limits.Outputs[p.Output]
		if p.Target == "" && limit > 0 && used > 0 && used+p.N > limit {
			return &Shortage{
				fmt.Sprintf("output %s's max_queue_size is %s", p.Output, humanize.Bytes(float64(limit))),
				p.Cluster, policy, false, func(o subject.Place) bool { return o.Output == p.Output && o.Target == "" },
			}
		}
	}
	return nil
}
