package snapshot

import (
	"slices"
	"time"
)

// Group is the aggregators that share a replicated queue. Where there is one, what a Snapshot says of clusters and
// outputs is of all of them, those that have ended among them: their last figures stay for as long as they are
// remembered.
type Group struct {
	// Self is the name of who tells this.
	Self string `json:"self"`
	// Pods are ascending by host, then by start.
	Pods []Pod `json:"pods"`
	// Closing: what a pod did last is not known yet, as after its end, so the ledger says nothing.
	Closing bool `json:"closing"`
	// Own is what the one who tells this has done itself, for metrics, which others add up.
	Own Figures `json:"-"`
}

// Figures are those that are counted by each aggregator of a group.
type Figures struct {
	Clusters []Cluster
	Outputs  []Output
}

// Pod is one life of an aggregator: a program that is started again is another pod on the same host.
type Pod struct {
	// Name is one that no other has or had.
	Name     string    `json:"name"`
	Host     string    `json:"host"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	LastSeen time.Time `json:"last_seen"`
	State    PodState  `json:"state"`
	// NotReady is why agents should not be sent there.
	NotReady []string `json:"not_ready"`

	Connections    int    `json:"connections"`
	ReceivedEvents uint64 `json:"received_events"`
	// DeliveredEvents is for all outputs.
	DeliveredEvents uint64 `json:"delivered_events"`
	// ReceivedRate is derived.
	ReceivedRate float64 `json:"received_per_second"`
	// DeliveredRate is derived.
	DeliveredRate float64 `json:"delivered_per_second"`
	PodPeople
	MemoryBytes      int64 `json:"memory_bytes"`
	MemoryLimitBytes int64 `json:"memory_limit_bytes"`
}

// PodPeople is who connects to a pod, as the pods tell each other.
type PodPeople struct {
	// Agents is how many its listeners know of.
	Agents int `json:"agents"`
	// LoginsRefused counts since the pod's start.
	LoginsRefused uint64 `json:"logins_refused"`
	// LoginsRefusedLately is how many it has refused in the last ten minutes. Derived.
	LoginsRefusedLately uint64 `json:"logins_refused_lately"`
	// RefusedPeers are the ten that it has turned away last.
	RefusedPeers []RefusedPeer `json:"refused_peers"`
	// NoAckPeers are the ten that sent messages last that want no ack.
	NoAckPeers []NoAck `json:"no_ack_peers"`
}

// PodState is what became of a pod.
type PodState string

// The states of a pod.
const (
	PodReady PodState = "ready"
	// PodNotReady is that of one that is alive, and takes nothing.
	PodNotReady PodState = "not_ready"
	// PodEnded is that of one that has ended in good order.
	PodEnded PodState = "ended"
	// PodGone is that of one that has fallen silent: it was killed, or can't reach the queue's servers.
	PodGone PodState = "gone"
)

// Alive reports whether the pod runs, as far as the others know.
func (p *Pod) Alive() bool { return p.State == PodReady || p.State == PodNotReady }

// Replaced reports whether a later pod runs on the host of g.Pods[i].
func (g *Group) Replaced(i int) bool {
	was := &g.Pods[i]
	return slices.ContainsFunc(g.Pods, func(p Pod) bool {
		return p.Host == was.Host && p.Started.After(was.Started)
	})
}

// missed is for how long a pod that has fallen silent is missed.
const missed = 15 * time.Minute

// Missing returns the pods that have fallen silent lately, and no other has taken the place of on the host.
func (g *Group) Missing(now time.Time) (pods []Pod) {
	for i := range g.Pods {
		if p := &g.Pods[i]; p.State == PodGone && now.Sub(p.LastSeen) < missed && !g.Replaced(i) {
			pods = append(pods, *p)
		}
	}
	return pods
}

// rates fills what is per second, from what g was before.
func (g *Group) rates(before *Group, seconds float64) {
	if g == nil || before == nil || seconds <= 0 {
		return
	}
	for i := range g.Pods {
		p := &g.Pods[i]
		at := slices.IndexFunc(before.Pods, func(was Pod) bool { return was.Name == p.Name })
		if at < 0 {
			continue
		}
		was := &before.Pods[at]
		p.ReceivedRate = float64(p.ReceivedEvents-min(p.ReceivedEvents, was.ReceivedEvents)) / seconds
		p.DeliveredRate = float64(p.DeliveredEvents-min(p.DeliveredEvents, was.DeliveredEvents)) / seconds
	}
}
