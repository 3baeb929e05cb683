package snapshot

import "github.com/seed-afc6a195/aggregator/pkg/status/client"

// Pending returns what the command queue shows.
func (s *Snapshot) Pending() client.Queue {
	q := client.Queue{Time: s.Time, Full: s.Queue.FullReason, Outputs: []client.OutputQueue{}}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		out := client.OutputQueue{Output: o.Name, State: string(o.State), Clusters: []client.ClusterQueue{}}
		for j := range o.Clusters {
			p := o.Clusters[j].pending()
			p.Foresee()
			out.Clusters = append(out.Clusters, client.ClusterQueue{Cluster: o.Clusters[j].Cluster, Pending: p})
		}
		out.Pending = o.pending()
		out.Foresee()
		q.Outputs = append(q.Outputs, out)
		q.Events += out.Events
		q.Chunks += out.Chunks
		q.Bytes += out.Bytes
		q.Oldest = max(q.Oldest, out.Oldest)
	}
	if s.Group != nil {
		for i := range s.Group.Pods {
			if s.Group.Pods[i].Alive() {
				q.Pods++
			}
		}
	}
	return q
}

func (c *OutputCluster) pending() client.Pending {
	return client.Pending{
		Events: int64(c.Pending), Chunks: c.PendingChunks, Bytes: c.PendingBytes, Oldest: c.OldestAge,
		Delivered: c.DeliveredPerSecond, Queued: c.QueuedPerSecond, Settled: c.SettledPerSecond,
	}
}

func (o *Output) pending() (all client.Pending) {
	for i := range o.Clusters {
		p := o.Clusters[i].pending()
		all.Add(&p)
	}
	return all
}
