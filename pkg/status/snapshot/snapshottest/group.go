package snapshottest

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// groupOf is a group of two, of which s is one.
func groupOf(s *snapshot.Snapshot, started time.Time, n uint64) *snapshot.Group {
	return &snapshot.Group{
		Self: "b", Own: snapshot.Figures{Clusters: s.Clusters, Outputs: s.Outputs},
		Pods: []snapshot.Pod{
			{
				Name: "a", Host: "aggregator-1", Version: "1.2.3", Started: started, LastSeen: started.Add(time.Second),
				State: snapshot.PodNotReady, NotReady: []string{"starting or stopping"}, Connections: 2,
				ReceivedEvents: n / 4, DeliveredEvents: n / 8, MemoryBytes: 40 << 20, MemoryLimitBytes: 225 << 20,
				PodPeople: snapshot.PodPeople{
					Agents: 2, LoginsRefused: 70,
					RefusedPeers: []snapshot.RefusedPeer{{
						Peer: "10.0.0.9", Hostname: "old-node", Reason: "shared_key",
						Text: "its shared key fits no cluster", Times: 70, LastSeen: started,
					}},
					NoAckPeers: []snapshot.NoAck{{Peer: "10.0.0.8", Cluster: "osaka", Messages: 3, LastSeen: started}},
				},
			},
			{
				Name: "b", Host: "aggregator-0", Version: "1.2.3", Started: started, LastSeen: started.Add(time.Second),
				State: snapshot.PodReady, Connections: 1, ReceivedEvents: n - n/4, DeliveredEvents: n/2 - n/8,
			},
		},
	}
}

// podsOf has s be the first of n pods of a Deployment, among which its events are shared out.
func podsOf(s *snapshot.Snapshot, began, now time.Time, n int) *snapshot.Group {
	g := &snapshot.Group{Self: "1", Own: snapshot.Figures{Clusters: s.Clusters, Outputs: s.Outputs}}
	received, delivered, connections := uint64(0), uint64(0), 0
	for i := range s.Clusters {
		received += s.Clusters[i].ReceivedEvents
		connections += s.Clusters[i].Connections
	}
	for i := range s.Outputs {
		delivered += s.Outputs[i].Delivered()
	}
	for i := range n {
		g.Pods = append(g.Pods, snapshot.Pod{
			Name:    strconv.Itoa(i + 1),
			Host:    fmt.Sprintf("aggregator-6c9f7d5b8-%c%ckq%d", 'b'+rune(i*7%20), 'd'+rune(i*3%20), i%10),
			Version: s.Version, Started: began.Add(time.Duration(i) * time.Minute / 2), LastSeen: now,
			State: snapshot.PodReady, Connections: connections/n + i%3, PodPeople: snapshot.PodPeople{Agents: 2 + i%3},
			ReceivedEvents: received / uint64(n), DeliveredEvents: delivered / uint64(n),
			MemoryBytes:      int64(80+i%7*9)<<20 + int64(6e6*math.Sin(since(began, now)/40+float64(i))),
			MemoryLimitBytes: 461 << 20,
		})
	}
	s.Hostname = g.Pods[0].Host
	return g
}

// Shared is a day on which one of the aggregators that share a queue was killed, one does not get ready, and one turns
// agents away.
func Shared(began, now time.Time) snapshot.Snapshot {
	s := Normal(began, now)
	s.Queue.Segments, s.Queue.FreeDiskBytes, s.Queue.MinFreeDiskBytes = 0, 0, 0
	s.Group = podsOf(&s, began, now, 6)
	pods := s.Group.Pods
	pods[2].State, pods[2].NotReady = snapshot.PodNotReady, []string{
		"nothing can be stored: no NATS server of nats://nats-0.nats:4222, nats://nats-1.nats:4222 answers",
	}
	pods[2].Started = now.Add(-90 * time.Second)
	pods[3].State, pods[3].LastSeen, pods[3].Connections, pods[3].MemoryBytes = snapshot.PodGone,
		now.Add(-4*time.Minute), 0, 0
	pods[4].State, pods[4].LastSeen, pods[4].Connections = snapshot.PodEnded, now.Add(-30*time.Minute), 0
	pods[5].Version = "v1.5.0"
	pods[5].LoginsRefused = uint64(since(began, now) / 5)
	pods[5].RefusedPeers = []snapshot.RefusedPeer{{
		Peer: "10.61.0.9", Hostname: "old-node-3", Reason: "shared_key",
		Text: `its shared key fits no cluster (it says it is "old-node-3")`, Times: 212, LastSeen: now,
	}}
	pods[5].NoAckPeers = []snapshot.NoAck{{Peer: "10.23.0.7", Cluster: "seoul-dev", Messages: 1200, LastSeen: now}}
	return s
}
