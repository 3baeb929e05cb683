// Package group joins what the aggregators tell of themselves that share a replicated queue: each shares a State every
// few seconds, from which each makes the same picture of the whole group.
//
// Pending events are the queue's to know, of the whole group at once. What was received, stored and delivered is
// counted by each pod for itself, from its start on; sums over all pods, the ended ones among them, are the group's.
// What a pod that was killed did after its last State is counted nowhere. It is found once all figures rest, as what is
// left over, and entered as recovered (it was stored and not told) or unreported (it was settled and not told). The
// account is closed so once for each such pod, and once after a start: that less is there later than was told is a
// mistake, and shows as one. That more is there, as the queue's servers say, is entered as recovered whenever they do:
// what was delivered and could not be taken off the queue is delivered again.
package group

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// State is what a pod tells the others of itself, as JSON.
type State struct {
	Version  string   `json:"v,omitempty"`
	NotReady []string `json:"n,omitempty"`
	// Final says that it ends in good order, and does nothing any more.
	Final       bool   `json:"f,omitempty"`
	Connections int    `json:"o,omitempty"`
	People      People `json:"w,omitzero"`
	// Memory and MemoryLimit are in bytes.
	Memory      int64       `json:"m,omitempty"`
	MemoryLimit int64       `json:"l,omitempty"`
	Clusters    []Received  `json:"c,omitempty"`
	Outputs     []Delivered `json:"d,omitempty"`
	// Controls are by output.
	Controls map[string]Control `json:"p,omitempty"`
	// Trouble is that of outputs, but for those that are well.
	Trouble []Trouble `json:"t,omitempty"`
}

// People are who connects to a pod, as in snapshot.Pod, and so bounded.
type People struct {
	Agents        int                    `json:",omitempty"`
	LoginsRefused uint64                 `json:",omitempty"`
	RefusedPeers  []snapshot.RefusedPeer `json:",omitempty"`
	NoAckPeers    []snapshot.NoAck       `json:",omitempty"`
}

// Received is what came in from a cluster, as in snapshot.Cluster.
type Received struct {
	Name                                          string
	Events, Bytes, Messages, Stored, Dup, Refused uint64          `json:",omitempty"`
	Dropped, Dead                                 snapshot.Counts `json:",omitempty"`
	Connections                                   int             `json:",omitempty"`
	LastSeen                                      time.Time       `json:",omitzero"`
}

// Delivered is what became of a cluster's events for an output, as in snapshot.OutputCluster.
type Delivered struct {
	Output, Cluster                              string
	Queued, Returned, Adopted, Delivered, Purged uint64          `json:",omitempty"`
	Dropped, Dead                                snapshot.Counts `json:",omitempty"`
}

// Trouble is an output that does not deliver, as in snapshot.Output.
type Trouble struct {
	Output    string
	State     snapshot.State
	LastError snapshot.Failure
	Since     time.Time `json:",omitzero"`
}

// Control is what an operator wants of an output: the newest of all pods' counts.
type Control struct {
	Paused bool
	At     time.Time
}

// Of returns the state of a pod, whose own figures s has.
func Of(s *snapshot.Snapshot, notReady []string, controls map[string]Control) State {
	st := State{
		Version: s.Version, NotReady: notReady, Controls: controls, People: peopleOf(s.Listeners),
		Memory: s.Memory.UsedBytes / memoryStep * memoryStep, MemoryLimit: s.Memory.LimitBytes,
	}
	for i := range s.Listeners {
		st.Connections += s.Listeners[i].Connections
	}
	for i := range s.Clusters {
		c := &s.Clusters[i]
		st.Clusters = append(st.Clusters, Received{
			Name: c.Name, Events: c.ReceivedEvents, Bytes: c.ReceivedBytes, Messages: c.Messages,
			Stored: c.StoredEvents,
			Dup:    c.DuplicateEvents, Refused: c.RefusedConnections, Dropped: c.Dropped, Dead: c.Dead,
			Connections: c.Connections, LastSeen: c.LastSeen,
		})
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		if severity(o.State) > 0 {
			f := o.LastError
			// Its own words are for who shows the token.
			f.Detail = ""
			st.Trouble = append(st.Trouble, Trouble{
				Output: o.Name, State: o.State, LastError: f, Since: o.FailingSince,
			})
		}
		for j := range o.Clusters {
			c := &o.Clusters[j]
			st.Outputs = append(st.Outputs, Delivered{
				Output: o.Name, Cluster: c.Cluster, Queued: c.Queued, Returned: c.Returned, Adopted: c.Adopted,
				Delivered: c.Delivered, Purged: c.Purged, Dropped: c.Dropped, Dead: c.Dead,
			})
		}
	}
	return st
}

