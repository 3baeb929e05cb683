package forward

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// maxAgents bounds how many agents are remembered: those with open connections before those that were seen last.
	maxAgents = 1000
	// maxRefusedPeers bounds how many hosts that were turned away are: those that came last.
	maxRefusedPeers = 100
	// maxRefusedText bounds what is kept of why, in bytes.
	maxRefusedText = 1 << 10
)

// Agent is one sender: what comes from one host under one name for one cluster.
type Agent struct {
	// Host is not valid for a Unix socket.
	Host netip.Addr
	// Hostname is what it claims, fit to be shown, "" where it claims none.
	Hostname string
	Cluster  string
	// Open counts connections that are open.
	Open int
	// Messages counts those stored since the server started, or since the agent was forgotten for others.
	Messages uint64
	// NoAck is that of Messages, that wanted no ack.
	NoAck uint64
	// AsksAcks says that the last of them wanted one.
	AsksAcks bool
	LastSeen time.Time
}

// RefusedPeer is a host whose connections were closed, for one reason.
type RefusedPeer struct {
	// Host is not valid for a Unix socket.
	Host netip.Addr
	// Hostname is what it claimed, fit to be shown, "" where it came to none.
	Hostname string
	Reason   string
	// Text is that of the last.
	Text     string
	Times    uint64
	LastSeen time.Time
}

// people is whom a server knows. It is under the mutex of the server's counters.
type people struct {
	agents  map[agentKey]*Agent
	refused map[refusedKey]*RefusedPeer
}

type agentKey struct {
	host              netip.Addr
	hostname, cluster string
}

type refusedKey struct {
	host             netip.Addr
	hostname, reason string
}

// agent returns the agent of a connection that begins; nil: there are maxAgents with open connections.
func (p *people) agent(host netip.Addr, hostname, cluster string, now time.Time) *Agent {
	key := agentKey{host, hostname, cluster}
	if a := p.agents[key]; a != nil {
		return a
	}
	if len(p.agents) >= maxAgents {
		var oldest *Agent
		for _, a := range p.agents {
			if a.Open == 0 && (oldest == nil || a.LastSeen.Before(oldest.LastSeen)) {
				oldest = a
			}
		}
		if oldest == nil {
			return nil
		}
		delete(p.agents, agentKey{oldest.Host, oldest.Hostname, oldest.Cluster})
	}
	if p.agents == nil {
		p.agents = map[agentKey]*Agent{}
	}
	a := &Agent{Host: host, Hostname: hostname, Cluster: cluster, AsksAcks: true, LastSeen: now}
	p.agents[key] = a
	return a
}

// open counts a connection that begins, 1, or ends, -1. nil counts nothing.
func (a *Agent) open(n int) {
	if a != nil {
		a.Open += n
	}
}

// count counts messages, of which unacked want no ack. nil counts nothing.
func (a *Agent) count(messages, unacked int, now time.Time) {
	if a == nil {
		return
	}
	a.Messages += uint64(messages)
	a.NoAck += uint64(unacked)
	a.AsksAcks, a.LastSeen = unacked == 0, now
}

// refuse counts one whose connection was closed.
func (p *people) refuse(r RefusedPeer) {
	key := refusedKey{r.Host, r.Hostname, r.Reason}
	known := p.refused[key]
	if known == nil {
		if len(p.refused) >= maxRefusedPeers {
			var oldest *RefusedPeer
			for _, o := range p.refused {
				if oldest == nil || o.LastSeen.Before(oldest.LastSeen) {
					oldest = o
				}
			}
			delete(p.refused, refusedKey{oldest.Host, oldest.Hostname, oldest.Reason})
		}
		if p.refused == nil {
			p.refused = map[refusedKey]*RefusedPeer{}
		}
		known = &RefusedPeer{Host: r.Host, Hostname: r.Hostname, Reason: r.Reason}
		p.refused[key] = known
	}
	known.Text, known.LastSeen = strings.ToValidUTF8(r.Text[:min(len(r.Text), maxRefusedText)], ""), r.LastSeen
	known.Times++
}

// list returns all, those seen last first.
func (p *people) list() ([]Agent, []RefusedPeer) {
	agents, refused := make([]Agent, 0, len(p.agents)), make([]RefusedPeer, 0, len(p.refused))
	for _, a := range p.agents {
		agents = append(agents, *a)
	}
	for _, r := range p.refused {
		refused = append(refused, *r)
	}
	slices.SortFunc(agents, func(a, b Agent) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), a.Host.Compare(b.Host), cmp.Compare(a.Hostname, b.Hostname),
			cmp.Compare(a.Cluster, b.Cluster))
	})
	slices.SortFunc(refused, func(a, b RefusedPeer) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), a.Host.Compare(b.Host), cmp.Compare(a.Hostname, b.Hostname),
			cmp.Compare(a.Reason, b.Reason))
	})
	return agents, refused
}
