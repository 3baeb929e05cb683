package page

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

const (
	// maxPods is how many are shown.
	maxPods = 100
	// maxOfPod is how many that it turned away are named, and that ask for no acks.
	maxOfPod = 5
	// maxWhy is how many bytes of why one is not ready.
	maxWhy = 500
)

// group is the aggregators that share the queue.
type group struct {
	// Pods are those that run, and those that are missed, by name.
	Pods map[string]*pod `json:"pods"`
	// More counts others of that kind.
	More int `json:"more,omitzero"`
	// Earlier counts those that have ended, or were missed for long.
	Earlier int `json:"earlier,omitzero"`
}

type pod struct {
	Host    string            `json:"host"`
	State   snapshot.PodState `json:"state"`
	Why     string            `json:"why,omitempty"`
	Self    bool              `json:"self,omitzero"`
	Version string            `json:"version"`
	Started int64             `json:"started"`
	Seen    int64             `json:"seen"`
	Conns   int               `json:"conns"`
	Agents  int               `json:"agents"`
	In      float64           `json:"in"`
	Out     float64           `json:"out"`
	Memory  int64             `json:"memory"`
	Limit   int64             `json:"limit"`
	// Refused counts logins in the last ten minutes.
	Refused uint64    `json:"refused,omitzero"`
	Away    []refused `json:"away,omitempty"`
	NoAcks  []noAck   `json:"no_acks,omitempty"`
}

// noAck is who asks for no acks.
type noAck struct {
	Peer    string `json:"peer"`
	Cluster string `json:"cluster"`
	Seen    int64  `json:"seen"`
}

// groupOf returns what the page shows of the pods, nil where there is no group. Whom this one turned away, and who asks
// it for no acks, stands with its listeners and clusters.
func groupOf(s *snapshot.Snapshot) *group {
	if s.Group == nil {
		return nil
	}
	g := &group{Pods: map[string]*pod{}}
	missing := map[string]bool{}
	for _, p := range s.Group.Missing(s.Time) {
		missing[p.Name] = true
	}
	for i := range s.Group.Pods {
		p := &s.Group.Pods[i]
		switch {
		case !p.Alive() && !missing[p.Name]:
			g.Earlier++
			continue
		case len(g.Pods) >= maxPods:
			g.More++
			continue
		}
		out := &pod{
			Host: name(p.Host), State: p.State, Why: safetext.Clip(strings.Join(p.NotReady, "; "), maxWhy),
			Self: p.Name == s.Group.Self, Version: name(p.Version),
			Started: millis(p.Started), Seen: coarse(p.LastSeen),
			Conns: p.Connections, Agents: p.Agents, In: short(p.ReceivedRate), Out: short(p.DeliveredRate),
			Memory: p.MemoryBytes, Limit: p.MemoryLimitBytes, Refused: p.LoginsRefusedLately,
		}
		if !p.Alive() {
			out.Seen = millis(p.LastSeen)
		}
		if !out.Self {
			out.people(p)
		}
		g.Pods[name(p.Name)] = out
	}
	return g
}

// people adds who connects.
func (out *pod) people(p *snapshot.Pod) {
	for i := range min(len(p.RefusedPeers), maxOfPod) {
		r := &p.RefusedPeers[i]
		out.Away = append(out.Away, refused{
			agent{name(r.Peer), name(r.Hostname), millis(r.LastSeen)}, name(r.Reason), name(r.Text), r.Times,
		})
	}
	for i := range min(len(p.NoAckPeers), maxOfPod) {
		n := &p.NoAckPeers[i]
		out.NoAcks = append(out.NoAcks, noAck{name(n.Peer), name(n.Cluster), coarse(n.LastSeen)})
	}
}