const (
	// memoryStep is what memory is told in, so that a pod that rests has nothing new to tell.
	memoryStep = 4 << 20
	// maxPeople is how many of each are told, and maxWords how many bytes of what strangers say of themselves, or of
	// why they were refused.
	maxPeople = 10
	maxWords  = 200
)

// peopleOf returns who connects to the listeners: those seen last.
func peopleOf(listeners []snapshot.Listener) (p People) {
	for i := range listeners {
		l := &listeners[i]
		p.Agents += len(l.Agents)
		p.LoginsRefused += l.LoginsRefused()
		p.RefusedPeers = append(p.RefusedPeers, l.RefusedPeers...)
		p.NoAckPeers = append(p.NoAckPeers, l.NoAckPeers...)
	}
	slices.SortFunc(p.RefusedPeers, func(a, b snapshot.RefusedPeer) int { return b.LastSeen.Compare(a.LastSeen) })
	slices.SortFunc(p.NoAckPeers, func(a, b snapshot.NoAck) int { return b.LastSeen.Compare(a.LastSeen) })
	p.RefusedPeers = p.RefusedPeers[:min(len(p.RefusedPeers), maxPeople)]
	p.NoAckPeers = p.NoAckPeers[:min(len(p.NoAckPeers), maxPeople)]
	for i := range p.RefusedPeers {
		r := &p.RefusedPeers[i]
		r.Hostname, r.Text = safetext.Clip(r.Hostname, maxWords), safetext.Clip(r.Text, maxWords)
	}
	return p
}

// severity ranks the states in which an output does not deliver; 0: it does.
func severity(s snapshot.State) int {
	return 1 + slices.Index([]snapshot.State{
		snapshot.StateRetrying, snapshot.StateStalled, snapshot.StateRefused,
	}, s)
}

// Marshal returns s as it is shared.
func (s *State) Marshal() []byte {
	text, err := json.Marshal(s)
	if err != nil {
		// Nothing in it can't be JSON.
		return nil
	}
	return text
}

// peer is a pod with its State.
type peer struct {
	buffer.Peer
	state State
}

// read returns what the peers say. One whose state can't be read, such as that of a newer program, is there without
// figures.
func read(peers []buffer.Peer) []peer {
	all := make([]peer, len(peers))
	for i, p := range peers {
		all[i] = peer{Peer: p}
		if len(p.State) > 0 && json.Unmarshal(p.State, &all[i].state) != nil {
			all[i].state = State{NotReady: []string{"what it says of itself can't be read: it is of another version"}}
		}
	}
	return all
}

// Controls returns the newest that any of the peers that are alive says of each output.
func Controls(peers []buffer.Peer) map[string]Control {
	newest := map[string]Control{}
	for _, p := range read(peers) {
		if !p.Alive {
			continue
		}
		for name, c := range p.state.Controls {
			if c.At.After(newest[name].At) {
				newest[name] = c
			}
		}
	}
	return newest
}

// Merge makes s, the snapshot of the pod called self, one of the whole group. peers have self among them, whose own
// figures s has newer; notReady says why agents should not be sent to it, and audit what the queue's servers have.
func (b *Books) Merge(
	s *snapshot.Snapshot, self string, notReady []string, peers []buffer.Peer, audit buffer.Audit,
) {
	g := &snapshot.Group{Self: self, Own: snapshot.Figures{Clusters: cloneClusters(s.Clusters)}}
	g.Own.Outputs = cloneOutputs(s.Outputs)
	all := read(peers)
	own := Of(s, notReady, nil)
	for i := range all {
		p := &all[i]
		if p.Name == self {
			p.state, p.Alive = own, true
		} else {
			add(s, &p.state)
			if p.Alive {
				worsen(s, p)
			}
		}
		g.Pods = append(g.Pods, pod(p))
	}
	slices.SortFunc(g.Pods, func(a, b snapshot.Pod) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), a.Started.Compare(b.Started), cmp.Compare(a.Name, b.Name))
	})
	s.Group = g
	b.enter(s, self, all, audit)
}

// pod returns what is shown of p.
func pod(p *peer) snapshot.Pod {
	out := snapshot.Pod{
		Name: p.Name, Host: p.Host, Version: p.state.Version, Started: p.Started.UTC(), LastSeen: p.Seen.UTC(),
		NotReady: p.state.NotReady, Connections: p.state.Connections, State: snapshot.PodReady,
		MemoryBytes: p.state.Memory, MemoryLimitBytes: p.state.MemoryLimit,
		PodPeople: snapshot.PodPeople{
			Agents: p.state.People.Agents, LoginsRefused: p.state.People.LoginsRefused,
			RefusedPeers: p.state.People.RefusedPeers, NoAckPeers: p.state.People.NoAckPeers,
		},
	}
	switch {
	case p.state.Final:
		out.State = snapshot.PodEnded
	case !p.Alive:
		out.State = snapshot.PodGone
	case len(p.state.NotReady) > 0:
		out.State = snapshot.PodNotReady
	}
	if !out.Alive() {
		out.Connections, out.NotReady, out.Agents, out.MemoryBytes, out.NoAckPeers = 0, nil, 0, 0, nil
	}
	for i := range p.state.Clusters {
		out.ReceivedEvents += p.state.Clusters[i].Events
	}
	for i := range p.state.Outputs {
		out.DeliveredEvents += p.state.Outputs[i].Delivered
	}
	return out
}

// add adds what another pod has done to s.
func add(s *snapshot.Snapshot, st *State) {
	for i := range st.Clusters {
		r := &st.Clusters[i]
		c := cluster(s, r.Name)
		c.ReceivedEvents += r.Events
		c.ReceivedBytes += r.Bytes
		c.Messages += r.Messages
		c.StoredEvents += r.Stored
		c.DuplicateEvents += r.Dup
		c.RefusedConnections += r.Refused
		c.Dropped, c.Dead = sum(c.Dropped, r.Dropped), sum(c.Dead, r.Dead)
		if !st.Final {
			c.Connections += r.Connections
		}
		if r.LastSeen.After(c.LastSeen) {
			c.LastSeen = r.LastSeen
		}
	}
	for i := range st.Outputs {
		d := &st.Outputs[i]
		c := outputCluster(s, d.Output, d.Cluster)
		c.Queued += d.Queued
		c.Returned += d.Returned
		c.Adopted += d.Adopted
		c.Delivered += d.Delivered
		c.Purged += d.Purged
		c.Dropped, c.Dead = sum(c.Dropped, d.Dropped), sum(c.Dead, d.Dead)
	}
}

// worsen shows of outputs that p can't deliver to what keeps it, where that is worse than here.
func worsen(s *snapshot.Snapshot, p *peer) {
	for i := range p.state.Trouble {
		t := &p.state.Trouble[i]
		at := slices.IndexFunc(s.Outputs, func(o snapshot.Output) bool { return o.Name == t.Output })
		if at < 0 || severity(t.State) <= severity(s.Outputs[at].State) || s.Outputs[at].State == snapshot.StatePaused {
			continue
		}
		o := &s.Outputs[at]
		o.State, o.LastError, o.FailingSince = t.State, t.LastError, t.Since
		o.LastError.Text = "on " + p.Host + ": " + o.LastError.Text
	}
}

// sum returns a with the counts of b added.
func sum(a, b snapshot.Counts) snapshot.Counts {
	if a = maps.Clone(a); a == nil {
		a = snapshot.Counts{}
	}
	for label, n := range b {
		a[label] += n
	}
	return a
}

// cluster returns the cluster of that name in s, which it puts there where it is missing.
func cluster(s *snapshot.Snapshot, name string) *snapshot.Cluster {
	at, there := slices.BinarySearchFunc(s.Clusters, name, func(c snapshot.Cluster, name string) int {
		return cmp.Compare(c.Name, name)
	})
	if !there {
		s.Clusters = slices.Insert(s.Clusters, at, snapshot.Cluster{Name: name})
	}
	return &s.Clusters[at]
}

// outputCluster does the same with an output's cluster. An output that this pod does not have is one that is not
// configured here any more, or not yet.
func outputCluster(s *snapshot.Snapshot, output, cluster string) *snapshot.OutputCluster {
	at := slices.IndexFunc(s.Outputs, func(o snapshot.Output) bool { return o.Name == output })
	if at < 0 {
		at = len(s.Outputs)
		s.Outputs = append(s.Outputs, snapshot.Output{Name: output, State: snapshot.StateRemoved})
	}
	o := &s.Outputs[at]
	i, there := slices.BinarySearchFunc(o.Clusters, cluster, func(c snapshot.OutputCluster, name string) int {
		return cmp.Compare(c.Cluster, name)
	})
	if !there {
		o.Clusters = slices.Insert(o.Clusters, i, snapshot.OutputCluster{Cluster: cluster})
	}
	return &o.Clusters[i]
}

func cloneClusters(all []snapshot.Cluster) []snapshot.Cluster {
	all = slices.Clone(all)
	for i := range all {
		all[i].Dropped, all[i].Dead = maps.Clone(all[i].Dropped), maps.Clone(all[i].Dead)
	}
	return all
}

func cloneOutputs(all []snapshot.Output) []snapshot.Output {
	all = slices.Clone(all)
	for i := range all {
		all[i].Clusters = slices.Clone(all[i].Clusters)
	}
	return all
}
